// One of two threads that wake each other in turns by their bells, blocking or in the event loop.
import { parentPort, workerData } from "node:worker_threads";
import { Bell } from "../../../../wire/bell.ts";

export interface BellEnd {
  /** Word 0: whose turn it is, counted up. Words 16 and 32: the sleep flags of end 0 and end 1. */
  readonly words: SharedArrayBuffer;
  readonly end: 0 | 1;
  readonly mode: "block" | "sleep";
  readonly rounds: number;
  readonly seed: number;
}

const data = workerData as BellEnd;
const words = new Int32Array(data.words);
const [own, other] = data.end === 0 ? [16, 32] : [32, 16];
const bell = new Bell(words, own);
const others = new Bell(words, other);
let random = data.seed;

/** Waits for nothing for a moment, so that ringing and falling asleep meet in every order. */
function dawdle(): void {
  random = (Math.imul(random, 1_103_515_245) + 12_345) >>> 0;
  for (let i = (random >>> 16) % 300; i > 0; i--) Atomics.load(words, 0);
}

async function play(): Promise<void> {
  for (let round = data.end; round < data.rounds; round += 2) {
    const isMine = (): boolean => Atomics.load(words, 0) === round;
    // Without a time-out: a wake-up that is lost hangs the test.
    while (!isMine()) {
      dawdle();
      if (data.mode === "block") bell.block(isMine, Number.POSITIVE_INFINITY);
      else await bell.sleep(isMine);
    }
    Atomics.store(words, 0, round + 1);
    dawdle();
    others.ring();
  }
}

const alive = setInterval(() => {}, 1 << 30); // a promise of Atomics.waitAsync does not keep the loop alive
void play().then(() => {
  clearInterval(alive);
  parentPort?.postMessage("played");
});
