// The whole node: services added, replaced, rolled back and removed through its admin routes.
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { guest, guestPath, service, servicePath } from "../guests/guests.ts";
import { type AdminAnswer, AdminClient } from "../harness/admin-client.ts";
import { digestOf, helloSaying } from "../harness/hello-versions.ts";
import { HttpClient } from "../harness/http-client.ts";
import { ModuleServer } from "../harness/module-server.ts";
import { NodeProcess } from "../harness/node-process.ts";

const folder = mkdtempSync(join(tmpdir(), "frenezulo-sources-"));
let node: NodeProcess;
let web: ModuleServer;
let admin: AdminClient;
let client: HttpClient;

beforeAll(async () => {
  web = await ModuleServer.start();
  const config = {
    sources: { folder, allow: [web.origin] },
    services: { declared: { source: servicePath("hello") } },
  };
  node = await NodeProcess.start({ config });
  admin = new AdminClient(node.url);
  client = new HttpClient(node.address);
});

afterAll(async () => {
  client.close();
  await web.stop();
  rmSync(folder, { recursive: true, force: true });
  expect(await node.stop()).toEqual({ code: 0, signal: null });
});

async function said(prefix: string): Promise<string> {
  const { status, body } = await client.request(`/${prefix}`);
  return status === 200 ? body.toString().trimEnd() : String(status);
}

const failure = ({ status, body }: AdminAnswer): unknown[] => [status, body.error?.code];
const versionsOf = async (prefix: string): Promise<number[]> =>
  (await admin.describe(prefix)).versions.map(({ version }) => version);

it("a service is added, and served as soon as its addition is answered", async () => {
  expect(await said("added")).toBe("404");
  const module = helloSaying("added");
  const { status, body } = await admin.put("added", module);
  const sha256 = digestOf(module);
  expect([status, body]).toEqual([200, { prefix: "added", version: 1, sha256, changed: true }]);
  expect(await said("added")).toBe("added");
  const found = await admin.describe("added");
  expect(found).toMatchObject({ prefix: "added", origin: "api", version: 1, sha256, status: "warm", inFlight: 0 });
  expect(found.versions).toMatchObject([{ version: 1, sha256, bytes: module.length, current: true }]);
  expect((await admin.list()).map(({ prefix }) => prefix)).toContain("added");
});

it("another module replaces it: whoever asks after the answer meets the new version", async () => {
  for (let i = 1; i <= 4; i++) {
    const { body } = await admin.put("replaced", helloSaying(`version ${i}`));
    expect(body).toMatchObject({ version: i, changed: true });
    expect(await said("replaced")).toBe(`version ${i}`);
  }
  expect(await versionsOf("replaced")).toEqual([1, 2, 3, 4]);
  // The actors of the old versions end: one of the current one is left.
  await expect.poll(async () => (await admin.describe("replaced")).actors.map(({ version }) => version)).toEqual([4]);
});

it("the same module under the same policy changes nothing, not even its actor", async () => {
  const module = helloSaying("same");
  await admin.put("same", module, { policy: { limits: { queue: 7 } }, env: { A: "1" } });
  await said("same");
  const before = await admin.describe("same");
  const again = await admin.put("same", module, { policy: { limits: { queue: 7 } }, env: { A: "1" } });
  expect(again.body).toEqual({ prefix: "same", version: 1, sha256: digestOf(module), changed: false });
  const { actors, versions } = await admin.describe("same");
  expect([actors, versions]).toEqual([before.actors, before.versions]);
});

it("another policy for the same module takes effect without a new version", async () => {
  const module = guest("slow");
  await admin.put("policy", module, { policy: { limits: { deadline: "5s" } } });
  expect((await client.request("/policy?do=sleep&ms=300")).status).toBe(200);
  const { body } = await admin.put("policy", module, { policy: { limits: { deadline: "100ms" } } });
  expect(body).toEqual({ prefix: "policy", version: 1, sha256: digestOf(module), changed: true });
  expect((await client.request("/policy?do=sleep&ms=300")).status).toBe(504);
  const { versions, policy } = await admin.describe("policy");
  expect([versions.length, policy.limits.deadline, policy.scale.idle_timeout]).toEqual([1, 100, 60_000]);
});

it("a kept service is replaced by one that starts its state anew", async () => {
  const policy = { state: "kept" };
  await admin.put("kept", service("counter"), { policy });
  expect([await said("kept"), await said("kept")]).toEqual(["1", "2"]);
  await admin.put("kept", service("counter"), { policy });
  expect(await said("kept")).toBe("3");
  await admin.put("kept", service("counter"), { policy: { ...policy, limits: { queue: 3 } } });
  expect(await said("kept")).toBe("1");
});

it("an environment reaches the guest, by PUT and by POST, and a changed one takes effect", async () => {
  const variables = async (): Promise<string[]> => {
    const { body } = await client.request("/env");
    const lines = body.toString().split("\n");
    return lines.filter((line) => line.startsWith("env ")).map((line) => line.slice(4));
  };
  await admin.put("env", guest("env"), { env: { NAME: "first value", EMPTY: "" } });
  expect((await variables()).sort()).toEqual(["EMPTY=", "NAME=first value"]);
  const { body } = await admin.put("env", guest("env"), { env: { NAME: "žluťoučký & = +" } });
  expect(body).toMatchObject({ version: 1, changed: true });
  expect(await variables()).toEqual(["NAME=žluťoučký & = +"]);
  await admin.add("env", web.serve("/env.wasm", guest("env")), { env: { NAME: "by POST" } });
  expect(await variables()).toEqual(["NAME=by POST"]);
});

it("an earlier version is served again, with the policy it had", async () => {
  await admin.put("back", helloSaying("one"), { policy: { limits: { queue: 11 } } });
  await admin.put("back", helloSaying("two"), { policy: { limits: { queue: 22 } } });
  const { body } = await admin.rollback("back", 1);
  expect(body).toEqual({ prefix: "back", version: 1, sha256: digestOf(helloSaying("one")), changed: true });
  expect([await said("back"), (await admin.describe("back")).policy.limits.queue]).toEqual(["one", 11]);
  expect((await admin.rollback("back", 1)).body).toMatchObject({ version: 1, changed: false });
  expect(failure(await admin.rollback("back", 3))).toEqual([404, "unknown_version"]);
  expect(failure(await admin.rollback("nothing", 1))).toEqual([404, "unknown_service"]);
  expect((await admin.put("back", helloSaying("three"))).body).toMatchObject({ version: 3, changed: true });
  expect((await admin.describe("back")).versions.map(({ version, current }) => [version, current])).toEqual([
    [1, false],
    [2, false],
    [3, true],
  ]);
  expect([(await admin.rollback("back", 2)).status, await said("back")]).toEqual([200, "two"]);
});

it("a removed service is gone with its versions, and may be added anew", async () => {
  await admin.put("gone", helloSaying("old"));
  await admin.put("gone", helloSaying("older"));
  expect([(await admin.remove("gone")).status, await said("gone")]).toEqual([204, "404"]);
  expect(failure(await admin.remove("gone"))).toEqual([404, "unknown_service"]);
  expect(failure(await admin.ask("GET", "/services/gone"))).toEqual([404, "unknown_service"]);
  expect((await admin.list()).map(({ prefix }) => prefix)).not.toContain("gone");
  expect((await node.metrics()).has('frenezulo_requests_total{service="gone",code="200"}')).toBe(false);
  expect((await admin.put("gone", helloSaying("new"))).body).toMatchObject({ version: 1, changed: true });
  expect([await said("gone"), await versionsOf("gone")]).toEqual(["new", [1]]);
});

it("the last five versions are kept", async () => {
  for (let i = 1; i <= 8; i++) expect((await admin.put("five", helloSaying(`v${i}`))).body.version).toBe(i);
  expect(await versionsOf("five")).toEqual([4, 5, 6, 7, 8]);
  expect(failure(await admin.rollback("five", 3))).toEqual([404, "unknown_version"]);
  expect([(await admin.rollback("five", 4)).status, await said("five")]).toEqual([200, "v4"]);
});

it("what the config declares is changed there: 409 with file and line, and it goes on", async () => {
  writeFileSync(join(folder, "hello.wasm"), service("hello"));
  const attempts = [
    admin.put("declared", helloSaying("other")),
    admin.put("declared", service("hello")),
    admin.add("declared", pathToFileURL(join(folder, "hello.wasm")).href),
    admin.rollback("declared", 1),
    admin.remove("declared"),
  ];
  for (const answer of await Promise.all(attempts)) {
    expect(failure(answer)).toEqual([409, "config_origin"]);
    expect(answer.body.error?.message).toMatch(/frenezulo\.toml:\d+/);
  }
  expect(await said("declared")).toBe("Hello World!");
  const found = await admin.describe("declared");
  expect(found).toMatchObject({ origin: "config", version: 1, where: expect.stringMatching(/frenezulo\.toml:\d+$/) });
});

it("a source may be a file under the configured folder or a URL of an allowed host", async () => {
  mkdirSync(join(folder, "sub"), { recursive: true });
  copyFileSync(guestPath("echo-raw"), join(folder, "sub", "echo.wasm"));
  const file = await admin.add("file", pathToFileURL(join(folder, "sub", "echo.wasm")).href);
  expect([file.status, file.body.sha256]).toEqual([200, digestOf(guest("echo-raw"))]);
  expect((await client.request("/file")).status).toBe(200);
  const module = helloSaying("by web");
  const sha256 = digestOf(module);
  const loaded = await admin.add("web", web.serve("/a/b.wasm", module), { sha256: sha256.toUpperCase() });
  expect([loaded.body, await said("web")]).toEqual([{ prefix: "web", version: 1, sha256, changed: true }, "by web"]);
});

describe("changes at once", () => {
  it("of one prefix take turns: each gets a version of its own, and the last one is served", async () => {
    const texts = Array.from({ length: 12 }, (_, i) => `turn ${i}`);
    const answers = await Promise.all(texts.map((text) => admin.put("turns", helloSaying(text))));
    const numbers = answers.map(({ body }) => body.version as number);
    expect([...numbers].sort((a, b) => a - b)).toEqual(texts.map((_, i) => i + 1));
    for (const [i, { body }] of answers.entries()) expect(body.sha256).toBe(digestOf(helloSaying(texts[i] as string)));
    expect(await said("turns")).toBe(texts[numbers.indexOf(12)]);
  });

  it("of one prefix with the same module make one version", async () => {
    const module = helloSaying("only one");
    const answers = await Promise.all(Array.from({ length: 8 }, () => admin.put("once", module)));
    expect(answers.map(({ body }) => [body.version, body.changed]).filter(([, changed]) => changed)).toEqual([
      [1, true],
    ]);
    expect(await versionsOf("once")).toEqual([1]);
  });

  it("of one prefix, additions and removals mixed, end in a state that one order explains", async () => {
    for (let round = 0; round < 10; round++) {
      const answers = await Promise.all([
        admin.put("mixed", helloSaying(`a${round}`)),
        admin.remove("mixed"),
        admin.put("mixed", helloSaying(`b${round}`)),
        admin.remove("mixed"),
      ]);
      for (const { status } of answers) expect([200, 204, 404]).toContain(status);
      const told = await said("mixed");
      expect([`a${round}`, `b${round}`, "404"]).toContain(told);
      expect((await admin.list()).some(({ prefix }) => prefix === "mixed")).toBe(told !== "404");
    }
  });

  it("of many prefixes are all served", async () => {
    const names = Array.from({ length: 24 }, (_, i) => `many-${i}`);
    const answers = await Promise.all(names.map((name) => admin.put(name, helloSaying(name))));
    expect(answers.map(({ status }) => status)).toEqual(names.map(() => 200));
    for (const name of names) expect(await said(name)).toBe(name);
  });
});
