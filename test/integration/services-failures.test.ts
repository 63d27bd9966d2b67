// The whole node: an addition that fails changes nothing and says why, and what is served goes on.
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type ErrorCode, errorTable } from "../../src/errors.ts";
import { type GuestName, guest, notModules, service } from "../guests/guests.ts";
import { type AdminAnswer, AdminClient, type With } from "../harness/admin-client.ts";
import { digestOf, helloSaying } from "../harness/hello-versions.ts";
import { Bystander } from "../harness/http-client.ts";
import { ModuleServer } from "../harness/module-server.ts";
import { NodeProcess } from "../harness/node-process.ts";

const MODULE_BYTES = 300_000;
const folder = mkdtempSync(join(tmpdir(), "frenezulo-sources-"));
let node: NodeProcess;
let web: ModuleServer;
let admin: AdminClient;
let bystander: Bystander;

beforeAll(async () => {
  web = await ModuleServer.start();
  const config = {
    limits: { module_bytes: MODULE_BYTES },
    sources: { folder, allow: [web.origin] },
  };
  node = await NodeProcess.start({ config, env: { FRENEZULO_STORE_MAP_SIZE: "1MiB" } });
  admin = new AdminClient(node.url);
  expect((await admin.put("good", service("hello"), { env: { A: "b" } })).status).toBe(200);
  bystander = new Bystander(node.address, "/good", "Hello World!", 1);
});

afterAll(async () => {
  await bystander.stop();
  expect([bystander.failures.slice(0, 3), bystander.requests > 100]).toEqual([[], true]);
  await web.stop();
  rmSync(folder, { recursive: true, force: true });
  await node.noZombies();
  expect(await node.stop()).toEqual({ code: 0, signal: null });
});

/** The attempt on a prefix that is served and on a new one: refused, and nothing has changed. */
async function expectRefused(
  attempt: (prefix: string) => Promise<AdminAnswer>,
  code: ErrorCode,
  text: RegExp,
): Promise<void> {
  const before = await admin.describe("good");
  for (const prefix of ["good", "new"]) {
    const { status, body } = await attempt(prefix);
    expect([status, body.error?.code, body.error?.message]).toEqual([
      errorTable[code].status,
      code,
      expect.stringMatching(text),
    ]);
    expect(body.error?.message).not.toMatch(/\{\w+\}|undefined|\n/);
  }
  const { version, sha256, versions, policy, status, origin } = await admin.describe("good");
  expect({ version, sha256, versions, policy, status, origin }).toEqual({
    version: before.version,
    sha256: before.sha256,
    versions: before.versions,
    policy: before.policy,
    status: "warm",
    origin: "api",
  });
  expect((await admin.list()).map(({ prefix }) => prefix)).toEqual(["good"]);
  expect((await fetch(`${node.url}/new`)).status).toBe(404);
}

const put = (module: Uint8Array, more: With = {}) =>
  expectRefused.bind(null, (prefix) => admin.put(prefix, module, more));
const add = (source: string) => expectRefused.bind(null, (prefix) => admin.add(prefix, source));

it.each(Object.entries(notModules))("no module at all: %s", async (_name, bytes) => {
  await put(bytes)("bad_module", /not a module that can be served/);
});

it.each<[GuestName, ErrorCode, RegExp]>([
  ["unknown-import", "unknown_import", /imports env\.open_sesame/],
  ["wrong-type", "unknown_import", /imports \S+/],
  ["imported-memory", "unknown_import", /memory/],
  ["imported-global", "unknown_import", /global/],
  ["no-entry", "missing_entry", /frenezulo_main/],
  ["entry-with-parameter", "missing_entry", /frenezulo_main/],
  ["table-section", "module_limits", /table/],
  ["memory-section", "module_limits", /memory|pages/],
  ["extended-const", "bad_module", /./],
  ["multi-memory", "bad_module", /./],
  ["memory64", "bad_module", /./],
  ["start-trap", "first_start_failed", /unreachable/],
  ["init-trap", "first_start_failed", /unreachable/],
  ["init-exit", "first_start_failed", /proc_exit/],
  ["segment-trap", "first_start_failed", /out of bounds/],
])("a module that cannot be served: %s", async (name, code, text) => {
  await put(guest(name))(code, text);
});

it.each<GuestName>(["start-loop", "start-loop-bulk", "init-loop", "init-receive"])(
  "a module whose start never returns: %s",
  async (name) => {
    await put(guest(name), { policy: { limits: { start_deadline: "200ms" } } })("first_start_failed", /200 ms/);
  },
);

it("a start that is too slow for its deadline once is not held against the next attempt", async () => {
  await put(guest("start-loop"), { policy: { limits: { start_deadline: "50ms" } } })("first_start_failed", /50 ms/);
  expect((await admin.put("next", helloSaying("next"))).status).toBe(200);
  expect((await admin.remove("next")).status).toBe(204);
});

it("a module above the size limit, whichever way it comes", async () => {
  // A custom section (id 0) of a name of one byte: what follows it is any bytes.
  const length = MODULE_BYTES + 1 - service("hello").length;
  const size = length - 4;
  const section = Buffer.concat([
    Buffer.from([0, (size & 0x7f) | 0x80, ((size >> 7) & 0x7f) | 0x80, size >> 14]),
    Buffer.from([1, 0x78]),
    Buffer.alloc(size - 2),
  ]);
  const large = Buffer.concat([service("hello"), section]);
  expect([large.length, WebAssembly.validate(large)]).toEqual([MODULE_BYTES + 1, true]);
  writeFileSync(join(folder, "large.wasm"), large);
  await put(large)("body_too_large", /300000 bytes/);
  await add(pathToFileURL(join(folder, "large.wasm")).href)("module_too_large", /300000 bytes/);
  await add(web.serve("/large.wasm", large))("module_too_large", /300000 bytes/);
});

it("another sha256 than the one that was asked for", async () => {
  await put(helloSaying("other"), { sha256: digestOf(service("hello")) })("digest_mismatch", /[0-9a-f]{64}/);
});

it("a policy that is not acceptable, told by the key and what would be right", async () => {
  const module = helloSaying("policy");
  await put(module, { policy: { limits: { dedline: "1s" } } })("bad_policy", /dedline.*deadline/);
  await put(module, { policy: { limits: { deadline: "1 week" } } })("bad_policy", /limits\.deadline/);
  await put(module, { policy: { limits: { memory: "1GiB" } } })("bad_policy", /limits\.memory/);
  await put(module, { policy: { supervisor: "nobody" } })("bad_policy", /supervisors\.nobody/);
});

it("prefixes and bodies that are none", async () => {
  const module = helloSaying("prefix");
  const names = ["Hello", "-a", ".a", "a%20b", "a".repeat(65), "hell%C3%B6", "a%2Fb"];
  for (const prefix of names) expect((await admin.put(prefix, module)).status).toBe(400);
  for (const prefix of ["services", "add"]) {
    // PUT /services/add names the route of additions, which takes POST.
    expect([400, 405]).toContain((await admin.put(prefix, module)).status);
    const { body } = await admin.add(prefix, web.serve("/x.wasm", module));
    expect(body.error?.code).toBe("reserved_prefix");
  }
  const asText = await admin.ask("PUT", "/services/new", {});
  expect([asText.status, asText.body.error?.code]).toEqual([415, "unsupported_media_type"]);
  for (const [body, text] of [
    [{ prefix: "new" }, /source/],
    [{ prefix: "new", source: "x", sorce: "y" }, /sorce.*source/],
    [{ prefix: 5, source: "x" }, /prefix/],
  ] as const) {
    const answer = await admin.ask("POST", "/services/add", body);
    expect([answer.status, answer.body.error?.code]).toEqual([400, "bad_json"]);
    expect(answer.body.error?.message).toMatch(text);
  }
  expect((await admin.list()).map(({ prefix }) => prefix)).toEqual(["good"]);
});

it("sources that are not allowed", async () => {
  const outside = join(tmpdir(), `frenezulo-outside-${process.pid}.wasm`);
  writeFileSync(outside, service("hello"));
  symlinkSync(outside, join(folder, "link.wasm"));
  try {
    await add(pathToFileURL(outside).href)("source_refused", /only files under/);
    await add(pathToFileURL(join(folder, "link.wasm")).href)("source_refused", /link/);
    await add("http://127.0.0.1:1/x.wasm")("source_refused", /sources\.allow/);
    await add("http://example.com/x.wasm")("source_refused", /sources\.allow/);
    await add("ftp://127.0.0.1/x.wasm")("source_refused", /ftp:/);
    await add("hello.wasm")("source_refused", /not a URL/);
    await add(`${web.origin}/moved`)("source_refused", /./);
  } finally {
    rmSync(outside);
  }
});

it("sources that cannot be read", async () => {
  await add(pathToFileURL(join(folder, "none.wasm")).href)("source_failed", /ENOENT/);
  await add(`${web.origin}/none.wasm`)("source_failed", /404/);
  await add(`${web.origin}/broken`)("source_failed", /./);
});

it("a store that is full: 507, until something is removed", async () => {
  const module = (i: number): Uint8Array => {
    const section = Buffer.concat([Buffer.from([0, 0xff, 0xff, 0x0f, 1, 0x78]), Buffer.alloc(0x3ffff - 2, i)]);
    return Buffer.concat([service("hello"), section]);
  };
  const added: string[] = [];
  for (let i = 0; i < 10; i++) {
    const { status } = await admin.put(`fill-${i}`, module(i));
    if (status === 507) break;
    expect([i, status]).toEqual([i, 200]);
    added.push(`fill-${i}`);
  }
  expect(added.length).toBe(3);
  const refused = await admin.put("good", module(99));
  expect([refused.status, refused.body.error?.code]).toEqual([507, "store_full"]);
  expect(await admin.describe("good")).toMatchObject({ version: 1, sha256: digestOf(service("hello")) });
  for (const prefix of added) expect((await fetch(`${node.url}/${prefix}`)).status).toBe(200);
  expect((await admin.remove(added[0] as string)).status).toBe(204);
  expect((await admin.put(added[0] as string, module(98))).status).toBe(200);
  for (const prefix of added) expect((await admin.remove(prefix)).status).toBe(204);
});
