// Covers src/requests/queues.ts: whose time in the queue has passed, with bodies that took their time to come.
import { describe, expect, it } from "vitest";
import { type Answer, type Exchange, Head } from "../../../src/acceptor/contract.ts";
import { defaultPolicy } from "../../../src/config/config.ts";
import type { Log } from "../../../src/log/log.ts";
import type { ServiceMetrics } from "../../../src/metrics/counts.ts";
import { Ledger } from "../../../src/requests/ledger.ts";
import { Queues } from "../../../src/requests/queues.ts";
import { type InFlight, Pool, Service } from "../../../src/services/service.ts";
import { Breaker } from "../../../supervisors/breaker.ts";
import { Pids } from "../../../wire/pids.ts";

const LIMIT_MS = defaultPolicy.limits.queue_timeout;

class Asker implements Exchange {
  open = true;
  readonly remoteAddress = "";
  owner: unknown = null;
  status = 0;
  readBody(): void {}
  answer({ status }: Answer): void {
    this.open = false;
    this.status = status;
  }
  cut(): void {}
}

function setUp() {
  const backoff = { minMs: 1, maxMs: 1, factor: 1, jitter: 0 };
  const breaker = new Breaker({ failures: 1, ratio: 1, windowMs: 1000, backoff }, () => 0);
  const service = new Service("slow", { kind: "api" }, breaker, { record: () => {} } as unknown as ServiceMetrics);
  service.pool = new Pool(service, 1, "", defaultPolicy);
  const ledger = new Ledger(new Pids(new SharedArrayBuffer(64), 0), { failure: () => {} } as unknown as Log);
  const queues = new Queues(ledger, { send: () => false, wantActor: () => {}, waits: () => {} });
  const admit = (atMs: number): { asker: Asker; request: InFlight } => {
    const head = new Head();
    head.method = "POST";
    const asker = new Asker();
    return { asker, request: ledger.admit(service, asker, head, "id", 1, atMs) };
  };
  return { pool: service.pool, queues, admit };
}

describe("the time that a request may wait", () => {
  it("begins when it is whole, however long its body took", () => {
    const { queues, admit } = setUp();
    const { asker, request } = admit(0);
    request.readyMs = 10 * LIMIT_MS;
    queues.push(request);
    expect(queues.timeOut(10 * LIMIT_MS)).toBe(true);
    expect(queues.timeOut(11 * LIMIT_MS - 1)).toBe(true);
    expect(asker.status).toBe(0);
    expect(queues.timeOut(11 * LIMIT_MS)).toBe(false);
    expect(asker.status).toBe(503);
  });

  it("of who comes later ends later, and who is put back keeps its place by when it was whole", () => {
    const { pool, queues, admit } = setUp();
    const upload = admit(0);
    const quick = admit(100);
    upload.request.readyMs = 200;
    queues.push(quick.request);
    queues.push(upload.request);
    pool.removeWaiting(quick.request);
    queues.putBack(quick.request);
    expect(pool.waiting).toEqual([quick.request, upload.request]);
    queues.timeOut(100 + LIMIT_MS);
    expect([quick.asker.status, upload.asker.status]).toEqual([503, 0]);
  });
});
