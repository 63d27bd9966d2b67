// Light waiting: the stack of a guest is unwound at a blocking host call and rewound when it can go on, so that its
// thread runs others meanwhile (design, "Two ways to wait"). By Binaryen's Asyncify, in modules rewritten for it.
//
// Asyncify writes the stack into guest memory. The place is borrowed (DECISIONS 9.1): what the guest has there is
// saved, and put back as soon as the stack has been copied out or taken in. While a stack is unwound or rewound no code
// of the guest runs that could look.
import { LIGHT_EXPORTS } from "../abi/light.ts";
import type { ModuleInfo } from "../wire.ts";

/** Stack that a waiting process may have, as Asyncify writes it: some 50 to 200 bytes a frame. Bytes */
export const STACK_BYTES_MAX = 32 * 1024;
/** Before the stack: two words, where it ends now and where it must end at the latest. */
const HEADER_BYTES = 8;

/** What the guest had where a stack lies now. One stack a thread is unwound or rewound at a time. */
const saved = Buffer.alloc(STACK_BYTES_MAX);

export type StackState = "normal" | "unwinding" | "rewinding";

/** Unwinding and rewinding of one instance. */
export class LightStack {
  state: StackState = "normal";
  readonly #startUnwind: (data: number) => void;
  readonly #stopUnwind: () => void;
  readonly #startRewind: (data: number) => void;
  readonly #stopRewind: () => void;
  readonly #at: number;
  readonly #reductions: WebAssembly.Global;
  #savedBytes = 0;

  constructor(exports: WebAssembly.Exports, info: ModuleInfo) {
    const { startUnwind, stopUnwind, startRewind, stopRewind, reductions } = LIGHT_EXPORTS;
    this.#startUnwind = exports[startUnwind] as (data: number) => void;
    this.#stopUnwind = exports[stopUnwind] as () => void;
    this.#startRewind = exports[startRewind] as (data: number) => void;
    this.#stopRewind = exports[stopRewind] as () => void;
    this.#reductions = exports[reductions] as WebAssembly.Global;
    this.#at = info.borrow ?? 0;
  }

  /** What is left of the slice; negative: used up. */
  get reductions(): number {
    return this.#reductions.value as number;
  }

  set reductions(value: number) {
    this.#reductions.value = value;
  }

  /** In a host call: from its return on, the guest's frames leave. */
  beginUnwind(memory: Buffer): void {
    const bytes = Math.min(STACK_BYTES_MAX, memory.length - this.#at);
    this.#save(memory, bytes);
    memory.writeUInt32LE(this.#at + HEADER_BYTES, this.#at);
    memory.writeUInt32LE(this.#at + bytes, this.#at + 4);
    this.state = "unwinding";
    this.#startUnwind(this.#at);
  }

  /** After the last frame has left. @returns the stack. @throws RangeError if it had no room */
  endUnwind(memory: Buffer): Uint8Array {
    this.state = "normal";
    const end = memory.readUInt32LE(this.#at);
    if (end > this.#at + this.#savedBytes) {
      throw new RangeError(`its stack is too deep to wait with: more than ${this.#savedBytes - HEADER_BYTES} bytes`);
    }
    this.#stopUnwind();
    const stack = new Uint8Array(end - this.#at - HEADER_BYTES);
    stack.set(memory.subarray(this.#at + HEADER_BYTES, end));
    this.#savedBytes = end - this.#at; // nothing beyond was written
    this.#putBack(memory);
    return stack;
  }

  /** Before the export is called again: its frames come back, down to the host call that began it. */
  beginRewind(memory: Buffer, stack: Uint8Array): void {
    this.#save(memory, HEADER_BYTES + stack.length);
    const end = this.#at + HEADER_BYTES + stack.length;
    memory.writeUInt32LE(end, this.#at);
    memory.writeUInt32LE(end, this.#at + 4);
    memory.set(stack, this.#at + HEADER_BYTES);
    this.state = "rewinding";
    this.#startRewind(this.#at);
  }

  /** In the host call that the stack was unwound in, with all frames back. */
  endRewind(memory: Buffer): void {
    this.state = "normal";
    this.#stopRewind();
    this.#putBack(memory);
  }

  #save(memory: Buffer, bytes: number): void {
    this.#savedBytes = bytes;
    memory.copy(saved, 0, this.#at, this.#at + bytes);
  }

  #putBack(memory: Buffer): void {
    saved.copy(memory, this.#at, 0, this.#savedBytes);
  }
}
