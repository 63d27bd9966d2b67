// The network of guests: sockets live here, on the main thread's loop; processes ask by number and get an answer.
import { PayloadReader } from "../../wire/network.ts";
import type { Asker, AskServer } from "../carriers/answering.ts";
import { Slices } from "../carriers/slices.ts";
import { Call, failure, NetworkError } from "./call.ts";
import { Handles } from "./handles.ts";
import { Handshakes } from "./handshakes.ts";
import { type Lookup, systemNames } from "./names.ts";
import { operations, type Parts } from "./operations.ts";
import { NetworkPolicy, type NetworkSettings } from "./policy.ts";
import { Resolver } from "./resolver.ts";
import { Roots } from "./roots.ts";

export interface NetworkingOptions {
  /** Resolves names; as the system is set up by default. */
  readonly lookup?: Lookup;
  /** Where what takes long is done; slices of its own by default. */
  readonly slices?: Slices;
  /** How long a socket may be in a message that nobody takes it from; a minute by default. */
  readonly transitMs?: number;
}

/**
 * Everything belongs to a process and goes with it: whoever ends a process, a carrier or an environment says so here.
 * An environment that was not opened may do nothing.
 */
export class Networking {
  readonly #parts: Parts;
  readonly #policies = new Map<number, NetworkPolicy>();
  /** What is under way. A process waits for one answer at a time. */
  readonly #calls = new Map<number, Call>();

  constructor({ lookup = systemNames(), slices = new Slices(), transitMs }: NetworkingOptions = {}) {
    this.#parts = {
      slices,
      handles: new Handles(slices, transitMs),
      resolver: new Resolver(lookup),
      roots: new Roots(slices),
      handshakes: new Handshakes(slices),
    };
  }

  /** Answers what processes ask of the network, and hears of their ends. */
  serve(asks: AskServer): void {
    for (const op of operations.keys()) asks.on(op, (from, payload) => this.answer(op, from, payload));
    asks.onEnd(({ pid }) => this.endProcess(pid));
    asks.onSlotEnd((slot) => this.endSlot(slot));
  }

  /** Handles that processes hold, and connections that wait to be accepted. */
  get sockets(): number {
    return this.#parts.handles.total;
  }

  /** @throws NetworkError for an entry that is none */
  openEnvironment(environment: number, settings: NetworkSettings): void {
    this.#policies.set(environment, new NetworkPolicy(settings));
    this.#parts.handles.openEnvironment(environment, settings.sockets);
    this.#parts.handshakes.open(environment, settings.handshakes);
  }

  /** Closes all that its processes hold, and what lies in messages. */
  closeEnvironment(environment: number): void {
    this.#policies.delete(environment);
    this.#endCalls((call) => call.environment === environment);
    this.#parts.handles.closeEnvironment(environment);
    this.#parts.handshakes.forget(environment);
  }

  endProcess(pid: number): void {
    this.#calls.get(pid)?.end();
    this.#parts.handles.endProcess(pid);
  }

  /** A carrier's thread has ended, and with it every process that lived there. */
  endSlot(slot: number): void {
    this.#endCalls((call) => call.slot === slot);
    this.#parts.handles.endSlot(slot);
  }

  /** Does one operation (wire/network.ts). The payload is not looked at after the call. Never throws. */
  answer(op: number, from: Asker, bytes: Buffer): Uint8Array | Promise<Uint8Array> {
    const call = new Call(from);
    try {
      const policy = this.#policies.get(from.environment);
      const operation = operations.get(op);
      if (policy === undefined || operation === undefined) throw new NetworkError("not allowed: there is no network");
      const payload = new PayloadReader(bytes);
      const answer = operation({ ...this.#parts, call, payload, policy });
      if (!(answer instanceof Promise)) return answer;
      this.#calls.set(from.pid, call);
      return answer.catch(failure).finally(() => {
        if (this.#calls.get(from.pid) === call) this.#calls.delete(from.pid);
      });
    } catch (thrown) {
      return failure(thrown);
    }
  }

  #endCalls(test: (call: Call) => boolean): void {
    for (const call of this.#calls.values()) if (test(call)) call.end();
  }
}
