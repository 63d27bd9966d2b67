// One wasm instance: create it, call its entry, put it back to pristine, measure it. Runs in a carrier.
import { LIGHT_EXPORTS } from "../../wire/abi/light.ts";
import { Interned } from "../../wire/interned.ts";
import type { CarrierModule } from "../../wire/specs.ts";
import { PristineImage, Restorer } from "./pristine.ts";
import { LightStack } from "./stack.ts";

/** By the module's digest: most of what an idle actor costs is its image, and those of one module begin alike. */
const images = new Interned<PristineImage>();
const NO_MEMORY = Buffer.alloc(0);

export class GuestInstance {
  readonly exports: WebAssembly.Exports;
  /** For a module rewritten for light waiting; null: its blocking calls block the thread. */
  readonly stack: LightStack | null;
  /** The guest's memory; null for a module without one. */
  readonly memory: WebAssembly.Memory | null;
  readonly #entry: (() => void) | null;
  readonly #globals: readonly WebAssembly.Global[];
  readonly #bytesMax: number;
  #bytes: Buffer = NO_MEMORY;
  #view: DataView | null = null;
  #words: Int32Array | null = null;
  #restorer: Restorer | null = null;

  /** Instantiates, which runs the start section. @throws whatever the start section does */
  constructor({ module, info }: CarrierModule, imports: WebAssembly.Imports) {
    const { exports } = new WebAssembly.Instance(module, imports);
    this.exports = exports;
    this.stack = info.light ? new LightStack(exports, info) : null;
    this.memory = info.memory === null ? null : (exports[info.memory] as WebAssembly.Memory);
    this.#entry = info.entry === null ? null : (exports[info.entry] as () => void);
    this.#globals = info.globals.map((name) => exports[name] as WebAssembly.Global);
    this.#bytesMax = info.memoryPagesMax * 65536;
  }

  /** Runs the guest for one request. @throws when it traps */
  call(): void {
    this.#entry?.();
  }

  /** What must run once, in this order, before anything else of it: the start code that did not run by itself. */
  get startCalls(): (() => void)[] {
    return [LIGHT_EXPORTS.start, "_initialize"].flatMap((name) => {
      const call = this.exports[name];
      return typeof call === "function" ? [call as () => void] : [];
    });
  }

  /** True if so much of its memory is in use that a trap is most likely a failed allocation: above three quarters. */
  get isNearMemoryLimit(): boolean {
    return this.#bytesMax > 0 && this.memoryBytes.length > (this.#bytesMax / 4) * 3;
  }

  /**
   * Null where putting back would not be exact: JavaScript cannot give a NaN back with the payload it had.
   * @param digest of the module, where an image of it that says the same may be used again
   */
  takeImage(digest: string | null = null): PristineImage | null {
    const globals = this.#globals.map((global) => global.value);
    if (globals.some(Number.isNaN)) return null;
    const known = digest === null ? null : images.get(digest);
    if (known?.isOf(this.memoryBytes, globals)) return known;
    const image = new PristineImage(this.memoryBytes, globals);
    if (digest !== null) images.keep(digest, image);
    return image;
  }

  /**
   * Makes memory and globals equal to the image, the same one each time.
   * @returns false, with nothing changed, if the memory has grown since: then only a new instance is exact
   */
  putBack(image: PristineImage): boolean {
    const memory = this.memoryBytes;
    if (memory.length !== image.length) return false;
    // memory.grow(0) changes no length, but what a restorer holds is detached by it.
    if (this.#restorer?.memory !== memory) this.#restorer = new Restorer(memory, image);
    this.#restorer.restore();
    for (let i = 0; i < this.#globals.length; i++) {
      const global = this.#globals[i] as WebAssembly.Global;
      if (!Object.is(global.value, image.globals[i])) global.value = image.globals[i];
    }
    return true;
  }

  /** The views are kept until the memory grows, which leaves those of before without bytes. */
  get memoryBytes(): Buffer {
    if (this.#bytes.length === 0 && this.memory !== null) this.#bytes = Buffer.from(this.memory.buffer);
    return this.#bytes;
  }

  get memoryView(): DataView {
    const { buffer } = this.memoryBytes;
    if (this.#view === null || this.#view.buffer !== buffer) this.#view = new DataView(buffer);
    return this.#view;
  }

  get memoryWords(): Int32Array {
    if (this.#words === null || this.#words.length === 0) this.#words = new Int32Array(this.memoryBytes.buffer);
    return this.#words;
  }
}
