// The whole program: its verbs against a running node, their texts, JSON and exit codes.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { guestPath, servicePath } from "../guests/guests.ts";
import { digestOf, helloSaying } from "../harness/hello-versions.ts";
import { ModuleServer } from "../harness/module-server.ts";
import { NodeProcess } from "../harness/node-process.ts";

const mainFile = join(import.meta.dirname, "../../dist/main.js");
const folder = mkdtempSync(join(tmpdir(), "frenezulo-cli-"));

interface Result {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

async function run(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Result> {
  const { PATH = "", HOME = "" } = process.env;
  const child = spawn(process.env.FRENEZULO_TEST_NODE ?? process.execPath, [mainFile, ...args], {
    cwd: folder,
    env: { PATH, HOME, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [out, err] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => {
    out += chunk.toString();
  });
  child.stderr.on("data", (chunk: Buffer) => {
    err += chunk.toString();
  });
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { code, out, err };
}

/** One line, and nothing on standard output. */
function expectFailure({ code, out, err }: Result, text: RegExp, wanted = 1): void {
  expect([code, out, err]).toEqual([wanted, "", expect.stringMatching(text)]);
  expect(err).toMatch(/^frenezulo: [^\n]+\n$/);
}

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("against a node", () => {
  let node: NodeProcess;
  let web: ModuleServer;
  const at = (...args: string[]) => run([...args, "--node", node.url]);
  const said = async (prefix: string) => (await (await fetch(`${node.url}/${prefix}`)).text()).trimEnd();
  const file = (name: string, module: Uint8Array): string => {
    writeFileSync(join(folder, name), module);
    return name;
  };

  beforeAll(async () => {
    web = await ModuleServer.start();
    const config = { sources: { allow: [web.origin] }, services: { declared: { source: servicePath("hello") } } };
    node = await NodeProcess.start({ config });
  });

  afterAll(async () => {
    await web.stop();
    expect(await node.stop()).toEqual({ code: 0, signal: null });
  });

  it("add, ls, rollback and rm do what they say, in words", async () => {
    const [one, two] = [helloSaying("one"), helloSaying("two")];
    const added = await at("add", "hello", file("one.wasm", one));
    expect(added).toEqual({
      code: 0,
      out: `hello: version 1 (sha256 ${digestOf(one)}) is served\n`,
      err: "",
    });
    expect(await said("hello")).toBe("one");
    expect((await at("add", "hello", "one.wasm")).out).toMatch(/was served already; nothing changed/);
    expect((await at("add", "hello", web.serve("/two.wasm", two))).out).toContain(
      `version 2 (sha256 ${digestOf(two)})`,
    );
    expect(await said("hello")).toBe("two");

    const { code, out } = await at("ls");
    const [head, ...rows] = out.trimEnd().split("\n");
    expect([code, head]).toEqual([0, expect.stringMatching(/^ {2}PREFIX +VERSION +STATUS/)]);
    expect(rows).toHaveLength(2);
    expect(rows).toContainEqual(
      expect.stringMatching(new RegExp(`^ {2}hello +2 +warm .*${digestOf(two).slice(0, 12)}`)),
    );
    expect(rows).toContainEqual(expect.stringMatching(/^ {2}declared +1 +cold .*frenezulo\.toml:\d+$/));

    expect((await at("rollback", "hello", "1")).out).toContain("hello: version 1");
    expect(await said("hello")).toBe("one");
    expect(await at("rm", "hello")).toEqual({ code: 0, out: "hello: removed\n", err: "" });
    expect((await fetch(`${node.url}/hello`)).status).toBe(404);
  });

  it("and in JSON, where a script reads it", async () => {
    const module = helloSaying("json");
    const sha256 = digestOf(module);
    const json = async (...args: string[]): Promise<unknown> => {
      const { code, out, err } = await at(...args, "--json");
      expect([code, err]).toEqual([0, ""]);
      return JSON.parse(out);
    };
    const added = { prefix: "json", version: 1, sha256, changed: true };
    expect(await json("add", "json", file("json.wasm", module))).toEqual(added);
    expect(await json("ls")).toContainEqual(expect.objectContaining({ prefix: "json", version: 1, sha256 }));
    expect(await json("rollback", "json", "1")).toEqual({ ...added, changed: false });
    expect(await json("rm", "json")).toEqual({ prefix: "json" });
    const failed = await at("rm", "json", "--json");
    expect([failed.code, failed.out]).toEqual([1, ""]);
    expect(JSON.parse(failed.err)).toEqual({ error: { code: "unknown_service", message: expect.any(String) } });
  });

  it("add takes a policy, an environment and a digest", async () => {
    const source = guestPath("env");
    writeFileSync(join(folder, "policy.json"), JSON.stringify({ limits: { deadline: "3s" } }));
    const added = await at("add", "env", source, "--policy", "@policy.json", "--env", "A=b=c", "--env", "D=");
    expect([added.code, added.err]).toEqual([0, ""]);
    const { policy } = (await (await fetch(`${node.url}/services/env`)).json()) as { policy: { limits: object } };
    expect(policy.limits).toMatchObject({ deadline: 3000 });
    const lines = (await said("env")).split("\n").filter((line) => line.startsWith("env "));
    expect(lines.sort()).toEqual(["env A=b=c", "env D="]);
    expectFailure(await at("add", "env", source, "--sha256", "0".repeat(64)), /sha256 is [0-9a-f]{64}, not the 0+ /);
    expectFailure(await at("add", "env", source, "--policy", '{"limts": {}}'), /limts.*limits/);
  });

  it("tell on one line why something was refused", async () => {
    expectFailure(await at("add", "bad", file("bad.wasm", Buffer.from("text"))), /not a module that can be served/);
    expectFailure(await at("add", "bad", guestPath("unknown-import")), /imports env\.open_sesame/);
    expectFailure(await at("add", "bad", guestPath("start-trap")), /first instance did not start: .*unreachable/);
    expectFailure(await at("add", "bad", "http://127.0.0.1:1/x.wasm"), /not among the hosts/);
    expectFailure(await at("add", "Bad", "bad.wasm"), /A prefix is 1 to 64/);
    expectFailure(await at("add", "bad", "none.wasm"), /none\.wasm cannot be read/, 2);
    expectFailure(await at("add", "declared", servicePath("echo")), /declared in .*frenezulo\.toml:\d+/);
    expectFailure(await at("rm", "declared"), /declared in .*frenezulo\.toml:\d+/);
    expectFailure(await at("rm", "nothing"), /No service has the prefix nothing/);
    expectFailure(await at("rollback", "declared", "3"), /frenezulo\.toml:\d+/);
    expectFailure(await at("ls", "--nod", "x"), /--nod/, 2);
    expect(await said("declared")).toBe("Hello World!");
  });

  it("take the node's address from the environment, too", async () => {
    const { code, out } = await run(["ls", "--json"], { FRENEZULO_NODE: node.address });
    expect([code, JSON.parse(out).map(({ prefix }: { prefix: string }) => prefix)]).toEqual([
      0,
      expect.arrayContaining(["declared"]),
    ]);
  });
});

describe("without a node", () => {
  it("say that none answers, and where", async () => {
    for (const args of [["ls"], ["rm", "x"], ["rollback", "x", "1"], ["add", "x", servicePath("hello")]]) {
      const failed = await run([...args, "--node", "127.0.0.1:1"]);
      expectFailure(failed, /No node answers at 127\.0\.0\.1:1: .*ECONNREFUSED.*Is frenezulo up\?/);
    }
    const { code, err } = await run(["ls", "--json", "--node", `unix:${folder}/none.sock`]);
    expect([code, JSON.parse(err).error.code]).toEqual([1, "node_unreachable"]);
  });

  it("and to what is no node, that it is none", async () => {
    const web = await ModuleServer.start();
    expectFailure(await run(["ls", "--node", web.origin]), /answered 404, not as a frenezulo node does/);
    await web.stop();
  });
});

describe("with a token", () => {
  it("speaks to a node that asks for one, and not without", async () => {
    const token = "0123456789abcdef".repeat(3);
    const socket = join(folder, "admin.sock");
    const node = await NodeProcess.start({
      config: { admin: { listen: `unix:${socket}` } },
      env: { FRENEZULO_ADMIN_TOKEN: token },
    });
    const at = ["--node", `unix:${socket}`];
    expect((await run(["ls", ...at], { FRENEZULO_ADMIN_TOKEN: token })).code).toBe(0);
    writeFileSync(join(folder, "token"), `${token}\n`, { mode: 0o600 });
    expect((await run(["add", "hello", servicePath("hello"), ...at, "--token-file", "token"])).code).toBe(0);
    expectFailure(await run(["ls", ...at]), /needs the header Authorization/);
    expectFailure(await run(["ls", ...at], { FRENEZULO_ADMIN_TOKEN: `${token}x` }), /needs the header Authorization/);
    expect(await node.stop()).toEqual({ code: 0, signal: null });
  });
});

describe("a config that is wrong", () => {
  const config = (text: string): string => {
    writeFileSync(join(folder, "wrong.toml"), text);
    return join(folder, "wrong.toml");
  };

  it("is told by file, line and column, with the nearest known key, by up and by check", async () => {
    const file = config('[listen]\naddress = "127.0.0.1:0"\n\n[limits]\n  in_fligth = 5\n');
    for (const verb of ["up", "check"]) {
      expectFailure(await run([verb, "--config", file]), /wrong\.toml:5:3: .*in_fligth.*did you mean "in_flight"/);
    }
  });

  it("or by its service, where the module cannot be served", async () => {
    for (const [source, text] of [
      ["none.wasm", /wrong\.toml:1.*ENOENT/],
      [guestPath("unknown-import"), /wrong\.toml:1.*open_sesame/],
    ] as const) {
      const file = config(`[services.bad]\nsource = ${JSON.stringify(source)}\n`);
      const up = await run(["up", "--config", file, "--listen", "127.0.0.1:0", "--data", join(folder, "data")]);
      expect([up.code, up.err]).toEqual([1, expect.stringMatching(text)]);
      expect(up.err).toMatch(/^frenezulo: [^\n]+\n$/);
      const { code, out } = await run(["check", "--config", file]);
      expect([code, out]).toEqual([1, expect.stringMatching(text)]);
    }
  });

  it("and one that is right passes check without serving anything", async () => {
    const file = config(`[services.hello]\nsource = ${JSON.stringify(servicePath("hello"))}\n`);
    const { code, out, err } = await run(["check", "--config", file, "--json"]);
    expect([code, err]).toEqual([0, ""]);
    expect(JSON.parse(out)).toContainEqual(expect.objectContaining({ about: "services.hello", level: "ok" }));
  });

  it("as is an address that strangers could reach without a token", async () => {
    const failed = await run(["up", "--listen", "127.0.0.1:0", "--admin-listen", "0.0.0.0:0", "--data", "data"]);
    expect([failed.code, failed.err]).toEqual([1, expect.stringMatching(/^frenezulo: .*FRENEZULO_ADMIN_TOKEN.*\n$/)]);
  });
});

it.each(["up", "add", "ls", "rm", "rollback", "check"])("%s --help says how it is used", async (verb) => {
  const { code, out, err } = await run([verb, "--help"]);
  expect([code, err]).toEqual([0, ""]);
  expect(out).toMatch(new RegExp(`^Usage: frenezulo ${verb}\\b`));
});

it("up takes flags before the environment before the file", async () => {
  const data = join(folder, "flags");
  const node = await NodeProcess.start({
    config: { listen: { connections: 11 }, limits: { in_flight: 22 } },
    env: { FRENEZULO_LIMITS_IN_FLIGHT: "33", FRENEZULO_STORE_DATA: "/nowhere/at/all", FRENEZULO_DATA: "/nowhere" },
    args: ["--data", data],
  });
  const settings = await node.logged(/^settings in force/);
  expect(settings["listen.connections"]).toMatch(/^11 \(.*frenezulo\.toml:\d+\)$/);
  expect(settings["limits.in_flight"]).toBe("33 (FRENEZULO_LIMITS_IN_FLIGHT)");
  expect(settings["store.data"]).toBe(`${data} (--data)`);
  expect(await node.stop()).toEqual({ code: 0, signal: null });
});
