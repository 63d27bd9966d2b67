// Runs a light module as the kernel does: unwinds it at host functions that wait, and rewinds it when they go on.
import { createHash } from "node:crypto";
import { LIGHT_EXPORTS, LIGHT_IMPORTS } from "../../wire/abi/light.ts";

const STATE = { normal: 0, unwinding: 1, rewinding: 2 };

/** What the host is asked, in order: the arguments of each call that waits. */
export type Trace = (number | bigint)[][];

export interface Ways {
  /** Asked at each call that may wait and at each yield: unwind here, or go on at once? Nothing unwinds without it. */
  readonly suspend?: (point: number) => boolean;
  /** Reductions a slice. Without it the guest is never asked to yield. */
  readonly slice?: number;
  /** Called at function entries when the slice is used up. */
  readonly check?: () => void;
  /** Where the stack is unwound into, and how many bytes there are. */
  readonly borrow?: number;
  readonly borrowBytes?: number;
}

/** An instance of a plain or a light module with `lunatic::message.receive` (waits) and `lunatic::trap.catch`. */
export class LightHost {
  readonly exports: WebAssembly.Exports;
  readonly trace: Trace = [];
  suspensions = 0;
  yields = 0;
  checks = 0;
  /** Calls at which it could have been suspended. */
  points = 0;
  /** Bytes of the largest stack that was unwound. */
  stackBytesMax = 0;
  /** Suspensions after which a byte of the guest's memory was another. */
  changedMemories = 0;
  readonly #ways: Ways;
  readonly #isLight: boolean;
  #borrowed: Uint8Array | null = null;
  #hash = "";
  #stack: Uint8Array = new Uint8Array();

  constructor(bytes: Uint8Array, ways: Ways = {}) {
    this.#ways = ways;
    const module = new WebAssembly.Module(bytes as Uint8Array<ArrayBuffer>);
    const imports: WebAssembly.Imports = {
      "lunatic::message": {
        receive: (tags: number, count: number, ms: bigint) =>
          this.#wait(() => {
            this.trace.push([tags, count, ms]);
            return (Math.imul(tags ^ count, 31) + this.trace.length) | 0;
          }),
      },
      "lunatic::trap": { catch: (first: number, second: number) => this.#callBack(first, second) },
      [LIGHT_IMPORTS.module]: {
        yield: () => {
          this.yields++;
          this.#wait(() => {
            this.#slice();
            return 0;
          });
        },
        check: () => {
          this.checks++;
          this.#ways.check?.();
        },
      },
    };
    this.exports = new WebAssembly.Instance(module, imports).exports;
    this.#isLight = LIGHT_EXPORTS.state in this.exports;
    this.#slice();
    if (LIGHT_EXPORTS.start in this.exports) this.call(LIGHT_EXPORTS.start);
  }

  get memory(): Uint8Array {
    return new Uint8Array((this.exports.memory as WebAssembly.Memory).buffer);
  }

  get memoryHash(): string {
    return createHash("sha256").update(this.memory).digest("hex");
  }

  /** Calls an export until it has really returned. */
  call(name: string, ...args: (number | bigint)[]): unknown {
    for (;;) {
      const result = this.#function(name)(...args);
      if (!this.#isLight || this.#state() === STATE.normal) return result;
      if (this.#state() !== STATE.unwinding) throw new Error("the guest returned in the middle of a rewind");
      this.#function(LIGHT_EXPORTS.stopUnwind)();
      this.#keepStack();
      this.#beginRewind();
    }
  }

  #function(name: string): (...args: unknown[]) => unknown {
    return this.exports[name] as (...args: unknown[]) => unknown;
  }

  #state(): unknown {
    return this.#function(LIGHT_EXPORTS.state)();
  }

  #slice(): void {
    const reductions = this.exports[LIGHT_EXPORTS.reductions] as WebAssembly.Global | undefined;
    if (reductions !== undefined && this.#ways.slice !== undefined) reductions.value = this.#ways.slice;
  }

  #wait(finish: () => number): number {
    if (this.#isLight && this.#state() === STATE.rewinding) {
      this.#function(LIGHT_EXPORTS.stopRewind)();
      this.#giveBack();
      return finish();
    }
    const point = this.points++;
    if (!this.#isLight || this.#ways.suspend?.(point) !== true) return finish();
    this.suspensions++;
    this.#borrow();
    this.#function(LIGHT_EXPORTS.startUnwind)(this.#address);
    return 0;
  }

  /** The guest's function: it may unwind, and is called again to be rewound. */
  #callBack(first: number, second: number): number {
    return this.#function("called_back")(first, second) as number;
  }

  get #address(): number {
    return this.#ways.borrow ?? 16;
  }

  /** Bytes of the guest are put aside, and the room for its stack is described there. */
  #borrow(): void {
    this.#hash = this.memoryHash;
    const bytes = this.#ways.borrowBytes ?? 8192;
    this.#borrowed = this.memory.slice(this.#address, this.#address + bytes);
    const view = new DataView(this.memory.buffer);
    view.setUint32(this.#address, this.#address + 8, true);
    view.setUint32(this.#address + 4, this.#address + bytes, true);
  }

  #keepStack(): void {
    const end = new DataView(this.memory.buffer).getUint32(this.#address, true);
    this.#stack = this.memory.slice(this.#address, end);
    this.stackBytesMax = Math.max(this.stackBytesMax, this.#stack.length - 8);
    this.#giveBack();
    if (this.memoryHash !== this.#hash) this.changedMemories++;
  }

  #beginRewind(): void {
    this.#borrow();
    this.memory.set(this.#stack, this.#address);
    this.#function(LIGHT_EXPORTS.startRewind)(this.#address);
  }

  #giveBack(): void {
    if (this.#borrowed === null) throw new Error("nothing was borrowed");
    this.memory.set(this.#borrowed, this.#address);
    this.#borrowed = null;
  }
}
