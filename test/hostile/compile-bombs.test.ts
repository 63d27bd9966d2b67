// Modules that cost V8's compilers gigabytes or minutes: refused, or served within bounds; the node and its neighbours
// notice nothing (SECURITY.md; src/modules/cost.ts, trials.ts).
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { servicePath } from "../guests/guests.ts";
import { AdminClient } from "../harness/admin-client.ts";
import { bombs, randomBomb } from "../harness/bombs.ts";
import { Bystander, HttpClient } from "../harness/http-client.ts";
import { NodeProcess } from "../harness/node-process.ts";

vi.setConfig({ testTimeout: 900_000 });
const isLong = process.env.TEST_LONG === "1";
const seeds = Array.from({ length: isLong ? 500 : 4 }, (_, index) => index + 1);

/** Both compilers at once at a trial's limit (256 MiB each), the module in a few copies, and what the heap does. */
const GROWTH_MAX = 768 << 20;

describe("a node that is given compile bombs", () => {
  let node: NodeProcess;
  let admin: AdminClient;
  beforeAll(async () => {
    node = await NodeProcess.start({ config: { services: { good: { source: servicePath("hello") } } } });
    admin = new AdminClient(node.url);
  });
  afterAll(() => node.stop());

  const all = [
    ...Object.entries(bombs).map(([name, make]) => [name, () => make(1)] as const),
    ...seeds.map((seed) => [`random pieces, seed ${seed}`, () => randomBomb(seed)] as const),
  ];
  it.each(all)("%s", async (_name, make) => {
    const good = new Bystander(node.address, "/good", "Hello World!", 1);
    const before = resetPeak(node.pid);
    const { status, body } = await admin.put("bomb", make());
    if (status === 422) {
      expect(body.error).toMatchObject({
        code: "module_limits",
        message: expect.stringMatching(/compiling its function 1 takes more than \d+ MiB or \d+ s/),
      });
    } else {
      expect([200, 201]).toContain(status);
      const client = new HttpClient(node.address);
      // It answers nothing or traps; that is when it is compiled.
      expect((await client.request("/bomb")).status).toBe(502);
      client.close();
    }
    await rest(node.pid);
    expect(peak(node.pid) - before).toBeLessThan(GROWTH_MAX);
    await good.stop();
    expect(good.failures).toEqual([]);
    expect(good.requests).toBeGreaterThan(0);
    expect(await node.metric("zombies")).toBe(0);
    if (status !== 422) await admin.remove("bomb");
  });
});

function resident(pid: number, what: "VmRSS" | "VmHWM"): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(new RegExp(`^${what}:\\s+(\\d+) kB$`, "m").exec(status)?.[1]) * 1024;
}

const peak = (pid: number): number => resident(pid, "VmHWM");

/** Begins the peak anew (proc(5), clear_refs). @returns what it begins with */
function resetPeak(pid: number): number {
  writeFileSync(`/proc/${pid}/clear_refs`, "5");
  return resident(pid, "VmRSS");
}

/** Resolves when V8's own threads have slept for a while: they compile what was called. */
async function rest(pid: number): Promise<void> {
  for (let asleep = 0; asleep < 20; ) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    asleep = isCompiling(pid) ? 0 : asleep + 1;
  }
}

/** True if a thread that serves nothing runs: libuv's and V8's have the name of the program. */
function isCompiling(pid: number): boolean {
  return readdirSync(`/proc/${pid}/task`).some((thread) => {
    try {
      const stat = readFileSync(`/proc/${pid}/task/${thread}/stat`, "latin1");
      const state = stat[stat.lastIndexOf(")") + 2];
      return Number(thread) !== pid && state === "R" && /\((node|V8Worker|DefaultWorker)\S*\)/.test(stat);
    } catch {
      return false; // it has ended
    }
  });
}
