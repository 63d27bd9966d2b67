// A front for tests of the acceptors alone: keeps a record of every request and of what the acceptor told about it.
import { afterEach } from "vitest";
import { Arrivals, Share } from "../../src/acceptor/arrivals.ts";
import {
  type Acceptor,
  type AcceptorOptions,
  Answer,
  type Exchange,
  type Front,
  type Head,
  type MakeAcceptor,
  type Refusal,
} from "../../src/acceptor/contract.ts";
import { makeNodeAcceptor } from "../../src/acceptor/node-http.ts";
import type { PaceLimits } from "../../src/acceptor/pace.ts";
import { Unsent } from "../../src/acceptor/unsent.ts";
import { loadUws, makeUwsAcceptor } from "../../src/acceptor/uws.ts";
import { type ErrorCode, errorTable } from "../../src/errors.ts";

/** One request as the acceptor handed it over. */
export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly bodyBytes: number;
  readonly exchange: Exchange;
  body: Uint8Array | undefined;
  failed: ErrorCode | undefined;
  goneCount: number;
  isAnswered: boolean;
}

/** Reads bodies up to `bodyMax`, then lets `respond` answer; by default with 200 and the body that came. */
export class TinyFront implements Front {
  readonly seen: Seen[] = [];
  readonly refusals: Refusal[] = [];
  refusedGone = 0;
  /** What must never happen, in words. */
  readonly faults: string[] = [];
  bodyMax = 1024 * 1024;
  readonly bodies = new Share();
  /** Called in a turn of its own when the request is whole. */
  respond: (seen: Seen) => void = (seen) => this.answer(seen, new Answer().reset(200), seen.body ?? "");
  /** Called within `head`. */
  onHead: (seen: Seen) => void = () => {};
  readonly #watchers = new Set<() => void>();

  head(head: Head, exchange: Exchange): void {
    const headers = head.names.slice(0, head.count).map((name, i) => [name, head.values[i]!] as const);
    const { method, path, query, bodyBytes } = head;
    const seen: Seen = {
      ...{ method, path, query, headers, bodyBytes, exchange },
      ...{ body: undefined, failed: undefined, goneCount: 0, isAnswered: false },
    };
    exchange.owner = seen;
    this.seen.push(seen);
    this.onHead(seen);
    if (head.bodyBytes === 0) setImmediate(() => this.respond(seen));
    else exchange.readBody(this.bodyMax, this.bodies);
    this.#wake();
  }

  refuse(refusal: Refusal, exchange: Exchange): void {
    this.refusals.push(refusal);
    exchange.owner = refusal;
    setImmediate(() => exchange.answer(errorAnswer(refusal.code)));
    this.#wake();
  }

  body(exchange: Exchange, body: Uint8Array): void {
    const seen = this.#seenOf(exchange, "body");
    if (seen.body) this.faults.push("two bodies for one request");
    seen.body = body;
    setImmediate(() => this.respond(seen));
    this.#wake();
  }

  bodyFailed(exchange: Exchange, code: ErrorCode): void {
    const seen = this.#seenOf(exchange, "bodyFailed");
    seen.failed = code;
    setImmediate(() => this.answer(seen, errorAnswer(code)));
    this.#wake();
  }

  gone(exchange: Exchange): void {
    if (exchange.open) this.faults.push("gone, and still open");
    if (this.refusals.includes(exchange.owner as Refusal)) {
      this.refusedGone++;
    } else {
      const seen = exchange.owner as Seen;
      if (++seen.goneCount > 1) this.faults.push("gone twice");
      if (seen.isAnswered) this.faults.push("gone after an answer");
    }
    this.#wake();
  }

  answer(seen: Seen, answer: Answer, body?: Uint8Array | string): void {
    if (!seen.exchange.open) return;
    if (body !== undefined) answer.body = body;
    seen.exchange.answer(answer);
    seen.isAnswered = !seen.exchange.open;
    this.#wake();
  }

  /** Resolves once `holds` is true; it is asked after every call. */
  until(holds: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const check = (): void => {
        if (!holds()) return;
        this.#watchers.delete(check);
        resolve();
      };
      this.#watchers.add(check);
      check();
    });
  }

  #seenOf(exchange: Exchange, what: string): Seen {
    const seen = exchange.owner as Seen;
    if (!exchange.open) this.faults.push(`${what} on an exchange that is not open`);
    if (seen.failed || seen.goneCount > 0) this.faults.push(`${what} after the end of the request`);
    return seen;
  }

  #wake(): void {
    for (const watcher of [...this.#watchers]) watcher();
  }
}

export function errorAnswer(code: ErrorCode): Answer {
  const answer = new Answer().reset(errorTable[code].status ?? 500).add("Content-Type", "application/json");
  answer.body = JSON.stringify({ error: { code } });
  answer.close = true;
  return answer;
}

export interface Under {
  readonly front: TinyFront;
  readonly acceptor: Acceptor;
  readonly address: string;
}

const opened: Under[] = [];
const MIB = 1024 * 1024;
/** For tests that are not about it. */
const pace: PaceLimits = { idleMs: 30_000, rateMin: 1024, totalMs: Number.POSITIVE_INFINITY };

/** Starts an acceptor on a free port; `closeAll` ends it. */
export async function start(make: MakeAcceptor, options: Partial<AcceptorOptions> = {}): Promise<Under> {
  const front = new TinyFront();
  const acceptor = make(
    {
      ...{ address: "127.0.0.1:0", connectionsMax: 1000, idleMs: 30_000, writePace: pace, bodyPace: pace },
      arrivals: new Arrivals({ count: 1000, bytes: 64 * MIB, sourceShare: 1, serviceShare: 1 }),
      unsent: new Unsent({ bytes: 512 * MIB, serviceShare: 1 }),
      ...options,
    },
    front,
  );
  const address = await acceptor.listen();
  const under = { front, acceptor, address };
  opened.push(under);
  return under;
}

/** Closes what `start` opened after each test, and fails it for anything an acceptor must never do. */
export function closeAfterEach(): void {
  afterEach(async () => {
    const faults: string[] = [];
    for (const { acceptor, front } of opened.splice(0)) {
      await acceptor.close();
      faults.push(...front.faults);
    }
    if (faults.length > 0) throw new Error(faults.join("; "));
  });
}

export type AcceptorName = "uws" | "node";

const uwsLoads = ((): boolean => {
  try {
    return Boolean(loadUws());
  } catch {
    return false;
  }
})();

/** The acceptors that load here: uWebSockets.js has no file for this glibc with Node 22 and later. */
export const acceptors: readonly (readonly [AcceptorName, MakeAcceptor])[] = [
  ...(uwsLoads ? ([["uws", makeUwsAcceptor]] as const) : []),
  ["node", makeNodeAcceptor],
];
