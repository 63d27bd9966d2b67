// Failures as HTTP answers: the table's status and a small JSON body.
import type { ExitReason } from "../../wire/exits.ts";
import type { Answer } from "../acceptor/contract.ts";
import { FrenezuloError } from "../errors.ts";
import type { Service } from "../services/service.ts";

export const REQUEST_ID = "x-request-id";

/** Fills an answer for a failure: `{error: {code, message, service, requestId}}`. */
export function errorAnswer(answer: Answer, error: FrenezuloError, service: string | null, requestId: string): Answer {
  answer.reset(error.status);
  answer.add("content-type", "application/json");
  answer.add(REQUEST_ID, requestId);
  if (error.retryAfterSeconds !== undefined) answer.add("retry-after", String(error.retryAfterSeconds));
  if (error.code === "unauthorized") answer.add("www-authenticate", "Bearer");
  answer.body = JSON.stringify({ error: { code: error.code, message: error.message, service, requestId } });
  return answer;
}

/** Ids of requests that came without one: unique over restarts of the node, cheap to make. */
export class RequestIds {
  readonly #boot = Math.floor(Math.random() * 2 ** 40).toString(36);
  #count = 0;

  next(): string {
    return `${this.#boot}-${(this.#count++).toString(36)}`;
  }
}

/** What a guest's end without a reply means for its client. */
export function exitError(reason: ExitReason, why: string, service: string, memoryBytes: number): FrenezuloError {
  const details = { service, why, limit: memoryBytes };
  switch (reason) {
    case "normal":
      return new FrenezuloError("no_reply", details);
    case "exit":
      return new FrenezuloError("exited", details);
    case "hogged":
      return new FrenezuloError("hogged", details, { retryAfterSeconds: 1 });
    case "memory":
      return new FrenezuloError("memory_limit", details);
    default:
      return new FrenezuloError("trap", details);
  }
}

/** A service whose supervisor gave up: why, and when its breaker lets a probe through. */
export function cannotStart({ prefix, breaker, pool }: Service, nowMs: number): FrenezuloError {
  const why = pool.lastStartFailure ?? "its actors failed too often";
  const retryAfterSeconds = Math.max(1, Math.ceil(breaker.retryAfterMs(nowMs) / 1000));
  return new FrenezuloError("cannot_start", { service: prefix, why }, { retryAfterSeconds });
}
