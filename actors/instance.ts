// One wasm instance: create it, call its entry, put it back to pristine, measure it. Runs in a carrier.
import type { ActorSpec } from "./wire.ts";

const PAGE = 4096;
/** Compared first as a whole: most of a memory is untouched. */
const STRIDE = 16 * PAGE;
const zeroPage = Buffer.alloc(PAGE);

/** What an instance looked like after its start code: memory and mutable globals. */
export class PristineImage {
  readonly memory: Buffer;
  readonly globals: readonly unknown[];

  constructor(memory: Buffer, globals: readonly unknown[]) {
    // Only pages with something in them are copied: the rest of a fresh allocation costs no resident memory.
    this.memory = Buffer.from(new ArrayBuffer(memory.length));
    for (let at = 0; at < memory.length; at += PAGE) {
      if (memory.compare(zeroPage, 0, PAGE, at, at + PAGE) !== 0) memory.copy(this.memory, at, at, at + PAGE);
    }
    this.globals = globals;
  }
}

export class GuestInstance {
  /** The guest's memory; null for a module without one. */
  readonly memory: WebAssembly.Memory | null;
  readonly #entry: () => void;
  readonly #initialize: (() => void) | null;
  readonly #globals: readonly WebAssembly.Global[];
  readonly #bytesMax: number;

  /** Instantiates, which runs the start section. @throws whatever the start section does */
  constructor(spec: ActorSpec, imports: WebAssembly.Imports) {
    const { info } = spec;
    const { exports } = new WebAssembly.Instance(spec.module, imports);
    this.memory = info.memory === null ? null : (exports[info.memory] as WebAssembly.Memory);
    this.#entry = exports[info.entry] as () => void;
    this.#initialize = info.initialize ? (exports._initialize as () => void) : null;
    this.#globals = info.globals.map((name) => exports[name] as WebAssembly.Global);
    this.#bytesMax = info.memoryPagesMax * 65536;
  }

  /** Runs `_initialize`, once, where it is exported. */
  initialize(): void {
    this.#initialize?.();
  }

  /** Runs the guest for one request. @throws when it traps */
  call(): void {
    this.#entry();
  }

  /** True if so much of its memory is in use that a trap is most likely a failed allocation: above three quarters. */
  get isNearMemoryLimit(): boolean {
    return this.#bytesMax > 0 && this.#memoryBytes.length > (this.#bytesMax / 4) * 3;
  }

  /** Null where putting back would not be exact: JavaScript cannot give a NaN back with the payload it had. */
  takeImage(): PristineImage | null {
    const globals = this.#globals.map((global) => global.value);
    return globals.some(Number.isNaN) ? null : new PristineImage(this.#memoryBytes, globals);
  }

  /**
   * Makes memory and globals equal to the image, writing only the pages that differ (DECISIONS 5.3).
   * @returns false, with nothing changed, if the memory has grown since: then only a new instance is exact
   */
  putBack(image: PristineImage): boolean {
    const memory = this.#memoryBytes;
    const pristine = image.memory;
    if (memory.length !== pristine.length) return false;
    for (let stride = 0; stride < memory.length; stride += STRIDE) {
      const strideEnd = Math.min(stride + STRIDE, memory.length);
      if (memory.compare(pristine, stride, strideEnd, stride, strideEnd) === 0) continue;
      for (let at = stride; at < strideEnd; at += PAGE) {
        if (memory.compare(pristine, at, at + PAGE, at, at + PAGE) !== 0) pristine.copy(memory, at, at, at + PAGE);
      }
    }
    for (let i = 0; i < this.#globals.length; i++) {
      const global = this.#globals[i] as WebAssembly.Global;
      if (!Object.is(global.value, image.globals[i])) global.value = image.globals[i];
    }
    return true;
  }

  get #memoryBytes(): Buffer {
    return this.memory === null ? Buffer.alloc(0) : Buffer.from(this.memory.buffer);
  }
}
