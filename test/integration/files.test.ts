// A service that serves files of its preopened directory, through the built program: what it may and may not reach.
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { guest, guestPath } from "../guests/guests.ts";
import { AdminClient } from "../harness/admin-client.ts";
import { HttpClient } from "../harness/http-client.ts";
import { NodeProcess } from "../harness/node-process.ts";

const folder = mkdtempSync(join(tmpdir(), "frenezulo-served-"));
let node: NodeProcess;
let client: HttpClient;

beforeAll(async () => {
  for (const name of ["www", "www/sub", "data", "open", "open/www"]) mkdirSync(join(folder, name));
  writeFileSync(join(folder, "www/page"), "a page");
  writeFileSync(join(folder, "www/sub/page"), "another");
  writeFileSync(join(folder, "open/www/page"), "an open page");
  symlinkSync("../../etc/passwd", join(folder, "www/out"));
  const source = guestPath("serve-files");
  const dirs = [`${join(folder, "www")}::www:ro`, `${join(folder, "data")}::data`];
  const services = {
    files: { source, dirs },
    readonly: { source, dirs: [dirs[0], `${join(folder, "data")}::data:ro`] },
    nothing: { source },
    holding: { source, dirs, limits: { deadline: "300ms" }, breaker: { failures: 1000 } },
  };
  node = await NodeProcess.start({ config: { services, admin: { dirs: [`${join(folder, "open")}:ro`] } } });
  client = new HttpClient(node.address);
});

afterAll(async () => {
  client?.close();
  expect(await node.stop()).toEqual({ code: 0, signal: null });
  rmSync(folder, { recursive: true });
});

const get = async (path: string): Promise<string> => (await client.request(path)).body.toString();
const post = (path: string, body: string) => client.request(path, { method: "POST", body: Buffer.from(body) });

describe("a service with directories", () => {
  it("serves what lies in them, as it is now", async () => {
    expect(await get("/files/page")).toBe("a page");
    expect(await get("/files/sub/page")).toBe("another");
    writeFileSync(join(folder, "www/page"), "a new page");
    expect(await get("/files/page")).toBe("a new page");
    expect(await get("/files/none")).toBe("error 44");
  });

  it("writes where it may, and nowhere else", async () => {
    expect((await post("/files/page", "uploaded")).status).toBe(200);
    expect(readFileSync(join(folder, "data/upload"), "utf8")).toBe("uploaded");
    expect((await post("/readonly/page", "changed")).status).toBe(500);
    expect(readFileSync(join(folder, "data/upload"), "utf8")).toBe("uploaded");
  });

  it("does not get out of them, and without any reaches nothing", async () => {
    expect(await get("/files/out")).toBe("error 63");
    expect(await get("/nothing/page")).toBe("error 44");
  });

  it("leaves no descriptor open behind thousands of requests", async () => {
    for (let i = 0; i < 20; i++) await get("/files/page");
    const count = (): number => readdirSync(`/proc/${node.pid}/fd`).length;
    const before = count();
    for (let i = 0; i < 2000; i++) await get(i % 2 === 0 ? "/files/page" : "/files/none");
    // Carriers that were started meanwhile have some of their own.
    expect(count() - before).toBeLessThan(100);
  });
});

describe("a service that is killed with files open", () => {
  it("leaves none of them behind", async () => {
    const count = (): number =>
      readdirSync(`/proc/${node.pid}/fd`).filter((fd) => {
        try {
          return readlinkSync(`/proc/${node.pid}/fd/${fd}`).startsWith(join(folder, "www"));
        } catch {
          return false; // closed meanwhile
        }
      }).length;
    for (let i = 0; i < 3; i++) expect((await client.request("/holding/page?do=hold")).status).toBe(504);
    await expect.poll(count).toBe(0);
  });
});

describe("a policy of the API", () => {
  it("may name directories below admin.dirs only, and as they are allowed", async () => {
    const admin = new AdminClient(`http://${node.address}`);
    const add = (dirs: string[]) => admin.put("added", guest("serve-files"), { policy: { dirs } });
    for (const [dirs, why] of [
      [["/etc::www:ro"], /lies in none of the node's admin\.dirs/],
      [[`${join(folder, "data")}::www:ro`], /lies in none of the node's admin\.dirs/],
      [[`${join(folder, "open/www")}::www`], /may be given read-only/],
    ] as const) {
      const { status, body } = await add([...dirs]);
      expect([status, body.error?.code]).toEqual([400, "bad_policy"]);
      expect(body.error?.message).toMatch(why);
    }
    const { status } = await add([`${join(folder, "open/www")}::www:ro`]);
    expect(status).toBe(200);
    expect(await get("/added/page")).toBe("an open page");
  });
});
