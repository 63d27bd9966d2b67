// Sends raw bytes to an acceptor with a front of its own and tells what became of them.

import type { Verdict } from "../harness/framing-probes.ts";
import { RawClient } from "../harness/raw-http.ts";
import { type AcceptorName, acceptors, start, type Under } from "../harness/tiny-front.ts";

export interface Outcome {
  readonly verdict: Verdict;
  /** Requests whose body came whole, so that a service would have seen them: "GET /x". */
  readonly served: readonly string[];
  /** Further answers on the connection. */
  readonly more: number;
}

/** An acceptor that answers what is whole, and notes it for each connection's marker. */
export async function startBench(name: AcceptorName): Promise<Under> {
  const make = acceptors.find(([each]) => each === name)![1];
  const under = await start(make);
  under.front.bodyMax = 4096;
  return under;
}

/** Sends the pieces, one turn of the acceptor between them, and waits until it has nothing more to say. */
export async function tryBytes(under: Under, pieces: readonly string[]): Promise<Outcome> {
  const client = await RawClient.open(under.address);
  const before = under.front.seen.length;
  for (const [i, piece] of pieces.entries()) {
    if (i > 0) await turn(under);
    client.send(piece);
  }
  await turn(under);
  const answers: number[] = [];
  while (client.pending.includes("\r\n\r\n")) {
    const answer = await Promise.race([client.answer(), turn(under).then(() => null)]);
    if (!answer) break;
    answers.push(answer.status);
  }
  const isClosed = client.isClosed;
  client.destroy();
  await turn(under);
  const served = under.front.seen
    .slice(before)
    .filter(({ isAnswered, failed, exchange }) => isAnswered && !failed && !exchange.open);
  return {
    verdict: answers[0] ?? (isClosed ? "closed" : "silent"),
    served: served.map(({ method, path }) => `${method} ${path}`),
    more: Math.max(0, answers.length - 1),
  };
}

/** Two round trips on a connection of its own: what was sent before has been read and answered after them. */
async function turn({ address, front }: Under): Promise<void> {
  const probe = await RawClient.open(address);
  const path = "/turn";
  for (let i = 0; i < 2; i++) await probe.request(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
  probe.destroy();
  for (let i = front.seen.length - 1; i >= 0; i--) if (front.seen[i]!.path === path) front.seen.splice(i, 1);
}
