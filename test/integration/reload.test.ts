// The whole node: a changed config file is applied while it runs, whoever asks for it; an invalid one changes nothing.
import { execFile } from "node:child_process";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { stringify } from "smol-toml";
import { afterEach, describe, expect, it } from "vitest";
import { guest, guestPath, service, servicePath } from "../guests/guests.ts";
import { AdminClient } from "../harness/admin-client.ts";
import { digestOf, helloSaying } from "../harness/hello-versions.ts";
import { Bystander } from "../harness/http-client.ts";
import { type NodeOptions, NodeProcess } from "../harness/node-process.ts";
import { eventually } from "../harness/patience.ts";
import { sleep } from "../harness/raw-http.ts";
import {
  type FileConfig,
  pidsOf,
  reload,
  supervisorIn,
  treeOf,
  wholeConfig,
  writeConfig,
  writeConfigText,
} from "../harness/tree-client.ts";

const mainFile = join(import.meta.dirname, "../../dist/main.js");
const nothing = { added: [], changed: [], removed: [], supervisors: [], restart_needed: [] };
let node: NodeProcess;
let admin: AdminClient;

/** Own carriers, so that pids tell of nothing but the reload. */
const defaults = { placement: "dedicated" } as const;
const hello = { source: servicePath("hello"), scale: { min: 1 } } as const;

async function start(config: FileConfig, options: Omit<NodeOptions, "config"> = {}): Promise<void> {
  node = await NodeProcess.start({ ...options, config: { defaults, limits: { carriers: 12 }, ...config } });
  admin = new AdminClient(node.url);
}

const write = (config: FileConfig): void => writeConfig(node, { defaults, limits: { carriers: 12 }, ...config });

afterEach(async () => {
  await node.noZombies();
  expect(await node.stop()).toEqual({ code: 0, signal: null });
});

const text = async (path: string): Promise<string> => (await fetch(node.url + path)).text();
const warm = (prefix: string): Promise<number[]> =>
  eventually(
    () => pidsOf(node, prefix),
    (pids) => pids.length === 1,
  );
const reloads = (): number => node.log.filter(({ msg }) => msg === "the config was read again").length;
const groupOf = async (prefix: string): Promise<string> => {
  const tree = await treeOf(node);
  const groups = ["services", "first", "second"].filter((id) => {
    try {
      return supervisorIn(tree, id).children.some(({ supervisor }) => supervisor?.service === prefix);
    } catch {
      return false;
    }
  });
  return groups.join();
};

describe("a reload", () => {
  it("of an unchanged file changes nothing", async () => {
    await start({ services: { a: hello } });
    const before = await warm("a");
    expect(await reload(node)).toMatchObject({ status: 200, result: nothing });
    expect(await pidsOf(node, "a")).toEqual(before);
  });

  it("restarts only the service whose policy changed, and fails no request meanwhile", async () => {
    await start({ services: { a: hello, b: hello, c: hello } });
    const before = new Map([["a", await warm("a")]]);
    for (const prefix of ["b", "c"]) before.set(prefix, await warm(prefix));
    const beside = ["a", "b"].map((prefix) => new Bystander(node.address, `/${prefix}`, "Hello World!", 2));
    write({ services: { a: hello, b: { ...hello, limits: { deadline: "1234ms" } }, c: hello } });
    expect((await reload(node)).result).toEqual({ ...nothing, changed: ["b"] });
    expect((await admin.describe("b")).policy.limits.deadline).toBe(1234);
    await eventually(
      () => pidsOf(node, "b"),
      (pids) => pids.length === 1 && pids[0] !== before.get("b")?.[0],
    );
    for (const prefix of ["a", "c"]) expect(await pidsOf(node, prefix)).toEqual(before.get(prefix));
    expect((await admin.describe("b")).version).toBe(1);
    for (const each of beside) {
      await eventually(
        async () => each.requests,
        (count) => count > 10,
      );
      await each.stop();
      expect(each.failures).toEqual([]);
    }
  });

  it("adds, removes and replaces services, and says so", async () => {
    await start({ services: { a: hello, b: hello } });
    const before = await warm("a");
    const other = join(node.folder, "other.wasm");
    writeFileSync(other, helloSaying("other"));
    write({ services: { a: hello, c: { source: other } } });
    expect((await reload(node)).result).toEqual({ ...nothing, added: ["c"], removed: ["b"] });
    expect([(await text("/a")).trim(), (await text("/c")).trim()]).toEqual(["Hello World!", "other"]);
    expect((await fetch(`${node.url}/b`)).status).toBe(404);

    writeFileSync(other, helloSaying("changed")); // the same path, another module
    expect((await reload(node)).result).toEqual({ ...nothing, changed: ["c"] });
    expect((await text("/c")).trim()).toBe("changed");
    expect(await admin.describe("c")).toMatchObject({ version: 2, sha256: digestOf(helloSaying("changed")) });
    expect(await pidsOf(node, "a")).toEqual(before);
  });

  it("adds, changes and removes supervisors, and moves a service between them", async () => {
    await start({ supervisors: { first: {} }, services: { a: { ...hello, supervisor: "first" }, b: hello } });
    const before = await warm("b");
    write({
      supervisors: { first: { strategy: "one_for_all", max_restarts: 9 }, second: { parent: "first" } },
      services: { a: { ...hello, supervisor: "second" }, b: hello },
    });
    expect((await reload(node)).result).toEqual({ ...nothing, changed: ["a"], supervisors: ["first", "second"] });
    expect(supervisorIn(await treeOf(node), "first")).toMatchObject({ strategy: "one_for_all", max_restarts: 9 });
    await eventually(
      () => groupOf("a"),
      (group) => group === "second",
    );

    write({ supervisors: {}, services: { a: hello, b: hello } });
    const { supervisors } = (await reload(node)).result;
    expect([...supervisors].sort()).toEqual(["first", "second"]);
    await eventually(
      () => groupOf("a"),
      (group) => group === "services",
    );
    await eventually(
      async () => [...(await text("/services/-/tree")).matchAll(/"id":"(first|second)"/g)].length,
      (count) => count === 0,
    );
    expect(await text("/a")).toBe("Hello World!");
    expect(await pidsOf(node, "b")).toEqual(before);
  });

  it("a new order holds for the next failure", async () => {
    await start({ supervisors: { first: { strategy: "rest_for_one" } }, services: { a: member, b: member } });
    const order = async () =>
      supervisorIn(await treeOf(node), "first").children.map(({ supervisor }) => supervisor?.service);
    expect(await order()).toEqual(["a", "b"]);
    write({
      supervisors: { first: { strategy: "rest_for_one", order: ["b", "a"] } },
      services: { a: member, b: member },
    });
    expect((await reload(node)).result).toEqual({ ...nothing, supervisors: ["first"] });
    expect(await order()).toEqual(["b", "a"]);
  });

  it("a group gives up auto_shutdown together with the services that were significant to it", async () => {
    const lead = { ...member, restart: "transient" };
    await start({
      supervisors: { first: { auto_shutdown: "any_significant" } },
      services: { a: { ...lead, significant: true }, b: member },
    });
    const before = await warm("b");
    write({ supervisors: { first: {} }, services: { a: lead, b: member } });
    const { status, result } = await reload(node);
    expect([status, result]).toEqual([200, { ...nothing, changed: ["a"], supervisors: ["first"] }]);
    // And back again: only then may the service be significant.
    write({
      supervisors: { first: { auto_shutdown: "all_significant" } },
      services: { a: { ...lead, significant: true }, b: member },
    });
    expect((await reload(node)).result).toEqual({ ...nothing, changed: ["a"], supervisors: ["first"] });
    expect(await pidsOf(node, "b")).toEqual(before);
  });

  it("changes the root of services as it does any group", async () => {
    await start({ services: { a: hello, b: hello } });
    const before = await warm("b");
    const root = { strategy: "rest_for_one", order: ["b", "a"] };
    write({ supervisors: { services: root }, services: { a: hello, b: hello } });
    expect((await reload(node)).result).toEqual({ ...nothing, supervisors: ["services"] });
    const { strategy, children, max_restarts } = supervisorIn(await treeOf(node), "services");
    expect([strategy, max_restarts]).toEqual(["rest_for_one", null]);
    expect(children.map(({ supervisor }) => supervisor?.service)).toEqual(["b", "a"]);
    write({ services: { a: hello, b: hello } });
    expect((await reload(node)).result).toEqual({ ...nothing, supervisors: ["services"] });
    expect(supervisorIn(await treeOf(node), "services").strategy).toBe("one_for_one");
    expect(await pidsOf(node, "b")).toEqual(before);
  });

  it("changes a service's breaker and its backoff", async () => {
    const weak = { source: guestPath("hostile"), backoff: { min: "30s", max: "30s", jitter: 0 } };
    await start({ services: { weak: { ...weak, breaker: { failures: 2 } } } });
    write({ services: { weak: { ...weak, breaker: { failures: 4 }, backoff: { min: "5s", max: "5s", jitter: 0 } } } });
    expect((await reload(node)).result).toEqual({ ...nothing, changed: ["weak"] });
    for (let i = 0; i < 4; i++) expect([i, (await fetch(`${node.url}/weak?do=trap`)).status]).toEqual([i, 502]);
    const { status, headers } = await fetch(`${node.url}/weak`);
    expect([status, headers.get("retry-after")]).toEqual([503, "5"]);
  });

  it("changed defaults reach services of the API, but for what they state themselves", async () => {
    await start({});
    expect((await admin.put("follows", service("hello"))).status).toBe(200);
    expect((await admin.put("states", service("hello"), { policy: { limits: { deadline: "3s" } } })).status).toBe(200);
    const before = await pidsOf(node, "states");
    write({ defaults: { ...defaults, limits: { deadline: "2s" } } });
    expect((await reload(node)).result).toMatchObject({ changed: ["follows"], restart_needed: [] });
    expect((await admin.describe("follows")).policy.limits.deadline).toBe(2000);
    expect((await admin.describe("states")).policy.limits.deadline).toBe(3000);
    expect(await pidsOf(node, "states")).toEqual(before);
    expect((await admin.describe("follows")).version).toBe(1);
    expect(await text("/follows")).toBe("Hello World!");
  });

  it("a service of the file hides one of the API, which is back when the file has it no more", async () => {
    await start({});
    expect((await admin.put("a", helloSaying("api"))).status).toBe(200);
    write({ services: { a: hello } });
    expect((await reload(node)).result).toMatchObject({ added: ["a"] });
    expect(await text("/a")).toBe("Hello World!");
    write({});
    expect((await reload(node)).result).toMatchObject({ removed: ["a"], added: ["a"] });
    expect((await text("/a")).trim()).toBe("api");
  });

  it("lists the settings that changed and need a restart", async () => {
    await start({ services: { a: hello } });
    writeConfig(node, {
      defaults,
      services: { a: hello },
      limits: { carriers: 13, share: 0.5 },
      drain: { deadline: "7s" },
    });
    expect((await reload(node)).result).toEqual({
      ...nothing,
      restart_needed: ["limits.carriers", "limits.share", "drain.deadline"],
    });
  });
});

const member = { ...hello, supervisor: "first" } as const;

describe("an invalid file", () => {
  it.each([
    ["an unknown key", "max_restart", /frenezulo\.toml:(\d+):(\d+): .*"max_restart".*did you mean "max_restarts"/s],
    ["a value out of range", "max_restarts = -1", /frenezulo\.toml:(\d+):(\d+): .*max_restarts/s],
    ["no TOML", "= = =", /frenezulo\.toml:(\d+):(\d+)/],
  ])("changes nothing and names its place: %s", async (_name, line, wanted) => {
    await start({ services: { a: hello } });
    const before = await warm("a");
    const file = join(node.folder, "frenezulo.toml");
    const bad = line.includes("=") ? line : `${line} = 1`;
    const whole = `${readFileSync(file, "utf8")}\n[services.z]\nsource = "${servicePath("hello")}"\n  ${bad}\n`;
    writeConfigText(node, whole);
    const { status, error } = await reload(node);
    expect([status, error.code, error.message]).toEqual([
      expect.any(Number),
      "bad_config",
      expect.stringMatching(wanted),
    ]);
    expect(status).toBeGreaterThanOrEqual(400);
    const at = wanted.exec(error.message);
    expect(whole.split("\n")[Number(at?.[1]) - 1]).toContain(bad);
    expect((await admin.list()).map(({ prefix }) => prefix)).toEqual(["a"]);
    expect(await pidsOf(node, "a")).toEqual(before);
    expect(reloads()).toBe(0);
    write({ services: { a: hello } });
    expect((await reload(node)).result).toEqual(nothing);
  });

  it("whose service does not compile or start changes nothing either", async () => {
    await start({ supervisors: { first: {} }, services: { a: hello, b: hello } });
    const before = [await warm("a"), await warm("b")];
    const broken = { source: guestPath("start-trap"), supervisor: "second" };
    for (const b of [broken, { source: guestPath("unknown-import") }, { source: "/nowhere/x.wasm" }]) {
      write({
        supervisors: { first: { max_restarts: 1 }, second: {} },
        services: { a: { ...hello, env: { X: "1" } }, b },
      });
      const { error } = await reload(node);
      expect([error.code, error.message]).toEqual(["bad_config", expect.stringMatching(/frenezulo\.toml:\d+/)]);
      expect([await pidsOf(node, "a"), await pidsOf(node, "b")]).toEqual(before);
    }
    const tree = await treeOf(node);
    expect(supervisorIn(tree, "first").max_restarts).toBe(5);
    expect(JSON.stringify(tree)).not.toContain('"second"');
    expect((await admin.describe("a")).policy.env).toEqual({});
  });

  it("under which a service of the API cannot go on changes nothing, and names that service", async () => {
    await start({ supervisors: { first: {} }, services: { a: hello } });
    expect((await admin.put("big", guest("hostile"))).status).toBe(200);
    expect((await admin.put("named", service("hello"), { policy: { supervisor: "first" } })).status).toBe(200);
    const before = [await warm("a"), await warm("big"), await warm("named")];
    const changed = { a: { ...hello, env: { X: "1" } } };
    for (const [file, why] of [
      [
        { supervisors: { first: {} }, defaults: { ...defaults, limits: { memory: "64KiB" } } },
        /service big of the API/,
      ],
      [{}, /service named of the API.*first/],
    ] as const) {
      write({ ...file, services: changed });
      const { error } = await reload(node);
      expect([error.code, error.message]).toEqual(["bad_config", expect.stringMatching(why)]);
      expect([await pidsOf(node, "a"), await pidsOf(node, "big"), await pidsOf(node, "named")]).toEqual(before);
      expect((await admin.describe("a")).policy.env).toEqual({});
    }
    expect(supervisorIn(await treeOf(node), "first").phase).toBe("running");
  });

  it("that moves a supervisor is refused with the way out", async () => {
    await start({ supervisors: { first: {}, second: {} } });
    write({ supervisors: { first: {}, second: { parent: "first" } } });
    expect((await reload(node)).error.message).toMatch(/supervisors\.second\.parent.*restart/);
  });
});

describe("who asks for it", () => {
  it("SIGHUP: the log says what became of it", async () => {
    await start({ services: { a: hello } });
    write({ services: { a: { ...hello, limits: { deadline: "1s" } } } });
    node.signal("SIGHUP");
    expect(await node.logged(/^the config was read again$/)).toMatchObject({ changed: ["a"] });
    writeConfigText(node, "nonsense = 1\n");
    node.signal("SIGHUP");
    const { level, msg } = await node.logged(/not taken over/);
    expect([level, msg]).toEqual([
      "error",
      expect.stringMatching(/nothing has changed: .*frenezulo\.toml:1:1.*nonsense/),
    ]);
    expect(await text("/a")).toBe("Hello World!");
  });

  it("`frenezulo reload`: its output and exit code say what became of it", async () => {
    await start({ services: { a: hello } });
    const cli = (...args: string[]) =>
      promisify(execFile)(process.execPath, [mainFile, "reload", "--node", node.url, ...args]);
    expect((await cli()).stdout).toBe("nothing changed\n");
    write({ services: { a: { ...hello, limits: { deadline: "1s" } }, b: hello }, drain: { deadline: "3s" } });
    expect((await cli()).stdout).toBe("added: b\nchanged: a\nrestart needed: drain.deadline\n");
    expect(JSON.parse((await cli("--json")).stdout)).toEqual(nothing);
    writeConfigText(node, "nonsense = 1\n");
    await expect(cli()).rejects.toMatchObject({ code: 1, stderr: expect.stringMatching(/frenezulo\.toml:1:1/) });
  });

  it("--watch: the file saved in place, in steps, or by a file put in its place", async () => {
    await start({ services: { a: hello } }, { args: ["--watch"] });
    const deadlineIs = (ms: number) =>
      eventually(
        async () => (await admin.describe("a")).policy.limits.deadline,
        (deadline) => deadline === ms,
      );
    const saved = (ms: number) => ({
      defaults,
      limits: { carriers: 12 },
      services: { a: { ...hello, limits: { deadline: `${ms}ms` } } },
    });
    writeConfig(node, saved(1001));
    await deadlineIs(1001);

    const file = join(node.folder, "frenezulo.toml");
    writeFileSync(`${file}.new`, stringify(wholeConfig(node, saved(1002))));
    renameSync(`${file}.new`, file);
    await deadlineIs(1002);

    const whole = stringify(wholeConfig(node, saved(1003)));
    const before = reloads();
    writeFileSync(file, whole.slice(0, 20));
    await sleep(30);
    writeFileSync(file, whole);
    await deadlineIs(1003);
    expect(reloads()).toBe(before + 1);

    writeConfigText(node, "nonsense = 1\n");
    await node.logged(/not taken over/);
    expect(await text("/a")).toBe("Hello World!");
    writeConfig(node, saved(1004));
    await deadlineIs(1004);
  });

  it("several at once: they take turns, and the last file counts", async () => {
    await start({ services: { a: hello } });
    expect((await admin.put("b", guest("hostile"))).status).toBe(200);
    const answers: Promise<unknown>[] = [];
    for (let i = 1; i <= 10; i++) {
      write({ services: { a: { ...hello, limits: { deadline: `${1000 + i}ms` } } } });
      answers.push(reload(node).then(({ status }) => expect(status).toBe(200)));
    }
    await Promise.all(answers);
    expect((await admin.describe("a")).policy.limits.deadline).toBe(1010);
    expect((await fetch(`${node.url}/b`)).status).toBe(200);
  });
});
