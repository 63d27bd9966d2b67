// A thread that adds to a number in shared memory, not atomically, while it holds an exclusive lock on a file.
import { parentPort, workerData } from "node:worker_threads";
import { FileLocks, LEVEL, type LockHolder } from "../../../../../wire/file-locks.ts";

interface Work {
  readonly block: SharedArrayBuffer;
  readonly slot: number;
  readonly number: SharedArrayBuffer;
  readonly times: number;
}

const { block, slot, number, times } = workerData as Work;
const locks = new FileLocks(block, slot);
const holder: LockHolder = { file: [1, 0, 2, 0], entry: 0 };
const words = new Int32Array(number);
for (let done = 0; done < times; ) {
  if ([LEVEL.shared, LEVEL.reserved, LEVEL.exclusive].every((level) => locks.lock(holder, level))) {
    const before = words[0] as number;
    for (let i = 0; i < 100; i++) words[1] = i;
    words[0] = before + 1;
    done++;
  }
  locks.unlock(holder, LEVEL.none);
}
parentPort?.postMessage(times);
