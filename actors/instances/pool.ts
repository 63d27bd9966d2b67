// Instances of one module in one carrier: used again where a used one can be made like new.
//
// Making one costs 0.3 ms and more with each thousand that live (DESIGN fact 12); putting one back what it wrote.

import type { CarrierModule } from "../../wire/specs.ts";
import type { Ballast } from "./ballast.ts";
import type { InstanceBudget } from "./budget.ts";
import { GuestInstance } from "./instance.ts";
import type { PristineImage } from "./pristine.ts";

/** Used instances that are kept for the next process. */
const FREE_MAX = 256;
/** As many of them stay when none was taken for a while. */
const FREE_IDLE = 16;
const FREE_IDLE_BYTES = 32 * 2 ** 20;
const TIDY_MS = 2000;
const PAGE_BYTES = 65_536;

export class InstancePool {
  readonly module: CarrierModule;
  readonly #imports: WebAssembly.Imports;
  readonly #ballast: Ballast;
  readonly #budget: InstanceBudget;
  readonly #free: GuestInstance[] = [];
  /** Environments whose processes it serves. */
  readonly users = new Set<number>();
  #isClosed = false;
  #image: PristineImage | null = null;
  #hasImage = false;
  #taken = 0;
  #takenBefore = 0;
  #willTidy = false;

  constructor(module: CarrierModule, imports: WebAssembly.Imports, ballast: Ballast, budget: InstanceBudget) {
    this.module = module;
    this.#imports = imports;
    this.#ballast = ballast;
    this.#budget = budget;
  }

  get pages(): number {
    return this.module.info.memoryPagesMin;
  }

  get #bytes(): number {
    return this.pages * PAGE_BYTES;
  }

  /** An instance in which nothing has run but what runs by itself. @throws what V8 or a start section does */
  take(): GuestInstance {
    this.#taken++;
    const used = this.#free.pop();
    if (used !== undefined) {
      this.#budget.addFree(-this.#bytes);
      return used;
    }
    if (this.#budget.isFull) throw new Error(`the node is at its limit of ${this.#budget.max} instances of processes`);
    const instance = new GuestInstance(this.module, this.#imports);
    this.#change(1);
    if (!this.#hasImage) {
      this.#hasImage = true;
      if (this.module.info.notResettable === null) this.#image = instance.takeImage();
    }
    return instance;
  }

  /** An instance that no process has any more: its stack is empty, whether it returned, trapped or was ended. */
  give(instance: GuestInstance): void {
    instance.stack?.reset();
    // Where instances are scarce they are others' as soon as they are free.
    const isScarce = this.#budget.isFull || !this.#budget.hasFreeRoom(this.#bytes);
    const isRoom = !this.#isClosed && this.#free.length < FREE_MAX && !isScarce;
    if (isRoom && this.#image !== null && instance.putBack(this.#image)) {
      this.#free.push(instance);
      this.#budget.addFree(this.#bytes);
    } else this.#change(-1);
    if (!this.#willTidy) this.#tidyLater();
  }

  /** An environment has ended. True if it was the last: then nothing is kept any more. */
  leave(environment: number): boolean {
    if (!this.users.delete(environment) || this.users.size > 0) return false;
    this.#isClosed = true;
    this.trim();
    return true;
  }

  /** Gives up what is not in use, but for so many. */
  trim(kept = 0): void {
    const given = this.#free.splice(kept);
    if (given.length === 0) return;
    this.#budget.addFree(-given.length * this.#bytes);
    this.#change(-given.length);
  }

  #tidyLater(): void {
    this.#willTidy = true;
    this.#takenBefore = this.#taken;
    setTimeout(() => this.#tidy(), TIDY_MS).unref();
  }

  #tidy(): void {
    const isIdle = this.#taken === this.#takenBefore;
    if (isIdle) this.trim(Math.min(FREE_IDLE, Math.floor(FREE_IDLE_BYTES / this.#bytes)));
    this.#ballast.collect();
    if (isIdle) this.#willTidy = false;
    else this.#tidyLater();
  }

  #change(instances: number): void {
    this.#budget.add(instances);
    this.#ballast.add(instances * this.#bytes);
  }
}
