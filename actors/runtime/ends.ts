// Ends of tasks, one after the other: a chain of links may be as long as there are processes.
import type { Exit } from "../../wire/exits.ts";
import type { Task } from "./task.ts";

export class Ends {
  readonly #finish: (task: Task, exit: Exit) => void;
  readonly #queue: [Task, Exit][] = [];

  /** @param finish ends one; what it calls may add others */
  constructor(finish: (task: Task, exit: Exit) => void) {
    this.#finish = finish;
  }

  /** The task has ended when this returns, unless another's end is the reason: then it follows that. */
  add(task: Task, exit: Exit): void {
    const queue = this.#queue;
    if (queue.push([task, exit]) > 1) return;
    try {
      for (let i = 0; i < queue.length; i++) this.#finish(...(queue[i] as [Task, Exit]));
    } finally {
      queue.length = 0;
    }
  }
}
