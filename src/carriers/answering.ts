// What processes ask of the main thread: operations by their numbers, each answered once.
import { ANSWER } from "../../wire/asks.ts";
import { reasonOf } from "../errors.ts";
import { Slices } from "./slices.ts";

/** The process that asks. */
export interface Asker {
  /** Number of its environment; names, sockets and limits are private to that. */
  readonly environment: number;
  readonly pid: number;
  /** The carrier it lives in. */
  readonly slot: number;
}

/** Does one operation. The payload is only valid during the call. What it throws ends the process that asked. */
export type AskHandler = (from: Asker, payload: Buffer) => Uint8Array | Promise<Uint8Array>;

export class AskServer {
  /** Where handlers run, each environment in its turn; what they do later for long is done there, too. */
  readonly slices: Slices;
  readonly #handlers = new Map<number, AskHandler>();
  readonly #onEnd: ((from: Asker) => void)[] = [];
  readonly #onSlotEnd: ((slot: number) => void)[] = [];

  constructor(slices = new Slices()) {
    this.slices = slices;
  }

  /** @param op from ASK of wire/asks.ts. @throws if it is taken */
  on(op: number, handler: AskHandler): void {
    if (this.#handlers.has(op)) throw new Error(`operation ${op} has a handler`);
    this.#handlers.set(op, handler);
  }

  /** Told of each process that has asked for anything and has ended. */
  onEnd(handler: (from: Asker) => void): void {
    this.#onEnd.push(handler);
  }

  /** Told of each carrier that has ended, and with it its processes. */
  onSlotEnd(handler: (slot: number) => void): void {
    this.#onSlotEnd.push(handler);
  }

  forgetSlot(slot: number): void {
    this.slices.endSlot(slot);
    for (const handler of this.#onSlotEnd) handler(slot);
  }

  forget(from: Asker): void {
    this.slices.endProcess(from.pid);
    for (const handler of this.#onEnd) handler(from);
  }

  /**
   * The answer as it travels: a byte of ANSWER, then what the handler gave or the text of why it failed. It never comes
   * if the process or its carrier ends before its turn.
   * @param payload nobody else's from now on: it may have to wait for its turn
   */
  async answer(op: number, from: Asker, payload: Buffer): Promise<Buffer> {
    try {
      const handler = this.#handlers.get(op);
      if (handler === undefined) throw new Error(`there is no operation ${op}`);
      const given = await this.slices.run(from, () => handler(from, payload));
      return Buffer.concat([Uint8Array.of(ANSWER.ok), given]);
    } catch (thrown) {
      return Buffer.concat([Uint8Array.of(ANSWER.failed), Buffer.from(reasonOf(thrown))]);
    }
  }
}
