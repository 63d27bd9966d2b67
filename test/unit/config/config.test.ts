// Covers src/config/config.ts and src/config/: each setting on both sides of its range, places of errors, precedence.
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { parse, stringify } from "smol-toml";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { defaultPolicy, fileTable, nodeTable, policyTable } from "../../../src/config/config.ts";
import { configSchema, environmentName, settingsTable } from "../../../src/config/describe.ts";
import { formatPreopen, parsePreopen } from "../../../src/config/dirs.ts";
import type { Setting } from "../../../src/config/kinds.ts";
import { type ConfigSources, type LoadedConfig, loadConfig } from "../../../src/config/load.ts";
import { KeyPositions } from "../../../src/config/locate.ts";
import { nameServerProblems, networkProblems } from "../../../src/config/network.ts";
import { parsePolicy } from "../../../src/config/policy.ts";
import { fill, readTable, settingsOf } from "../../../src/config/table.ts";
import { formatDuration, formatSize, parseDuration, parseSize } from "../../../src/config/units.ts";
import { FrenezuloError } from "../../../src/errors.ts";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "frenezulo-config-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function load(toml: string | undefined, others: Partial<ConfigSources> = {}): Promise<LoadedConfig> {
  if (toml !== undefined) writeFileSync(join(folder, "frenezulo.toml"), toml);
  return loadConfig({ file: undefined, flags: {}, env: {}, cwd: folder, ...others });
}

async function messageOf(promise: Promise<unknown>): Promise<string> {
  const error: unknown = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(FrenezuloError);
  return (error as FrenezuloError).message;
}

describe("units", () => {
  test.each([
    ["500ms", 500],
    ["30s", 30_000],
    ["1.5s", 1_500],
    ["5m", 300_000],
    ["2h", 7_200_000],
    ["30d", 2_592_000_000],
    ["never", Number.POSITIVE_INFINITY],
    ["0s", 0],
  ])("a duration of %s is %d ms", (text, ms) => expect(parseDuration(text)).toBe(ms));

  test.each(["", "5", "-5s", "5 s", "s", "5S", "0.5ms", "1e3s", "5min", "infinity", " 5s", "1m30s"])(
    "%j is no duration",
    (text) => expect(parseDuration(text)).toBeUndefined(),
  );

  test.each([
    ["64MiB", 67_108_864],
    ["1MB", 1_000_000],
    ["1.1MB", 1_100_000],
    ["512KiB", 524_288],
    ["7B", 7],
    ["1GiB", 1_073_741_824],
  ])("a size of %s is %d bytes", (text, bytes) => expect(parseSize(text)).toBe(bytes));

  test.each(["", "64", "-1MB", "1mb", "1.5B", "1 MB", "never", "99999999TiB"])("%j is no size", (text) =>
    expect(parseSize(text)).toBeUndefined(),
  );

  test("are written in the shortest way", () => {
    expect([0, 500, 2_000, 90_000, 3_600_000].map(formatDuration)).toEqual(["0ms", "500ms", "2s", "90s", "1h"]);
    expect([0, 1_000, 1_048_576, 33_554_432].map(formatSize)).toEqual(["0B", "1kB", "1MiB", "32MiB"]);
  });

  test("what is written is read as the same", () => {
    fc.assert(
      fc.property(fc.nat(2 ** 40), fc.constantFrom(1, 1000, 1024, 60_000, 86_400_000), (number, factor) => {
        const value = (number * factor) % 2 ** 49;
        return parseDuration(formatDuration(value)) === value && parseSize(formatSize(value)) === value;
      }),
    );
  });
});

describe("every setting", () => {
  const all = [...settingsOf(fileTable)].map(([path, setting]) => [path.join("."), setting] as const);
  const bounds = all.flatMap(([name, setting]) => {
    const [, low, high] = /^(\S+) – (\S+)$/.exec(setting.range) ?? [];
    return low === undefined || high === undefined ? [] : [[name, setting, low, high] as const];
  });

  test.each(bounds)("%s takes both ends of its range and nothing beyond", (_name, setting, low, high) => {
    const [min, max] = [setting.readText(low) as number, setting.readText(high) as number];
    expect(min).toBeLessThan(max);
    expect(setting.read(toFile(setting, low))).toBe(min);
    expect(setting.read(toFile(setting, high))).toBe(max);
    const step = setting.kind === "float" ? 0.001 : 1;
    expect(() => setting.read(beside(setting, min - step))).toThrow(
      min === 0 && !isNumber(setting) ? "is n" : "too small",
    );
    if (max !== Number.POSITIVE_INFINITY) expect(() => setting.read(beside(setting, max + step))).toThrow("too large");
    for (const wrong of ["", "x", true, null, [], {}, Number.NaN, "-1s"]) expect(() => setting.read(wrong)).toThrow();
  });

  test.each(all.filter(([, { kind }]) => kind === "enum"))("%s takes its words only", (_name, setting) => {
    const words = setting.range.split(", ");
    for (const word of words) expect(setting.read(word)).toBe(word);
    for (const wrong of ["", words[0]?.toUpperCase(), 1, null, [words[0]], `${words[0]} `])
      expect(() => setting.read(wrong)).toThrow(`"${words.at(-1)}"`);
  });

  test.each(all.filter(([, { kind }]) => kind === "bool"))("%s takes true and false only", (_name, setting) => {
    expect([setting.read(true), setting.readText("false")]).toEqual([true, false]);
    for (const wrong of ["true", 1, null, "yes"]) expect(() => setting.read(wrong)).toThrow("true or false");
    expect(() => setting.readText("yes")).toThrow("true or false");
  });

  // Every setting that is neither a range, a choice nor a switch: what it takes and what it does not.
  const texts: Record<string, readonly [good: unknown[], bad: unknown[]]> = {
    "listen.address": [
      ["127.0.0.1:0", "[::1]:65535", "localhost:80", "unix:/run/x.sock"],
      ["", "127.0.0.1", "127.0.0.1:65536", ":3000", "unix:", "::1:80", "a b:80", 3000],
    ],
    "admin.listen": [["127.0.0.1:3001"], ["3001"]],
    "admin.token": [
      ["x".repeat(32), "x".repeat(4096)],
      ["x".repeat(31), "x".repeat(4097), `${"x".repeat(32)} `, "ß".repeat(32), 1],
    ],
    "sources.allow": [
      [[], ["example.org", "example.org:8443", "http://localhost:8000"]],
      ["example.org", ["*.org"], ["https://example.org/path"], ["ftp://example.org"], [1]],
    ],
    "dns.servers": [
      [[], ["192.0.2.53", "127.0.0.1:5353", "[::1]", "[2001:db8::53]:53"]],
      ["192.0.2.53", ["localhost"], ["::1"], ["192.0.2"], ["192.0.2.53:"], ["[::1"], [53]],
    ],
    "supervisors.NAME.parent": [
      ["a", "a".repeat(64)],
      ["", "A", "-a", "a".repeat(65)],
    ],
    "supervisors.NAME.order": [[["a", "b"]], ["a", ["A"]]],
    "services.NAME.sha256": [
      ["a".repeat(64), "A0".repeat(32)],
      ["a".repeat(63), "g".repeat(64), "a".repeat(65)],
    ],
    "defaults.supervisor": [["a"], ["A b"]],
    "defaults.shutdown": [
      ["brutal_kill", "0s", "never", "infinity"],
      ["kill", "-1s", 5],
    ],
    "admin.network.connect": [[["*.example.com:443"]], ["a.example:443", ["a.example"]]],
    "admin.network.listen": [[["127.0.0.1:*"]], ["127.0.0.1:1", ["a.example:80"]]],
    "defaults.network.connect": [
      [[], ["a.example:443", "*.a.example:*", "*:443", "192.0.2.7:80", "10.0.0.0/8:1", "[::1]:1", "[fd00::/8]:*"]],
      ["a.example:443", ["a.example"], [":80"], ["http://a.example:80"], ["::1:80"], ["a.*:80"], ["a b:80"], [80]],
    ],
    "defaults.network.listen": [
      [[], ["127.0.0.1:8080", "0.0.0.0:*", "[::]:80", "localhost:1", "10.0.0.0/8:1"]],
      ["127.0.0.1:8080", ["a.example:80"], ["*:80"], ["8080"], [":8080"], [8080]],
    ],
    "defaults.env": [
      [{}, { KEY: "value", "A.b": "" }],
      [{ "A=B": "x" }, { A: 1 }, { A: "\0" }, [], "A=B", { "": "x" }],
    ],
  };
  for (const name of ["admin.dirs", "defaults.dirs", "services.NAME.dirs"])
    texts[name] = [
      [[], ["/a"], ["a:ro", "b:rw"], name === "admin.dirs" ? [] : ["/a::b:ro"]],
      ["/a", [1], [""], ["::a"], ["a\0"], null, Array(33).fill("a"), name === "admin.dirs" ? ["/a::b"] : [":ro"]],
    ];
  for (const name of [
    "listen.tls.cert",
    "listen.tls.key",
    "admin.token_file",
    "store.data",
    "sources.folder",
    "services.NAME.source",
  ])
    texts[name] = [
      ["a/b", "/a"],
      ["", "a\0b", 1, null],
    ];
  const rest = all.filter(
    ([name, { range, kind }]) =>
      !/ – /.test(range) &&
      !["enum", "bool"].includes(kind) &&
      !/^services\.NAME\.(supervisor|shutdown|env|network.*)$/.test(name),
  );
  test.each([...rest, ...all.filter(([name]) => name === "defaults.shutdown")])(
    "%s takes what it says",
    (name, setting) => {
      const [good, bad] = texts[name] ?? expect.unreachable(`no row for ${name}`);
      for (const each of good) expect(() => setting.read(each)).not.toThrow();
      for (const each of bad) expect(() => setting.read(each), JSON.stringify(each)).toThrow();
    },
  );

  test("has a default that it takes itself, and writes it as it is read", () => {
    for (const [name, setting] of all) {
      const value = setting.initial();
      if (value === undefined) continue;
      if (["map", "list", "directories"].includes(setting.kind)) expect(setting.read(value), name).toEqual(value);
      else expect(setting.readText(setting.write(value)), name).toEqual(value);
    }
  });

  test("has a variable of its own", () => {
    const names = settingsTable().flatMap(({ env }) => (env === "" ? [] : [env]));
    expect(new Set(names).size).toBe(names.length);
    expect(names).toEqual(
      expect.arrayContaining([
        "FRENEZULO_LISTEN",
        "FRENEZULO_ADMIN_LISTEN",
        "FRENEZULO_DATA",
        "FRENEZULO_ADMIN_TOKEN",
        "FRENEZULO_LIMITS_IN_FLIGHT",
      ]),
    );
  });

  test("has a row in the table of settings", () => {
    for (const row of settingsTable())
      for (const cell of [row.name, row.type, row.default, row.range, row.doc]) expect(cell).not.toBe("");
    expect(settingsTable().map(({ name }) => name)).toContain("services.NAME.source");
  });
});

function isNumber(setting: Setting<unknown>): boolean {
  return setting.kind === "int" || setting.kind === "float" || setting.kind === "size";
}

/** A range's end as it would stand in a file. */
function toFile(setting: Setting<unknown>, text: string): unknown {
  return setting.kind === "int" || setting.kind === "float" ? Number(text) : text;
}

/** A value just outside, as it would stand in a file. */
function beside(setting: Setting<unknown>, value: number): unknown {
  return isNumber(setting) ? value : `${value}ms`;
}

describe("a config without a file", () => {
  test("works with defaults", async () => {
    const { config, effective, warnings } = await load(undefined);
    expect(config.listen.address).toBe("127.0.0.1:3000");
    expect(config.store.data).toBe(join(folder, "data"));
    expect(config.admin).toMatchObject({ listen: undefined, token: undefined, public: false });
    expect(config.defaults).toEqual(defaultPolicy);
    expect(config.limits.carriers).toBeLessThanOrEqual(64);
    expect(config.limits.spare).toBeLessThanOrEqual(config.limits.carriers);
    expect(effective.every(({ from }) => from === "default")).toBe(true);
    expect(warnings).toEqual([]);
  });

  test("keeps no more spare carriers than there are carriers", async () => {
    const { config } = await load(undefined, { env: { FRENEZULO_LIMITS_CARRIERS: "1" } });
    expect(config.limits.spare).toBe(1);
  });
});

describe("precedence", () => {
  const toml = '[listen]\naddress = "127.0.0.1:1"\n[limits]\nin_flight = 7\n[log]\nlevel = "warn"\n';

  test("is flag, environment, file, default, and the source is told", async () => {
    const { config, effective } = await load(toml, {
      flags: { listen: "127.0.0.1:3" },
      env: { FRENEZULO_LISTEN: "127.0.0.1:2", FRENEZULO_LIMITS_IN_FLIGHT: "8", FRENEZULO_LOG_FORMAT: "" },
    });
    expect([config.listen.address, config.limits.in_flight, config.log.level]).toEqual(["127.0.0.1:3", 8, "warn"]);
    const from = new Map(effective.map((each) => [each.name, each.from]));
    expect(from.get("listen.address")).toBe("--listen");
    expect(from.get("limits.in_flight")).toBe("FRENEZULO_LIMITS_IN_FLIGHT");
    expect(from.get("log.level")).toBe("frenezulo.toml:6");
    expect(from.get("log.format")).toBe("default");
  });

  test("holds for every setting by its variable", async () => {
    for (const [path, setting] of settingsOf({ ...nodeTable, defaults: policyTable })) {
      const example = exampleOf(setting);
      if (example === undefined) continue;
      const variable = environmentName(path, setting);
      const { effective } = await load(undefined, { env: { [variable]: example } });
      expect(effective.find(({ name }) => name === path.join("."))?.from).toBe(variable);
    }
  });

  test("names the flag or the variable in an error", async () => {
    expect(await messageOf(load(undefined, { env: { FRENEZULO_LIMITS_IN_FLIGHT: "many" } }))).toBe(
      'FRENEZULO_LIMITS_IN_FLIGHT: "many" is not a whole number',
    );
    expect(await messageOf(load(undefined, { flags: { listen: "3000" } }))).toMatch(
      /^--listen: "3000" is not an address/,
    );
  });

  test("warns of variables that are no settings", async () => {
    const { warnings } = await load(undefined, { env: { FRENEZULO_LISTN: "x", FRENEZULO_NODE: "x", PATH: "x" } });
    expect(warnings).toEqual(["FRENEZULO_LISTN is no setting and is ignored; did you mean FRENEZULO_LISTEN?"]);
  });
});

/** A text that a variable can give to a setting whatever the others are; undefined where another one is needed, too. */
function exampleOf(setting: Setting<unknown>): string | undefined {
  if (setting.inFolder !== undefined && setting.flag === undefined) return undefined;
  if (setting.kind === "map") return "A=1,B=2";
  if (setting.kind === "list") {
    return ["example.org,example.com", "127.0.0.1:1,127.0.0.1:2"].find((text) => isReadable(setting, text));
  }
  if (setting.isSecret) return "s".repeat(40);
  const value = setting.initial();
  if (value === undefined) return "127.0.0.1:1";
  return setting.write(value);
}

function isReadable(setting: Setting<unknown>, text: string): boolean {
  try {
    setting.readText(text);
    return true;
  } catch {
    return false;
  }
}

describe("an error in the file", () => {
  const notDuration = 'is not a duration; write one like "500ms", "30s" or "5m"';
  const notName = "is not a name of 1 to 64 of a-z 0-9 . _ - that begins with a letter or digit";
  const hostAndPort = policyTable.network.connect.range.slice("each ".length);
  const service = '[services.hello]\nsource = "hello.wasm"\n';
  test.each([
    [
      '[defaults.limits]\ndeadlin = "5s"\n',
      'frenezulo.toml:2:1: unknown key "deadlin" in defaults.limits; did you mean "deadline"?',
    ],
    [
      '[defaults]\n  limits = { memory = "1MiB", deadlin = "5s" }\n',
      'frenezulo.toml:2:31: unknown key "deadlin" in defaults.limits; did you mean "deadline"?',
    ],
    [
      '[defaults]\nlimits.deadlin = "5s"\n',
      'frenezulo.toml:2:8: unknown key "deadlin" in defaults.limits; did you mean "deadline"?',
    ],
    ["# ß ← 日本\n[limts]\nspare = 1\n", 'frenezulo.toml:2:2: unknown key "limts"; did you mean "limits"?'],
    [
      'listen = "127.0.0.1:1"\n',
      `frenezulo.toml:1:1: listen is a table (of ${Object.keys(nodeTable.listen).join(", ")}), not "127.0.0.1:1"`,
    ],
    [
      `${service}"sta\\u0074" = "kept"\n`,
      'frenezulo.toml:3:1: unknown key "stat" in services.hello; did you mean "state"?',
    ],
    [
      `${service}limits.deadline = "5 parsecs"\n`,
      `frenezulo.toml:3:8: services.hello.limits.deadline: "5 parsecs" ${notDuration}`,
    ],
    [
      "[limits]\ncompile = 5\n",
      'frenezulo.toml:2:1: limits.compile: 5 is not a duration; write one like "500ms", "30s" or "5m"',
    ],
    [
      '[limits]\ncompile = "-5s"\n',
      'frenezulo.toml:2:1: limits.compile: "-5s" is not a duration; write one like "500ms", "30s" or "5m"',
    ],
    [
      `${service}network.connect = ["example.com"]\n`,
      `frenezulo.toml:3:9: services.hello.network.connect: "example.com" is not ${hostAndPort}`,
    ],
    [
      `${service}[services.hello.network]\nconnect = ["10.0.0.0/40:80"]\n`,
      'frenezulo.toml:4:1: services.hello.network.connect: "10.0.0.0/40:80": a network of this family has 0 to 32 bits',
    ],
    [
      `${service}[services.hello.network]\nlisten = ["127.1:80"]\n`,
      'frenezulo.toml:4:1: services.hello.network.listen: "127.1:80": 127.1 is neither a name nor an address',
    ],
    ['[limits]\ncompile = "1ms"\n', 'frenezulo.toml:2:1: limits.compile: "1ms" is too small; the smallest is "10ms"'],
    ["[limits]\ncarriers = 511\n", "frenezulo.toml:2:1: limits.carriers: 511 is too large; the largest is 510"],
    ["[services.hello]\n", 'frenezulo.toml:1:11: services.hello: it has no source; add source = "path/of/module.wasm"'],
    ['[services.Hello]\nsource = "x"\n', `frenezulo.toml:1:11: services: "Hello" ${notName}`],
    ['[services.__proto__]\nsource = "x"\n', `frenezulo.toml:1:11: services: "__proto__" ${notName}`],
    ['[services.add]\nsource = "x"\n', "frenezulo.toml:1:11: services: the prefix add is reserved"],
    [
      `${service}supervisor = "servces"\n`,
      'frenezulo.toml:3:1: services.hello.supervisor: there is no [supervisors.servces]; did you mean "services"?',
    ],
    [`${service}scale = { min = 9 }\n`, "frenezulo.toml:3:11: services.hello.scale.min: 9 is more than scale.max, 8"],
    [
      `${service}backoff.min = "31s"\n`,
      "frenezulo.toml:3:9: services.hello.backoff.min: it is longer than backoff.max",
    ],
    [
      '[defaults]\nlimits.body_in = "65MiB"\n',
      "frenezulo.toml:2:8: defaults.limits.body_in: 68157440 bytes are more than the node's " +
        "limits.body_bytes, 67108864",
    ],
    ['[listen.tls]\ncert = "x.pem"\n', "frenezulo.toml:1:9: listen.tls: cert and key go together, and one is missing"],
    [
      '[supervisors.a]\nparent = "b"\n[supervisors.b]\nparent = "a"\n',
      "frenezulo.toml:2:1: supervisors.a.parent: a is above itself (and 1 more)",
    ],
    [
      '[supervisors.a]\nparent = "bb"\n',
      'frenezulo.toml:2:1: supervisors.a.parent: there is no [supervisors.bb]; did you mean "a"?',
    ],
    [
      "[supervisors.store]\n",
      "frenezulo.toml:1:14: supervisors.store: store is a part of the node; choose another name",
    ],
    [
      '[supervisors.services]\nstrategy = "one_for_all"\nauto_shutdown = "any_significant"\n',
      "frenezulo.toml:3:1: supervisors.services.auto_shutdown: not for the root of services, which never ends; it has strategy and order only",
    ],
    [
      "[supervisors.services]\nmax_restarts = 1\n",
      "frenezulo.toml:2:1: supervisors.services.max_restarts: not for the root of services, which never ends; it has strategy and order only",
    ],
    [
      "[store]\nversions = 0\n[limits]\nsprae = 1\n",
      "frenezulo.toml:2:1: store.versions: 0 is too small; the smallest is 1 (and 1 more)",
    ],
    ["[limits]\nspare =\n", "frenezulo.toml:2:8: "],
    ["[limits]\nspare = 1\nspare = 2\n", "frenezulo.toml:3:1: "],
  ])("of %j is told with line, column and what is right", async (toml, message) => {
    const found = await messageOf(load(toml));
    expect(found).not.toMatch(/\n/);
    if (message.endsWith(": ")) expect(found.slice(0, message.length)).toBe(message);
    else expect(found).toBe(message);
  });

  test("names the file as it was asked for, and says when it cannot be read", async () => {
    writeFileSync(join(folder, "other.toml"), "x = 1\n");
    expect(await messageOf(load(undefined, { file: "other.toml" }))).toMatch(/^other\.toml:1:1: unknown key "x"/);
    expect(await messageOf(load(undefined, { env: { FRENEZULO_CONFIG: "none.toml" } }))).toMatch(
      /^none\.toml: it cannot be read/,
    );
  });
});

describe("positions of keys", () => {
  test.each([
    ['"\\\\e"', "\\e"],
    ['"\\e"', "\u001b"],
    ['"\\\\x41"', "\\x41"],
    ['"\\x41"', "A"],
    ['"\\U00000022"', '"'],
    ['"\\u0041"', "A"],
  ])("are found whatever a key's escapes: %s", (written, key) => {
    expect(new KeyPositions(`${written} = 1`).has([key])).toBe(true);
  });

  test("are found in every TOML that a value can be written as", () => {
    const key = fc.oneof(
      fc.constantFrom("a", "b-c", "d_1", "ä ö", 'q"q', "x.y", "", "=", "#", "]"),
      fc.string({ maxLength: 4 }),
    );
    const value = fc.letrec((tie) => ({
      any: fc.oneof(
        { maxDepth: 3 },
        fc.nat(),
        fc.string(),
        fc.boolean(),
        fc.array(fc.string(), { maxLength: 3 }),
        tie("table"),
      ),
      table: fc.dictionary(
        key.filter((each) => each !== "__proto__"),
        tie("any"),
        { maxKeys: 4 },
      ),
    })).table;
    fc.assert(
      fc.property(value, (given) => {
        const toml = stringify(given as Record<string, unknown>);
        const positions = new KeyPositions(toml);
        const visit = (section: unknown, path: string[]): void => {
          if (typeof section !== "object" || section === null || Array.isArray(section)) return;
          for (const [name, inner] of Object.entries(section)) {
            expect(positions.has([...path, name]), `${JSON.stringify([...path, name])} in\n${toml}`).toBe(true);
            visit(inner, [...path, name]);
          }
        };
        visit(parse(toml), []);
      }),
      { numRuns: 300 },
    );
  });

  test("are not misled by strings, comments, arrays and inline tables", () => {
    const toml = [
      "# [not.a.section]",
      'text = """',
      "key = 1 # not a key",
      '\\""" still [inside]"""',
      "raw = '''",
      "[none]''' # comment with = and [",
      'list = [ "a = 1", # b = 2',
      "  { inner = 1, other = '}' },",
      "]",
      '[ section . "quo.ted" ]',
      "a . b=2024-01-01T00:00:00Z",
      "c = { d = [1, { e = true }], f = 'x' }",
    ].join("\n");
    const positions = new KeyPositions(toml);
    expect(parse(toml)).toBeDefined();
    const at = (...path: string[]) => Object.values(positions.of(path) ?? {}).join(":");
    expect(positions.has(["key"]) || positions.has(["none"]) || positions.has(["not"])).toBe(false);
    expect(at("list")).toBe("7:1");
    expect(at("list", "1", "inner")).toBe("8:5");
    expect(at("section", "quo.ted")).toBe("10:13");
    expect(at("section", "quo.ted", "a", "b")).toBe("11:5");
    expect(at("section", "quo.ted", "c", "d", "1", "e")).toBe("12:17");
    expect(at("section", "quo.ted", "c", "f")).toBe("12:30");
    expect(at("section", "quo.ted", "unknown")).toBe("10:13");
    expect(at("unknown")).toBe("");
  });
});

describe("policies", () => {
  test("of the API have addresses within those of admin.network", () => {
    const scope = (connect: string[], listen: string[] = []) => ({
      defaults: defaultPolicy,
      supervisors: new Map(),
      limits: fill(nodeTable, []).limits,
      admin: { ...fill(nodeTable, []).admin, network: { connect, listen } },
    });
    for (const [given, connect] of [
      ["*.example.com:*", "api.example.com:443"],
      ["*.example.com:443", "*.b.example.com:443"],
      ["10.0.0.0/8:*", "10.1.0.0/16:80"],
      ["10.0.0.0/8:80", "10.1.2.3:80"],
      ["127.0.0.0/8:*", "127.0.0.1:1"],
      ["localhost:*", "127.0.0.1:1"],
      ["localhost:*", "localhost:1"],
      ["*:443", "a.example:443"],
      ["*:443", "*:443"],
      ["[fd00::/8]:*", "[fd12::/16]:1"],
    ] as const)
      expect(parsePolicy({ network: { connect: [connect] } }, scope([given])).network.connect).toEqual([connect]);
    for (const [given, connect] of [
      ["*.example.com:443", "*.example.com:*"],
      ["*.example.com:443", "example.com:443"],
      ["*.example.com:443", "*:443"],
      ["10.0.0.0/8:*", "10.0.0.0/7:80"],
      ["10.0.0.0/8:*", "localhost:80"],
      ["127.0.0.0/8:*", "localhost:80"],
      ["*:*", "127.0.0.1:80"],
      ["*:*", "93.184.216.34:80"],
      ["[::/0]:*", "10.0.0.1:80"],
      ["0.0.0.0/0:*", "example.com:80"],
    ] as const)
      expect(() => parsePolicy({ network: { connect: [connect] } }, scope([given]))).toThrow(
        `network.connect: "${connect}" is within no entry of the node's admin.network.connect`,
      );
    const listen = ["127.0.0.1:80", "0.0.0.0:80"];
    expect(parsePolicy({ network: { listen } }, scope([], ["0.0.0.0:*"])).network.listen).toEqual(listen);
    expect(() => parsePolicy({ network: { listen } }, scope([], ["127.0.0.1:*"]))).toThrow("admin.network.listen");
    expect(() => parsePolicy({ network: { listen } })).toThrow("admin.network.listen");
  });

  test("have every form of network address", () => {
    const connect = [
      "a.example:443",
      "*.example:*",
      "*:443",
      "192.0.2.7:80",
      "10.0.0.0/8:*",
      "[::1]:1",
      "[fd00::/8]:2",
    ];
    const listen = ["127.0.0.1:*", "0.0.0.0:80", "[::]:80", "localhost:1", "10.0.0.0/8:1"];
    const { part, problems } = readTable(policyTable, { network: { connect, listen } });
    expect([part.network, problems]).toEqual([{ connect, listen }, []]);
    expect(networkProblems({ connect, listen })).toEqual([]);
    expect(defaultPolicy.network).toEqual({ connect: [], listen: [], sockets: 1024, handshakes: 100 });
  });

  test("name servers are addresses", () => {
    expect(nameServerProblems(["192.0.2.53", "127.0.0.1:5353", "[::1]", "[2001:db8::53]:53"])).toEqual([]);
    const texts = nameServerProblems(["192.0.2.256", "[::1::]:53", "192.0.2.53:0", "[::1]:65536"]).map(
      ({ text }) => text,
    );
    expect(texts).toEqual([
      'dns.servers: "192.0.2.256": 192.0.2.256 is no address',
      'dns.servers: "[::1::]:53": ::1:: is no address',
      'dns.servers: "192.0.2.53:0": a port is 1 to 65535',
      'dns.servers: "[::1]:65536": a port is 1 to 65535',
    ]);
  });

  test("are the defaults with what was given", () => {
    expect(parsePolicy(undefined)).toEqual(defaultPolicy);
    const policy = parsePolicy({
      limits: { deadline: "250ms", memory: 131_072 },
      shutdown: "infinity",
      env: { A: "1" },
    });
    expect(policy).toEqual({
      ...defaultPolicy,
      limits: { ...defaultPolicy.limits, deadline: 250, memory: 131_072 },
      shutdown: Number.POSITIVE_INFINITY,
      env: { A: "1" },
    });
  });

  test("are refused with key, what was given, what is right and the nearest name", () => {
    const why = (given: unknown) => {
      try {
        parsePolicy(given);
      } catch (error) {
        expect(error).toMatchObject({ code: "bad_policy" });
        return (error as FrenezuloError).message;
      }
      return expect.unreachable();
    };
    expect(why({ stat: "kept" })).toBe('The policy is not acceptable: unknown key "stat"; did you mean "state"?');
    expect(why({ limits: { deadline: 5 } })).toContain('limits.deadline: 5 is not a duration; write one like "500ms"');
    expect(why({ limits: "5s", x: 1 })).toMatch(/limits is a table \(of memory, .*\), not "5s"; unknown key "x"/);
    expect(why("kept")).toContain("this is a table (of state, ");
    expect(why(JSON.parse('{"__proto__": {"state": "kept"}}'))).toContain("__proto__");
    expect(why({ scale: { min: 2, max: 1 } })).toContain("scale.min: 2 is more than scale.max, 1");
    expect(why({ supervisor: "others" })).toContain("there is no [supervisors.others]");
  });

  test("of kept services scale to one and never reap, unless they say so themselves", async () => {
    const { config } = await load(
      [
        "[defaults]\nscale = { max = 4, min = 2 }",
        '[services.a]\nsource = "a"\nstate = "kept"',
        '[services.b]\nsource = "b"\nstate = "kept"\nscale = { max = 3, idle_timeout = "1s" }',
        '[services.c]\nsource = "c"\nstate = "fresh"',
      ].join("\n"),
    );
    const scale = (prefix: string) => config.services.get(prefix)?.policy.scale;
    expect(scale("a")).toMatchObject({ min: 1, max: 1, idle_timeout: Number.POSITIVE_INFINITY });
    expect(scale("b")).toMatchObject({ min: 2, max: 3, idle_timeout: 1_000 });
    expect(scale("c")).toMatchObject({ min: 2, max: 4, idle_timeout: 60_000 });
    expect(parsePolicy({ state: "kept" }, config).scale.max).toBe(1);
    expect(parsePolicy({}, config).scale.max).toBe(4);
    const kept = await load('[defaults]\nstate = "kept"\n[services.a]\nsource = "a"\nstate = "fresh"\n');
    expect(kept.config.defaults.scale.max).toBe(1);
    expect(kept.config.services.get("a")?.policy.scale).toEqual(defaultPolicy.scale);
  });
});

describe("directories of guests", () => {
  test.each([
    ["data", { guest: "data", host: "data", isReadOnly: false }],
    ["/srv/www:ro", { guest: "/srv/www", host: "/srv/www", isReadOnly: true }],
    ["/srv/www::/www:ro", { guest: "/www", host: "/srv/www", isReadOnly: true }],
    ["a:b::.", { guest: ".", host: "a:b", isReadOnly: false }],
    ["data::ro", { guest: "ro", host: "data", isReadOnly: false }],
    ["data::rw:ro", { guest: "rw", host: "data", isReadOnly: true }],
    ["odd:ro:rw", { guest: "odd:ro", host: "odd:ro", isReadOnly: false }],
  ])("are written %s", (text, preopen) => {
    expect(parsePreopen(text)).toEqual(preopen);
    if (text !== "odd:ro:rw") expect(formatPreopen(preopen)).toBe(text);
  });

  test.each(["", ":ro", "::ro", "::x", "x::", "a\nb", "x".repeat(5000)])("are not %j", (text) => {
    expect(() => parsePreopen(text)).toThrow(/ is not a directory like "data", /);
  });

  test("are found from the file they stand in, without links, and must be there", async () => {
    mkdirSync(join(folder, "v1"));
    symlinkSync("v1", join(folder, "now"));
    const services = '[services.a]\nsource = "a"\ndirs = ["now", "/tmp::/x:ro"]\n[services.b]\nsource = "b"\n';
    const { config, effective } = await load(`[defaults]\ndirs = ["v1:ro"]\n${services}`);
    const host = realpathSync(join(folder, "v1"));
    expect(config.services.get("a")?.policy.dirs).toEqual([
      { guest: "now", host, isReadOnly: false },
      { guest: "/x", host: realpathSync("/tmp"), isReadOnly: true },
    ]);
    expect(config.services.get("b")?.policy.dirs).toEqual([{ guest: "v1", host, isReadOnly: true }]);
    expect(effective.find(({ name }) => name === "defaults.dirs")?.value).toBe(`[${host}::v1:ro]`);
    writeFileSync(join(folder, "file"), "");
    const service = '[services.a]\nsource = "a"\n';
    const wrong = async (dirs: string) => messageOf(load(`${service}dirs = ${dirs}\n`));
    expect(await wrong('["none"]')).toMatch(/^frenezulo.toml:3:1: services.a.dirs: .*none cannot be used \(.*ENOENT/);
    expect(await wrong('["file"]')).toMatch(/services.a.dirs: .*file is not a directory/);
    expect(await wrong('["v1", "/tmp::v1"]')).toContain('two of them have the name "v1"');
    expect(await wrong('"v1"')).toContain('"v1" is not a list of directories; write one like ["data", "/srv/www:ro"]');
    expect(await messageOf(load('[admin]\ndirs = ["v1::x"]\n'))).toContain("write only the directory here");
  });

  test("are given by the API only below those that the node says, however they are named", async () => {
    for (const name of ["open", "open/sub", "looked", "secret"]) mkdirSync(join(folder, name));
    symlinkSync("../secret", join(folder, "open/way"));
    symlinkSync("open", join(folder, "link"));
    const { config } = await load('[admin]\ndirs = ["link", "looked:ro"]\n');
    const asked = (...dirs: string[]) =>
      parsePolicy({ dirs: dirs.map((each) => each.replace("@", folder)) }, config).dirs;
    const host = realpathSync(join(folder, "open/sub"));
    expect(asked("@/open/sub::s", "@/looked:ro")).toEqual([
      { guest: "s", host, isReadOnly: false },
      { guest: join(folder, "looked"), host: realpathSync(join(folder, "looked")), isReadOnly: true },
    ]);
    for (const refused of ["@/secret", "@/open/way", "@/open/../secret", "@", "/", "@/openly"]) {
      expect(() => asked(refused), refused).toThrow(/lies in none of the node's admin.dirs/);
    }
    expect(() => asked("@/looked")).toThrow(/may be given read-only; write ".*looked:ro"/);
    expect(() => asked("open")).toThrow(/"open" is no absolute path/);
    expect(() => asked("@/open/none")).toThrow(/none cannot be used/);
    expect(() => parsePolicy({ dirs: ["/tmp"] })).toThrow(/lies in none of the node's admin.dirs/);
  });
});

describe("a file's paths and secrets", () => {
  test("are relative to the file, those of variables to the working directory", async () => {
    const file = join(folder, "sub.toml");
    writeFileSync(
      file,
      '[sources]\nfolder = "modules"\n[services.a]\nsource = "a.wasm"\n[services.b]\nsource = "file:///b.wasm"\n',
    );
    const { config, effective } = await loadConfig({ file, flags: { data: "here" }, env: {}, cwd: "/elsewhere" });
    expect([config.store.data, config.sources.folder]).toEqual(["/elsewhere/here", join(folder, "modules")]);
    expect(config.services.get("a")).toMatchObject({ source: join(folder, "a.wasm"), where: `${file}:3` });
    expect(config.services.get("b")?.source).toBe("file:///b.wasm");
    expect(effective.at(-2)).toEqual({ name: "services.a.source", value: join(folder, "a.wasm"), from: `${file}:3` });
  });

  test("a token is read from its file, and never shown", async () => {
    const token = "t".repeat(40);
    writeFileSync(join(folder, "token"), `${token}\n`, { mode: 0o600 });
    const { config, effective } = await load('[admin]\ntoken_file = "token"\n');
    expect(config.admin.token).toBe(token);
    expect(JSON.stringify(effective)).not.toContain(token);
    chmodSync(join(folder, "token"), 0o640);
    expect(await messageOf(load(undefined))).toContain("chmod 600");
    expect(await messageOf(load(undefined, { env: { FRENEZULO_ADMIN_TOKEN: token } }))).toContain("keep one of them");
  });

  test("a token in the file needs a file that is its owner's alone", async () => {
    const toml = `[admin]\ntoken = "${"t".repeat(40)}"\n`;
    writeFileSync(join(folder, "frenezulo.toml"), toml);
    chmodSync(join(folder, "frenezulo.toml"), 0o644);
    expect(await messageOf(load(undefined))).toMatch(/^frenezulo\.toml:2:1: admin\.token: others .* chmod 600/);
    chmodSync(join(folder, "frenezulo.toml"), 0o600);
    const { config, effective } = await load(undefined);
    expect(config.admin.token).toHaveLength(40);
    expect(effective.find(({ name }) => name === "admin.token")?.value).toBe("(secret)");
    const short = await messageOf(load(undefined, { env: { FRENEZULO_ADMIN_TOKEN: "tooshort" } }));
    expect(short).toMatch(/^FRENEZULO_ADMIN_TOKEN: what is given is not 32 to 4096/);
    expect(short).not.toContain("tooshort");
  });
});

test("the published JSON Schema is current", () => {
  const published = readFileSync(new URL("../../../frenezulo.schema.json", import.meta.url), "utf8");
  expect(JSON.parse(published), "write it anew from configSchemaText()").toEqual(
    JSON.parse(JSON.stringify(configSchema())),
  );
});
