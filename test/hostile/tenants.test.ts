// A hostile tenant of a shared carrier: what was begun in light processes of other services there survives it, and what
// cannot is the node's fault, not theirs.
import { afterEach, describe, expect, it, vi } from "vitest";
import { guestPath } from "../guests/guests.ts";
import { HttpClient, type Reply } from "../harness/http-client.ts";
import { NodeProcess } from "../harness/node-process.ts";

vi.setConfig({ testTimeout: 600_000 });

const VICTIMS = 4;
/** Far longer than a hostile request may go on. ms */
const SLEEP_MS = 12_000;
const post = { method: "POST" };

let node: NodeProcess;
let clients: HttpClient[] = [];

const clientOf = (): HttpClient => {
  const client = new HttpClient(node.address);
  clients.push(client);
  return client;
};
const ask = (path: string): Promise<Reply> => clientOf().request(path, post);
const detail = async (service: string) =>
  JSON.parse((await clientOf().request(`/services/${service}`)).body.toString());
const codeOf = ({ body }: Reply): string => JSON.parse(body.toString()).error.code;

afterEach(async () => {
  for (const client of clients) client.close();
  clients = [];
  expect(await node.metric("zombies")).toBe(0);
  expect(await node.stop()).toEqual({ code: 0, signal: null });
});

/** A node whose services (all but plain ones) have their light forms, and use them. */
async function start(services: Record<string, object>, limits: object): Promise<void> {
  node = await NodeProcess.start({ config: { services, limits, log: { level: "debug" } } });
  const light = Object.entries(services).filter(([, each]) => (each as { light?: string }).light === "always");
  for (const [name] of light) await ask(`/${name}?id=first&ms=1`);
  const areReady = (): boolean =>
    new Set(
      node.log.filter(({ msg }) => msg === "the rewrite for light processes has ended").map(({ service }) => service),
    ).size >= light.length;
  for (let i = 0; !areReady() && i < 3000; i++) await new Promise((resolve) => setTimeout(resolve, 100));
  for (const [name] of light) expect((await ask(`/${name}?id=second&ms=1`)).status).toBe(200);
}

const victim = {
  source: guestPath("ledger"),
  light: "always",
  placement: "shared",
  max_restarts: 0,
  breaker: { failures: 1, ratio: 0.01 },
  limits: { deadline: "5m", queue_timeout: "5m" },
};
const hostile = { source: guestPath("hog"), placement: "shared", limits: { deadline: "1500ms", memory: "64MiB" } };

function neighbourhood(tenant: object): Record<string, object> {
  const services: Record<string, object> = { hog: tenant };
  for (let i = 0; i < VICTIMS; i++) services[`victim-${i}`] = victim;
  return services;
}

/** Requests of the victims wait in the middle while others are asked; each is answered, and was begun once. */
async function expectSurvival(attack: () => Promise<void>): Promise<void> {
  const names = Array.from({ length: VICTIMS * 4 }, (_, i) => `${i}`);
  const sleeping = names.map((id) => ask(`/victim-${Number(id) % VICTIMS}?id=sleeper-${id}&do=sleep&ms=${SLEEP_MS}`));
  for (const id of names) await node.logged(new RegExp(`^begun sleeper-${id}$`));
  sleeping.map((each) => each.catch(() => {})); // what fails before them is told first
  await attack();
  const replies = await Promise.all(sleeping);
  expect(replies.map(({ status, body }) => `${status} ${body}`)).toEqual(names.map((id) => `200 sleeper-${id}`));
  for (const id of names) expect(node.log.filter(({ msg }) => msg === `begun sleeper-${id}`)).toHaveLength(1);
  for (let i = 0; i < VICTIMS; i++)
    expect((await detail(`victim-${i}`)).counts).toMatchObject({ restarts: 0, failures: 0 });
}

describe("what waits in a light process survives", () => {
  it.each(["loop", "calls", "fill", "copy", "search", "random", "recurse"])(
    "a light tenant that does %s for ever",
    async (what) => {
      await start(neighbourhood({ ...hostile, light: "always" }), { carriers: 4, spare: 1 });
      await expectSurvival(async () => {
        const replies = await Promise.all(Array.from({ length: 4 }, () => ask(`/hog?do=${what}`)));
        for (const reply of replies) expect([503, 504], reply.body.toString()).toContain(reply.status);
      });
      expect((await ask("/hog?do=rest")).status).toBe(200);
    },
  );

  it("a light tenant in the only carrier", async () => {
    await start(neighbourhood({ ...hostile, light: "always" }), { carriers: 1, spare: 1 });
    await expectSurvival(async () => {
      for (const what of ["fill", "search"]) {
        const { status, body } = await ask(`/hog?do=${what}`);
        expect([what, status, body.toString()]).toEqual([what, 504, expect.stringContaining("deadline")]);
      }
    });
  });

  it("a plain tenant that loops", async () => {
    await start(neighbourhood({ ...hostile, light: "never" }), { carriers: 4, spare: 1 });
    await expectSurvival(async () => {
      const replies = await Promise.all(Array.from({ length: 4 }, () => ask("/hog?do=loop")));
      for (const reply of replies) expect([503, 504], reply.body.toString()).toContain(reply.status);
    });
  });
});

describe("what cannot survive", () => {
  it("is told as the node's fault, and runs again where nothing of it could be seen", async () => {
    const unseen = { ...victim, source: guestPath("slow") };
    const services = { ...neighbourhood({ ...hostile, light: "never" }), unseen };
    // One carrier for all: a plain tenant that loops takes with it what waits there.
    await start(services, { carriers: 1, spare: 1 });
    const again = ask("/unseen?do=sleep&ms=4000");
    const lost = [0, 1, 2, 3].map((i) => ask(`/victim-${i}?id=lost-${i}&do=sleep&ms=60000`));
    for (const i of [0, 1, 2, 3]) await node.logged(new RegExp(`^begun lost-${i}$`));
    const guilty = await ask("/hog?do=loop");
    expect([guilty.status, codeOf(guilty)]).toEqual([504, "deadline"]);
    for (const reply of await Promise.all(lost)) {
      expect([reply.status, codeOf(reply)], reply.body.toString()).toEqual([503, "displaced"]);
      expect(Number(reply.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
    }
    expect((await again).status).toBe(200);
    for (let i = 0; i < VICTIMS; i++) {
      expect((await ask(`/victim-${i}?id=after`)).status).toBe(200); // no breaker is open, no supervisor gave up
      expect(await detail(`victim-${i}`)).toMatchObject({ status: "warm" });
    }
    expect(node.log.some(({ service, msg }) => service === "hog" && msg.startsWith("it held up others"))).toBe(true);
  });
});
