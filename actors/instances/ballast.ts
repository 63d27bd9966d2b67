// When V8 collects garbage: not because guests have memories, and once many of them have gone.
//
// V8 counts the memory of each instance as external memory of its thread, whether it is resident or not, and collects
// all of the thread's heap whenever that has grown by 64 MiB: with a guest of 1 MiB for every 60 instances, which at
// 4,000 made each cost 1.1 ms instead of 0.06 (M). What it counts must not grow, so as instances come, buffers go that
// were made before: never touched, they are address space only. New ones are made when there are none: then V8 does
// collect, a few times for each GiB.
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { MessageChannel, resourceLimits } from "node:worker_threads";

/** Below the 64 MiB, and above the largest size (32 MiB) that malloc may take from a heap which it would fill. */
const CHUNK_BYTES = 48 << 20;
/** Chunks that are made at once: first few, since only who has many instances should pay for them. */
const CHUNKS_MIN = 8;
/** 1.1 GiB, and no more than a quarter of the heap's limit: V8 collects all at once at half of that. */
const heapBytes = (resourceLimits.maxOldGenerationSizeMb ?? 64) * 2 ** 20;
const CHUNKS_MAX = Math.max(1, Math.min(24, Math.floor(heapBytes / 4 / CHUNK_BYTES)));
/**
 * The first collection leaves the pages on which a few objects live on (only then is it known which they are), and
 * young space as large as the crowd needed it. One more empties the pages and, 5 s after the last allocations, shrinks
 * young space; it has little to look at (M: 61 MB of heap with 7 MB in use became 9). ms
 */
const AGAIN_MS = 5500;

export class Ballast {
  readonly #port;
  #chunks: ArrayBuffer[] = [];
  #next = Math.min(CHUNKS_MIN, CHUNKS_MAX);
  /** Bytes that the memories have grown by and no chunk has gone for. */
  #growth = 0;
  /** Bytes of memories that were given up since `collect`. */
  #gone = 0;
  #gc: (() => void) | null = null;
  #again: NodeJS.Timeout | undefined;

  constructor() {
    const { port1, port2 } = new MessageChannel();
    port2.close();
    this.#port = port1;
    this.#port.unref();
  }

  /** An instance with so many bytes of memory was made, or (negative) given up. */
  add(bytes: number): void {
    this.#growth = Math.max(0, this.#growth + bytes);
    if (bytes < 0) this.#gone -= bytes;
    for (; this.#growth >= CHUNK_BYTES; this.#growth -= CHUNK_BYTES) this.#drop();
  }

  /** Gives back what instances left behind, if that is worth it: V8 by itself would keep it until there is more. */
  collect(): void {
    if (this.#gone < CHUNK_BYTES) return;
    this.#gone = 0;
    if (this.#gc === null) {
      setFlagsFromString("--expose-gc"); // for contexts that are made from now on
      this.#gc = runInNewContext("gc") as () => void;
    }
    this.#gc();
    clearTimeout(this.#again);
    this.#again = setTimeout(this.#gc, AGAIN_MS).unref();
  }

  #drop(): void {
    if (this.#chunks.length === 0) {
      this.#make(this.#next);
      this.#next = Math.min(this.#next * 2, CHUNKS_MAX);
    }
    const chunk = this.#chunks.pop();
    // Transferred to nobody, it is freed now and not when it is collected.
    if (chunk !== undefined) this.#port.postMessage(null, [chunk]);
  }

  #make(count: number): void {
    try {
      for (let i = 0; i < count; i++) this.#chunks.push(new ArrayBuffer(CHUNK_BYTES));
    } catch {
      // The machine commits no memory that is not there: then V8 collects as it likes.
    }
  }
}
