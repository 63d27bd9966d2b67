// The last resort: a thread that terminate() does not end is counted, replaced, and does not hold the node.
// The node runs here without the V8 flag that makes every loop end (DECISIONS 2.4): a module that is loaded before it
// swallows that flag, so that the program itself needs no switch for it.
import { describe, expect, it } from "vitest";
import { guestPath, servicePath } from "../guests/guests.ts";
import { Bystander, HttpClient } from "../harness/http-client.ts";
import { NodeProcess } from "../harness/node-process.ts";
import { sleep } from "../harness/raw-http.ts";

const swallowFlag = `
  import v8 from "node:v8";
  import { syncBuiltinESMExports } from "node:module";
  const set = v8.setFlagsFromString;
  v8.setFlagsFromString = (flag) => flag === "--no-wasm-dynamic-tiering" || set(flag);
  syncBuiltinESMExports();`;
const withoutFlag = ["--import", `data:text/javascript,${encodeURIComponent(swallowFlag)}`];

const start = (nodeArgs: readonly string[], limits: object = {}): Promise<NodeProcess> => {
  const bulk = { source: guestPath("loop-bulk"), limits: { deadline: "500ms", memory: "128MiB" } };
  const slow = { source: guestPath("ledger"), limits: { deadline: "10m" } };
  const services = { hello: { source: servicePath("hello") }, bulk, slow };
  const all = { carriers: 8, spare: 2, zombies: 1, zombie_after: "500ms", ...limits };
  return NodeProcess.start({ nodeArgs, config: { services, limits: all, drain: { deadline: "60s" } } });
};

async function loop(node: NodeProcess): Promise<void> {
  const client = new HttpClient(node.address);
  expect((await client.request("/bulk", { method: "POST", body: "loop" })).status).toBe(504);
  client.close();
}

/** A loop of fills of 64 MiB passes its deadline; what comes after is answered, and nobody else notices. */
async function loopOnce(node: NodeProcess): Promise<void> {
  const client = new HttpClient(node.address);
  const bystander = new Bystander(node.address, "/hello", "Hello World!", 1);
  expect((await client.request("/bulk")).status).toBe(200);
  await loop(node);
  const next = await client.request("/bulk");
  expect([next.status, next.body.toString()]).toEqual([200, "well\n"]);
  await bystander.stop();
  expect(bystander.failures).toEqual([]);
  client.close();
}

describe("a loop that V8 does not interrupt", () => {
  it("makes a zombie, which is counted and replaced, and does not hold the node back at its end", async () => {
    const node = await start(withoutFlag);
    await loopOnce(node);
    const told = await node.logged(/^a thread could not be ended$/);
    expect(told).toMatchObject({ why: "bulk: a request ran for more than 500 ms", zombies: 1 });
    expect(told.usedMs).toBeGreaterThanOrEqual(500); // of the CPU
    expect(await node.metric("zombies")).toBe(1);
    const client = new HttpClient(node.address);
    for (let i = 0; i < 20; i++) expect((await client.request("/bulk")).status).toBe(200);
    expect(await node.metricSettles('carriers{state="spare"}', (count) => count >= 2)).toBeGreaterThanOrEqual(2);
    client.close();
    // The thread cannot be joined, and process.exit() would wait for it for ever: the node drains and kills itself.
    expect(await node.stop()).toEqual({ code: null, signal: "SIGKILL" });
    expect(node.log.map(({ msg }) => msg)).toContain("drained: every request was answered");
  });

  it("does not hold back a node that is told to stop before the thread counts as a zombie", async () => {
    const node = await start(withoutFlag);
    await loopOnce(node);
    expect(await node.stop()).toEqual({ code: null, signal: "SIGKILL" });
  });

  it("ends the node when it is one too many: what is in flight is answered, and the exit says that it failed", async () => {
    const node = await start(withoutFlag, { zombies: 0, zombie_after: "100ms" });
    const client = new HttpClient(node.address);
    const slow = client.request("/slow?id=slow&do=sleep&ms=12000"); // the thread counts as a zombie while it sleeps
    await loop(node);
    expect([(await slow).status, (await slow).headers.get("connection")]).toEqual([200, "close"]);
    client.close();
    expect(await node.ended).toEqual({ code: null, signal: "SIGKILL" });
    const why = expect.stringMatching(/^bulk: a request ran for more than 500 ms$/);
    expect(await node.logged(/^more threads/)).toMatchObject({ limit: 0, zombies: [{ why }] });
    const said = node.log.map(({ msg }) => msg).filter((msg) => /thread|drain/.test(msg));
    expect(said).toEqual([
      "a thread could not be ended",
      expect.stringMatching(/^more threads than limits.zombies could not be ended/),
      "drained: every request was answered",
      "threads could not be ended: the node kills itself",
    ]);
    await node.stop();
  });

  it("is none where the node only had no time: it was stopped while its threads ended", async () => {
    const node = await start([], { zombies: 0 });
    const client = new HttpClient(node.address);
    for (let i = 0; i < 3; i++) {
      expect((await client.request("/bulk", { method: "POST", body: "loop" })).status).toBe(504);
      node.signal("SIGSTOP");
      await sleep(2_500); // longer than a thread may take before it is late
      node.signal("SIGCONT");
    }
    expect((await client.request("/bulk")).status).toBe(200);
    client.close();
    await node.metricSettles('carriers{state="late"}', (count) => count === 0);
    expect(await node.metric("zombies")).toBe(0);
    expect(await node.stop()).toEqual({ code: 0, signal: null });
    expect(node.log.filter(({ level }) => level === "error")).toEqual([]);
  });

  it("is ended like any other with the flag that the program sets", async () => {
    const node = await start([]);
    await loopOnce(node);
    await node.metricSettles('carriers{state="condemned"}', (count) => count === 0);
    await node.noZombies();
    expect(await node.stop()).toEqual({ code: 0, signal: null });
  });
});
