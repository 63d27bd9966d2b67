// The whole node with 20,000 services in its store: lists and trees of them are made in slices, between which others
// are answered, and come in pages.
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { open } from "lmdb";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { ServiceView } from "../../src/admin/verbs.ts";
import { service } from "../guests/guests.ts";
import { AdminClient } from "../harness/admin-client.ts";
import { digestOf } from "../harness/hello-versions.ts";
import { HttpClient } from "../harness/http-client.ts";
import { NodeProcess } from "../harness/node-process.ts";

const SERVICES = 20_000;
const AT_ONCE = 20;
const WATCHDOG_MS = 600_000;
let node: NodeProcess;

/** Written into the store at once: each add by the API would wait for the disk. */
beforeAll(async () => {
  const folder = mkdtempSync(join(tmpdir(), "frenezulo-listed-"));
  const path = join(folder, "data");
  mkdirSync(path, { mode: 0o700 });
  const root = open({ path, noSubdir: false, mapSize: 1 << 30, overlappingSync: false, eventTurnBatching: false });
  const rows = root.openDB("services", { encoding: "json" });
  const modules = root.openDB("modules", { encoding: "binary" });
  const module = Buffer.from(service("hello"));
  const digest = digestOf(module);
  const version = {
    version: 1,
    digest,
    bytes: module.length,
    addedAt: "2024-01-01T00:00:00.000Z",
    policy: {},
    env: {},
  };
  await root.batch(() => {
    void modules.put(digest, module);
    for (let i = 0; i < SERVICES; i++) {
      const prefix = `s${i}`;
      void rows.put(prefix, { prefix, current: 1, next: 2, versions: [version] });
    }
  });
  await root.close();
  node = await NodeProcess.start({ folder });
}, WATCHDOG_MS);

afterAll(() => node.stop());

/** How many requests are answered while the work goes on, on a few connections. */
async function answeredDuring(work: Promise<unknown>): Promise<number> {
  let isOver = false;
  let answered = 0;
  const asking = Array.from({ length: 4 }, async () => {
    const client = new HttpClient(node.address);
    while (!isOver) {
      expect((await client.request("/services/-/healthz")).status).toBe(200);
      if (!isOver) answered++;
    }
    client.close();
  });
  await work;
  isOver = true;
  await Promise.all(asking);
  return answered;
}

it.each(["/services", "/services/-/tree"])(
  `healthz is answered many times while many ask for %s`,
  async (path) => {
    const lengths: number[] = [];
    const list = async (): Promise<void> => {
      const answer = await fetch(node.url + path);
      expect(answer.status).toBe(200);
      lengths.push((await answer.arrayBuffer()).byteLength);
    };
    // Made in one turn each, they left room for 8 (list) and 2 (tree) answers for each of them.
    const answered = await answeredDuring(Promise.all(Array.from({ length: AT_ONCE }, list)));
    expect(answered).toBeGreaterThan(AT_ONCE * 15);
    expect(new Set(lengths).size).toBe(1);
    expect(lengths).toHaveLength(AT_ONCE);
  },
  WATCHDOG_MS,
);

it(
  "all of them are listed without parameters, in pages, and by frenezulo ls",
  async () => {
    const wanted = Array.from({ length: SERVICES }, (_, i) => `s${i}`).sort();
    const admin = new AdminClient(node.url);
    const all = (await admin.list()).map(({ prefix }) => prefix);
    expect([...all].sort()).toEqual(wanted);
    const paged: string[] = [];
    let pages = 0;
    for (let query = "?limit=3000"; query !== ""; pages++) {
      const answer = (await (await fetch(`${node.url}/services${query}`)).json()) as {
        services: ServiceView[];
        next: string | null;
      };
      expect(answer.services.length).toBeLessThanOrEqual(3_000);
      paged.push(...answer.services.map(({ prefix }) => prefix));
      query = answer.next === null ? "" : `?limit=3000&cursor=${answer.next}`;
    }
    expect([pages, paged]).toEqual([Math.ceil(SERVICES / 3_000), all]);
    const main = join(import.meta.dirname, "../../dist/main.js");
    const ls = spawnSync(process.execPath, [main, "ls", "--json", "--node", node.url], { maxBuffer: 1 << 28 });
    expect((JSON.parse(ls.stdout.toString()) as ServiceView[]).map(({ prefix }) => prefix)).toEqual(all);
  },
  WATCHDOG_MS,
);

it("a cursor of another node, or of an earlier start, is refused", async () => {
  for (const cursor of ["00000000-5", "5", "x", ""]) {
    const { status, body } = await new AdminClient(node.url).ask("GET", `/services?cursor=${cursor}`);
    expect([status, body.error?.code]).toEqual([400, "bad_json"]);
  }
});
