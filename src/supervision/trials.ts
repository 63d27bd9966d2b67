// First starts that somebody waits for: a new version's first instance.
import { FrenezuloError } from "../errors.ts";

interface Trial {
  readonly resolve: () => void;
  readonly reject: (error: FrenezuloError) => void;
}

export class Trials {
  /** By the actor's id in the supervision tree. */
  readonly #trials = new Map<string, Trial>();

  /** Resolves when the actor has started. @throws first_start_failed (rejects) */
  begin(id: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#trials.set(id, { resolve, reject });
    });
  }

  /** The actor has started (null), or not, and why. Does nothing where nobody waits. */
  settle(id: string, why: string | null): void {
    const trial = this.#trials.get(id);
    this.#trials.delete(id);
    if (why === null) trial?.resolve();
    else trial?.reject(new FrenezuloError("first_start_failed", { why }));
  }
}
