// Light waiting: the stack of a guest is unwound at a blocking host call and rewound when it can go on, so that its
// thread runs others meanwhile (docs/design/processes.md). By Binaryen's Asyncify, in modules rewritten for it.
//
// Asyncify writes the stack into guest memory. Where the stack of LLVM's linker lies below all data, it stays below the
// stack pointer for as long as the process waits: nothing there is needed (wire/abi/light.ts). Elsewhere the place is
// borrowed (DECISIONS 9.1): what the guest has there is saved, and put back as soon as the stack has been copied out or
// taken in. While a stack is unwound or rewound no code of the guest runs that could look.
import { LIGHT_EXPORTS } from "../../wire/abi/light.ts";
import type { ModuleInfo } from "../../wire/specs.ts";

/** Stack that a waiting process may have, as Asyncify writes it: some 50 to 200 bytes a frame. Bytes */
export const STACK_BYTES_MAX = 32 * 1024;
/** Before the stack: two words, where it ends now and where it must end at the latest. */
const HEADER_BYTES = 8;
/** A function of LLVM's that calls none may use 128 bytes below the stack pointer without moving it. A loop yields. */
const RED_ZONE_BYTES = 128;
/** With less room below the stack pointer than this, a place is borrowed. */
const ROOM_BYTES_MIN = 4096;
const WORD_BYTES = 4;
const ALIGNED = -16;

/** What the guest had where a stack lies now. One stack a thread is unwound or rewound at a time. */
const saved = new Int32Array(STACK_BYTES_MAX / WORD_BYTES);

export type StackState = "normal" | "unwinding" | "rewinding";

/** Unwinding and rewinding of one instance. `memory` is all of the guest's. */
export class LightStack {
  state: StackState = "normal";
  readonly #startUnwind: (data: number) => void;
  readonly #stopUnwind: () => void;
  readonly #startRewind: (data: number) => void;
  readonly #stopRewind: () => void;
  readonly #borrow: number;
  readonly #pointer: WebAssembly.Global | null;
  readonly #reductions: WebAssembly.Global;
  /** Where the stack lies, and how much room it has. Bytes */
  #at = 0;
  #room = 0;
  /** Words of the stack with its header, and a copy of them where its place was borrowed. */
  #words = 0;
  #copy: Int32Array | null = null;
  #isBorrowed = false;

  constructor(exports: WebAssembly.Exports, info: ModuleInfo) {
    const { startUnwind, stopUnwind, startRewind, stopRewind, reductions, stackPointer } = LIGHT_EXPORTS;
    this.#startUnwind = exports[startUnwind] as (data: number) => void;
    this.#stopUnwind = exports[stopUnwind] as () => void;
    this.#startRewind = exports[startRewind] as (data: number) => void;
    this.#stopRewind = exports[stopRewind] as () => void;
    this.#reductions = exports[reductions] as WebAssembly.Global;
    this.#pointer = (exports[stackPointer] as WebAssembly.Global | undefined) ?? null;
    this.#borrow = info.borrow ?? 0;
  }

  /** Bytes of the host that it takes: a copy of the stack. */
  get heldBytes(): number {
    return this.#copy?.byteLength ?? 0;
  }

  /** True while a stack is kept for a later rewind. */
  get isKept(): boolean {
    return this.#words > 0;
  }

  /** What is left of the slice; negative: used up. */
  get reductions(): number {
    return this.#reductions.value as number;
  }

  set reductions(value: number) {
    this.#reductions.value = value;
  }

  /** In a host call: from its return on, the guest's frames leave. */
  beginUnwind(memory: Int32Array): void {
    this.#choosePlace(memory);
    const word = this.#at / WORD_BYTES;
    if (this.#isBorrowed) saved.set(memory.subarray(word, word + this.#room / WORD_BYTES));
    memory[word] = this.#at + HEADER_BYTES;
    memory[word + 1] = this.#at + this.#room;
    this.state = "unwinding";
    this.#startUnwind(this.#at);
  }

  /** After the last frame has left: the stack is kept. @throws RangeError if it had no room */
  endUnwind(memory: Int32Array): void {
    this.state = "normal";
    const word = this.#at / WORD_BYTES;
    const bytes = (memory[word] as number) - this.#at;
    if (bytes > this.#room) {
      throw new RangeError(`its stack is too deep to wait with: more than ${this.#room - HEADER_BYTES} bytes`);
    }
    this.#stopUnwind();
    this.#words = bytes / WORD_BYTES;
    if (!this.#isBorrowed) return;
    if (this.#copy === null || this.#copy.length < this.#words) this.#copy = new Int32Array(this.#words);
    move(memory, word, this.#copy, 0, this.#words);
    move(saved, 0, memory, word, this.#words); // nothing beyond was written
  }

  /** Before the export is called again: its frames come back, down to the host call that began it. */
  beginRewind(memory: Int32Array): void {
    if (this.#isBorrowed) {
      const word = this.#at / WORD_BYTES;
      move(memory, word, saved, 0, this.#words);
      move(this.#copy as Int32Array, 0, memory, word, this.#words);
    }
    this.state = "rewinding";
    this.#startRewind(this.#at);
  }

  /** In the host call that the stack was unwound in, with all frames back. */
  endRewind(memory: Int32Array): void {
    this.state = "normal";
    this.#stopRewind();
    if (this.#isBorrowed) move(saved, 0, memory, this.#at / WORD_BYTES, this.#words);
    this.#words = 0;
  }

  /** The process has ended, wherever its stack was. */
  reset(): void {
    this.state = "normal";
    this.#words = 0;
    this.#copy = null;
  }

  #choosePlace(memory: Int32Array): void {
    if (this.#pointer !== null) {
      const end = ((this.#pointer.value as number) - RED_ZONE_BYTES) & ALIGNED;
      if (end >= ROOM_BYTES_MIN) {
        this.#room = Math.min(STACK_BYTES_MAX, end);
        this.#at = end - this.#room;
        this.#isBorrowed = false;
        return;
      }
    }
    this.#at = this.#borrow;
    this.#room = Math.min(STACK_BYTES_MAX, memory.length * WORD_BYTES - this.#at);
    this.#isBorrowed = true;
  }
}

/** Copies words; most stacks are small, where a loop is faster than making a view. */
function move(from: Int32Array, start: number, to: Int32Array, at: number, words: number): void {
  if (words > 256) to.set(from.subarray(start, start + words), at);
  else for (let i = 0; i < words; i++) to[at + i] = from[start + i] as number;
}
