// The node's own parts as workers of the supervision tree: store, carriers, routes, acceptor.
import type { Command } from "../../supervisors/commands.ts";
import type { Tree } from "../../supervisors/tree.ts";
import { reasonOf } from "../errors.ts";
import type { SERVICES } from "./specs.ts";

export interface NodePart {
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** Parts in start order, by their ids in the tree; "services" stands for the root of services among them. */
export type Parts = ReadonlyMap<string, NodePart | typeof SERVICES>;

export class NodeParts {
  readonly #parts: Parts;
  readonly #tree: Tree;
  readonly #run: (commands: readonly Command[]) => void;
  /** What the first part that failed threw. */
  failure: unknown;

  /** @param run carries out what the tree commands */
  constructor(parts: Parts, tree: Tree, run: (commands: readonly Command[]) => void) {
    this.#parts = parts;
    this.#tree = tree;
    this.#run = run;
  }

  has(id: string): boolean {
    return this.#parts.has(id);
  }

  async start(id: string, generation: number): Promise<void> {
    try {
      await (this.#parts.get(id) as NodePart).start();
      this.#run(this.#tree.childStarted(id, generation, performance.now()));
    } catch (thrown) {
      this.failure ??= thrown;
      this.#run(this.#tree.childStartFailed(id, generation, reasonOf(thrown), performance.now()));
    }
  }

  async stop(id: string, generation: number): Promise<void> {
    await (this.#parts.get(id) as NodePart).stop().catch((thrown: unknown) => {
      this.failure ??= thrown;
    });
    this.#run(this.#tree.childStopped(id, generation, performance.now()));
  }
}
