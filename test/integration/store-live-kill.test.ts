// The whole node under kill -9: what was acknowledged over HTTP is there and served after the restart, what was not is
// wholly absent or wholly there, and the node starts every time.
import { expect, it } from "vitest";
import type { ServiceDetail } from "../../src/admin/verbs.ts";
import { type AdminAnswer, AdminClient } from "../harness/admin-client.ts";
import { digestOf, helloSaying } from "../harness/hello-versions.ts";
import { HttpClient } from "../harness/http-client.ts";
import { NodeProcess } from "../harness/node-process.ts";
import { sleep } from "../harness/raw-http.ts";

const isLong = process.env.TEST_LONG === "1";
/** Each round ends with a SIGKILL. */
const ROUNDS = isLong ? 100 : 32;
const PREFIXES = ["a", "b", "c", "d", "e", "f"];
const KEEP = 5;
const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);

interface Version {
  readonly number: number;
  readonly text: string;
  /** A setting of its policy by which that can be told. */
  readonly queue: number;
}

/** A service as the node must have it; null: there is none. */
interface State {
  readonly current: number;
  readonly next: number;
  readonly versions: readonly Version[];
}

type Change =
  | { readonly kind: "put"; readonly text: string; readonly queue: number }
  | { readonly kind: "rollback"; readonly version: number }
  | { readonly kind: "remove" };

const currentOf = ({ versions, current }: State): Version =>
  versions.find(({ number }) => number === current) as Version;

/** What a change makes of a service that has this state. */
function after(state: State | null, change: Change): State | null {
  if (change.kind === "remove") return null;
  if (change.kind === "rollback") return { ...(state as State), current: change.version };
  const { text, queue } = change;
  const { current = 0, next = 1, versions = [] } = state ?? {};
  if (state !== null && currentOf(state).text === text) {
    return { ...state, versions: versions.map((each) => (each.number === current ? { ...each, queue } : each)) };
  }
  return { current: next, next: next + 1, versions: [...versions, { number: next, text, queue }].slice(-KEEP) };
}

/** A small generator of numbers from a seed (mulberry32). */
function randomOf(from: number): (below: number) => number {
  let state = from >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

function changeOf(state: State | null, random: (below: number) => number): Change {
  const put: Change = { kind: "put", text: `text ${random(40)}`, queue: 1 + random(1000) };
  if (state === null || random(10) < 5) return put;
  switch (random(4)) {
    case 0:
      return { kind: "remove" };
    case 1:
      return { ...put, text: currentOf(state).text };
    default:
      return { kind: "rollback", version: (state.versions[random(state.versions.length)] as Version).number };
  }
}

function send(admin: AdminClient, prefix: string, change: Change): Promise<AdminAnswer> {
  if (change.kind === "remove") return admin.remove(prefix);
  if (change.kind === "rollback") return admin.rollback(prefix, change.version);
  return admin.put(prefix, helloSaying(change.text), { policy: { limits: { queue: change.queue } } });
}

/** What the node says of a service, in the terms of `State`; `next` it does not tell. */
function stateOf({ versions, version, policy }: ServiceDetail): unknown {
  return {
    current: version,
    queue: policy.limits.queue,
    versions: versions.map(({ version: number, sha256, current }) => ({ number, sha256, current })),
  };
}

function wanted(state: State): unknown {
  return {
    current: state.current,
    queue: currentOf(state).queue,
    versions: state.versions.map(({ number, text }) => ({
      number,
      sha256: digestOf(helloSaying(text)),
      current: number === state.current,
    })),
  };
}

it(`${ROUNDS} kills at random moments of random changes lose nothing that was acknowledged`, async () => {
  const random = randomOf(seed);
  const states = new Map<string, State | null>(PREFIXES.map((prefix) => [prefix, null]));
  /** Changes that were under way when the node was killed: each may have happened or not. */
  let open = new Map<string, Change>();
  let folder: string | undefined;
  const counts = { acknowledged: 0, open: 0, happened: 0 };

  for (let round = 0; round <= ROUNDS; round++) {
    const where = `round ${round} of seed ${seed}`;
    const node = await NodeProcess.start(folder === undefined ? {} : { folder });
    folder = node.folder;
    const admin = new AdminClient(node.url);

    // What is there?
    const client = new HttpClient(node.address);
    const found = new Map<string, ServiceDetail>();
    for (const { prefix } of await admin.list()) found.set(prefix, await admin.describe(prefix));
    for (const prefix of PREFIXES) {
      const there = found.get(prefix);
      const change = open.get(prefix);
      const before = states.get(prefix) ?? null;
      let state = before;
      if (change !== undefined) {
        const changed = after(before, change);
        const is = (each: State | null): boolean =>
          JSON.stringify(there === undefined ? null : stateOf(there)) === JSON.stringify(each && wanted(each));
        if (!is(before) && is(changed)) {
          counts.happened++;
          state = changed;
        }
      }
      expect(there === undefined ? null : stateOf(there), `${prefix} in ${where}`).toEqual(state && wanted(state));
      states.set(prefix, state);
      const { status, body } = await client.request(`/${prefix}`);
      const said = status === 200 ? body.toString().trimEnd() : status;
      expect(said, `${prefix} in ${where}`).toBe(state === null ? 404 : currentOf(state).text);
    }
    client.close();
    expect([...found.keys()].filter((prefix) => !PREFIXES.includes(prefix))).toEqual([]);
    if (round === ROUNDS) {
      expect(await node.stop()).toEqual({ code: 0, signal: null });
      break;
    }

    // Changes of all prefixes at once, each prefix one after the other, until the kill.
    open = new Map();
    let isKilled = false;
    const lanes = PREFIXES.map(async (prefix) => {
      while (!isKilled) {
        const before = states.get(prefix) ?? null;
        const change = changeOf(before, random);
        open.set(prefix, change);
        const answer = await send(admin, prefix, change).catch(() => null);
        if (answer === null) return;
        expect([200, 204], `${JSON.stringify(change)} in ${where}: ${answer.body.error?.message}`).toContain(
          answer.status,
        );
        open.delete(prefix);
        counts.acknowledged++;
        states.set(prefix, after(before, change));
      }
    });
    // So that a slow machine has something to lose, too.
    const wantedCount = counts.acknowledged + random(8);
    while (counts.acknowledged < wantedCount) await sleep(5);
    await sleep(random(60));
    node.signal("SIGKILL");
    isKilled = true;
    expect(await node.ended).toEqual({ code: null, signal: "SIGKILL" });
    await Promise.all(lanes);
    counts.open += open.size;
  }
  console.log(`seed ${seed}: ${JSON.stringify(counts)}`);
  expect(counts.acknowledged + counts.open).toBeGreaterThanOrEqual(100);
});
