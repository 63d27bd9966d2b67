// lunatic::sqlite through the built program: carriers that contend for one file, and transactions whose carrier or node
// is killed.
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { guestPath } from "../guests/guests.ts";
import { HttpClient, type Reply } from "../harness/http-client.ts";
import { NodeProcess } from "../harness/node-process.ts";

/** Nodes that are killed in a transaction. */
const ROUNDS = 5;

const folder = mkdtempSync(join(tmpdir(), "frenezulo-sqlite-"));
const journal = join(folder, "db/rows.db-journal");
const config = {
  services: {
    rows: { source: guestPath("rows"), dirs: [`${join(folder, "db")}::db`] },
    holding: {
      source: guestPath("rows"),
      dirs: [`${join(folder, "db")}::db`],
      limits: { deadline: "2s" },
      breaker: { failures: 1000 },
    },
  },
};
let node: NodeProcess;

/** One request on a connection of its own. @throws if the node ends meanwhile */
async function ask(path: string): Promise<Reply> {
  const client = new HttpClient(node.address);
  return client.request(path).finally(() => client.close());
}

beforeAll(async () => {
  mkdirSync(join(folder, "db"));
  node = await NodeProcess.start({ config });
  expect(await text("/rows?do=make")).toBe("");
});

afterAll(async () => {
  expect(await node?.stop()).toEqual({ code: 0, signal: null });
  rmSync(folder, { recursive: true });
});

async function text(path: string): Promise<string> {
  const { status, body } = await ask(path);
  expect([status, path]).toEqual([200, path]);
  return body.toString();
}

/** Rows of the table. Holds that each is whole, and the file sound. */
async function rows(): Promise<number> {
  const [count, integrity, half] = (await text("/rows?do=count")).split(" ");
  expect([integrity, half]).toEqual(["ok", "0"]);
  return Number(count);
}

it("carriers that write one file take turns, and no row is lost", async () => {
  const before = await rows();
  const found = await Promise.all(
    Array.from({ length: 8 }, async () => {
      const busy: number[] = [];
      for (let i = 0; i < 15; i++) busy.push(Number(await text("/rows?do=add&ms=3")));
      return busy;
    }),
  );
  expect(await rows()).toBe(before + 8 * 15);
  // They did contend: only others that run at the same time can have locked the file.
  expect(found.flat().some((busy) => busy > 0)).toBe(true);
});

it("what a request had begun when its carrier was killed is rolled back by the next", async () => {
  const before = await rows();
  const held = ask("/holding?do=hold");
  await node.logged(/^holding/);
  expect(statSync(journal).size).toBeGreaterThan(0);
  const added = text("/rows?do=add"); // waits for the end of the other
  expect((await held).status).toBe(504);
  expect(Number(await added)).toBeGreaterThan(0);
  expect(await rows()).toBe(before + 1);
  expect(existsSync(journal)).toBe(false);
});

it("what a node had begun when it was killed is rolled back by the next, and what was acknowledged is there", async () => {
  let known = await rows();
  for (let round = 0; round < ROUNDS; round++) {
    node.log.length = 0;
    let isOver = false;
    let sent = 0;
    let acknowledged = 0;
    const adding = Promise.all(
      Array.from({ length: 3 }, async () => {
        while (!isOver) {
          sent++;
          const answer = await ask("/rows?do=add").catch(() => null);
          if (answer?.status === 200) acknowledged++;
        }
      }),
    );
    const isHeld = round % 2 === 0;
    const held = isHeld ? ask("/holding?do=hold").catch(() => null) : null;
    if (isHeld) await node.logged(/^holding/);
    else await new Promise((resolve) => setTimeout(resolve, 50 + 100 * Math.random()));
    isOver = true;
    node.signal("SIGKILL");
    expect((await node.ended).signal).toBe("SIGKILL");
    await Promise.all([adding, held]);
    if (isHeld) expect(existsSync(journal)).toBe(true);
    node = await NodeProcess.start({ config, folder: node.folder });
    const now = await rows();
    expect(now).toBeGreaterThanOrEqual(known + acknowledged);
    expect(now).toBeLessThanOrEqual(known + sent);
    known = now;
  }
});

it("a value that is larger than SQLite's memory is refused, and nobody else notices", async () => {
  const before = await rows();
  const [filled] = await Promise.all([text("/rows?do=fill&bytes=200000000"), text("/rows?do=add")]);
  expect(["7", "18"]).toContain(filled); // SQLITE_NOMEM, SQLITE_TOOBIG
  expect(await rows()).toBe(before + 1);
});
