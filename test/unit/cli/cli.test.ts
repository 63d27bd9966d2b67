// Covers src/main.ts and src/cli/: what the program says and its exit codes, and the requests its verbs send to a node.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import wabt from "wabt";
import { FrenezuloError } from "../../../src/errors.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const built = join(root, "test/.tmp", `cli-${process.pid}`);
let folder: string;

beforeAll(async () => {
  mkdirSync(join(built, "dist"), { recursive: true });
  const common = { bundle: true, platform: "node", format: "esm", target: "node20" } as const;
  await build({
    ...common,
    entryPoints: [join(root, "src/main.ts")],
    outfile: join(built, "dist/main.js"),
    packages: "external",
  });
  const worker = {
    entryPoints: [join(root, "src/modules/compile-worker.ts")],
    outfile: join(built, "dist/compile-worker.js"),
  };
  await build({ ...common, ...worker });
});
afterAll(() => rmSync(built, { recursive: true, force: true }));
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "frenezulo-cli-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

interface Result {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function start(
  args: readonly string[],
  env: Record<string, string> = {},
  nodeFlags: readonly string[] = [],
): ChildProcess {
  const { PATH = "", HOME = "" } = process.env;
  return spawn(process.execPath, [...nodeFlags, join(built, "dist/main.js"), ...args], {
    cwd: folder,
    env: { PATH, HOME, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
}

async function run(
  args: readonly string[],
  env: Record<string, string> = {},
  nodeFlags: readonly string[] = [],
): Promise<Result> {
  const child = start(args, env, nodeFlags);
  let [out, err] = ["", ""];
  child.stdout?.on("data", (chunk: Buffer) => {
    out += chunk.toString();
  });
  child.stderr?.on("data", (chunk: Buffer) => {
    err += chunk.toString();
  });
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { code, out, err };
}

describe("usage", () => {
  test("is told with exit code 2 and one line that says what to do", async () => {
    expect(await run([])).toMatchObject({ code: 2, err: expect.stringContaining("Usage: frenezulo VERB") });
    const rows: [string[], RegExp][] = [
      [["lst"], /^frenezulo: There is no verb "lst"; did you mean "ls"\? See frenezulo --help\n$/],
      [["foo"], /^frenezulo: There is no verb "foo"; there are up, add, .*check\. See frenezulo --help\n$/],
      [
        ["run", "x.wasm", "--own"],
        /^frenezulo: Unknown option '--own'; the program's own arguments follow a --\. .*\n$/,
      ],
      [["add", "hello"], /^frenezulo: FILE\|URL is missing\. Usage: frenezulo add PREFIX FILE\|URL .*\n$/],
      [["rm"], /^frenezulo: PREFIX is missing\. Usage: frenezulo rm PREFIX .*\n$/],
      [["ls", "x"], /^frenezulo: "x" is one argument too many\. .*\n$/],
      [["ls", "--jsno"], /^frenezulo: Unknown option '--jsno'\. .*\n$/],
      [["rollback", "hello", "one"], /^frenezulo: VERSION is a number from 1, not "one"\. .*\n$/],
      [["add", "hello", "x.wasm", "--env", "A"], /^frenezulo: --env A is not KEY=VALUE\. .*\n$/],
      [["add", "hello", "x.wasm", "--policy", "{"], /^frenezulo: --policy needs a JSON object or @FILE .*\n$/],
      [["add", "hello", "none.wasm"], /^frenezulo: The module none\.wasm cannot be read: .*\n$/],
      [["ls", "--node", "ftp://x/y"], /^frenezulo: "ftp:\/\/x\/y" is not the address of a node; .*\n$/],
    ];
    const results = await Promise.all(rows.map(([args]) => run(args)));
    for (const [i, [, message]] of rows.entries()) {
      expect(results[i]?.err).toMatch(message);
      expect(results[i]?.code).toBe(2);
    }
  });

  test("is told by --help for each verb, on stdout", async () => {
    const verbs = ["up", "add", "ls", "rm", "rollback", "check"];
    const general = await run(["--help"]);
    expect(general.code).toBe(0);
    const texts = await Promise.all(verbs.map((verb) => run([verb, "--help"])));
    for (const [i, verb] of verbs.entries()) {
      expect(general.out).toContain(`  ${verb} `);
      expect(texts[i]).toMatchObject({ code: 0, err: "" });
      expect(texts[i]?.out).toMatch(new RegExp(`^Usage: frenezulo ${verb}\\b`));
    }
    for (const name of ["FRENEZULO_LISTEN", "limits.in_flight", "--admin-listen"])
      expect(texts[0]?.out).toContain(name);
  });
});

describe("up", () => {
  test.each([
    [["up", "--listen", "3000"], {}, /^frenezulo: --listen: "3000" is not an address like .*\n$/],
    [["up", "--config", "none.toml"], {}, /^frenezulo: none\.toml: it cannot be read .*\n$/],
    [["up"], { FRENEZULO_LOG_LEVEL: "loud" }, /^frenezulo: FRENEZULO_LOG_LEVEL: "loud" is not "debug", "info".*\n$/],
  ])("%j is refused on one line", async (args, env, message) => {
    const { code, out, err } = await run(args, env as Record<string, string>);
    expect([code, out]).toEqual([1, ""]);
    expect(err).toMatch(message);
  });

  test("is refused under flags that undo its limits, as every verb is", async () => {
    const { code, err } = await run(["up"], {}, ["--max-old-space-size=512"]);
    expect(code).toBe(1);
    expect(err).toMatch(/^frenezulo: Node was started with --max-old-space-size=512 .*cancels the heap limits.*\n$/);
    expect((await run(["ls"], { NODE_OPTIONS: "--max-old-space-size=512" })).code).toBe(1);
  });
});

describe("check", () => {
  const wat = async (text: string): Promise<Uint8Array> => {
    const parsed = (await wabt()).parseWat("x.wat", text);
    return parsed.toBinary({}).buffer;
  };

  test("says what is well, what may be meant otherwise and what is wrong", async () => {
    writeFileSync(join(folder, "good.wasm"), await wat(`(module (func (export "frenezulo_main")))`));
    writeFileSync(join(folder, "bad.wasm"), "not wasm");
    writeFileSync(
      join(folder, "frenezulo.toml"),
      [
        '[services.good]\nsource = "good.wasm"\nstate = "kept"',
        '[services.many]\nsource = "good.wasm"\nstate = "kept"\nscale = { max = 2, idle_timeout = "1m" }\n',
      ].join("\n"),
    );
    const well = await run(["check"]);
    expect(well.err).toBe("");
    expect(well.out).toMatch(/ok +services\.good: .*good\.wasm: \d+ bytes, sha256 [0-9a-f]{64}/);
    expect(well.out).toMatch(
      /warning services\.many: state = "kept" with scale\.max = 2: each of the actors has a state of its own/,
    );
    expect(well.out).toMatch(/warning services\.many: .*idle_timeout/);
    expect(well.out).not.toMatch(/warning (services\.good|node)/);
    expect(well.code).toBe(0);

    writeFileSync(
      join(folder, "other.toml"),
      [
        '[listen]\naddress = "0.0.0.0:1"\n[admin]\npublic = true',
        '[services.a]\nsource = "bad.wasm"\n[services.b]\nsource = "none.wasm"',
        `[services.c]\nsource = "good.wasm"\nsha256 = "${"0".repeat(64)}"\n`,
      ].join("\n"),
    );
    const ill = await run(["check", "--config", "other.toml", "--json"]);
    expect(ill.code).toBe(1);
    const findings = JSON.parse(ill.out) as { about: string; level: string; text: string }[];
    expect(findings.map(({ about, level }) => `${about} ${level}`)).toEqual([
      "node error",
      "services.a error",
      "services.b error",
      "services.c error",
    ]);
    expect(findings[1]?.text).toContain("other.toml:5: ");
    expect(findings[3]?.text).toContain("sha256");
  });

  test("warns of what uWebSockets.js cannot honour", async () => {
    for (const [http, isWarned] of [
      ["uws", true],
      ["node", false],
    ] as const) {
      writeFileSync(join(folder, "frenezulo.toml"), `[listen]\nhttp = "${http}"\nidle_timeout = "1m"\n`);
      const { code, out } = await run(["check"]);
      expect([code, /warning node: listen\.idle_timeout: uWebSockets\.js closes/.test(out)]).toEqual([0, isWarned]);
    }
  });

  test("names the place of what is wrong in the file", async () => {
    writeFileSync(join(folder, "frenezulo.toml"), "[limits]\nspares = 1\n");
    const message = 'frenezulo.toml:2:1: unknown key "spares" in limits; did you mean "spare"?';
    expect(await run(["check"])).toEqual({ code: 1, out: "", err: `frenezulo: ${message}\n` });
    const { err } = await run(["check", "--json"]);
    expect(JSON.parse(err)).toEqual({ error: { code: "bad_config", message } });
  });
});

describe("a verb that speaks to a node", () => {
  interface Seen {
    readonly method: string;
    readonly url: URL;
    readonly request: IncomingMessage;
    readonly body: Buffer;
  }
  let server: Server;
  let seen: Seen[];
  let answer: { status: number; body: string };
  const result = { prefix: "hello", version: 2, sha256: "ab".repeat(32), changed: true };

  beforeEach(() => {
    seen = [];
    answer = { status: 200, body: JSON.stringify(result) };
    server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const url = new URL(request.url ?? "", "http://node");
        seen.push({ method: request.method ?? "", url, request, body: Buffer.concat(chunks) });
        response.writeHead(answer.status, { "content-type": "application/json" }).end(answer.body);
      });
    });
  });
  afterEach(() => server.close());

  async function listen(): Promise<string> {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  test("adds a file as the body, with policy, env and digest in the query", async () => {
    const node = await listen();
    const bytes = Buffer.from([0, 97, 115, 109, 1, 0, 0, 0, 255]);
    writeFileSync(join(folder, "hello.wasm"), bytes);
    writeFileSync(join(folder, "policy.json"), '{"state": "kept"}');
    const options = ["--policy", "@policy.json", "--env", "A=1=2", "--env", "B=ß &", "--sha256", "ab".repeat(32)];
    const added = await run(["add", "hello", "hello.wasm", ...options, "--node", node]);
    expect(added).toEqual({ code: 0, out: `hello: version 2 (sha256 ${result.sha256}) is served\n`, err: "" });
    const [{ method, url, request, body }] = seen as [Seen];
    expect([method, url.pathname, request.headers["content-type"]]).toEqual([
      "PUT",
      "/services/hello",
      "application/wasm",
    ]);
    expect(Object.fromEntries(url.searchParams)).toEqual({
      policy: '{"state":"kept"}',
      env: '{"A":"1=2","B":"ß &"}',
      sha256: "ab".repeat(32),
    });
    expect(body).toEqual(bytes);
    expect(request.headers.authorization).toBeUndefined();
  });

  test("adds a URL as JSON, and says when nothing changed", async () => {
    answer.body = JSON.stringify({ ...result, changed: false });
    const env = { FRENEZULO_NODE: await listen() };
    const added = await run(["add", "hello", "https://example.org/x.wasm", "--policy", '{"state":"kept"}'], env);
    expect(added.out).toContain("nothing changed");
    const [{ method, url, request, body }] = seen as [Seen];
    expect([method, url.pathname, request.headers["content-type"]]).toEqual([
      "POST",
      "/services/add",
      "application/json",
    ]);
    expect(JSON.parse(body.toString())).toEqual({
      prefix: "hello",
      source: "https://example.org/x.wasm",
      policy: { state: "kept" },
    });
    expect((await run(["add", "hello", "https://example.org/x.wasm", "--json"], env)).out).toBe(`${answer.body}\n`);
  });

  test("sends the token of the variable or of a file that is its owner's alone, never one of argv", async () => {
    const node = await listen();
    const [first, second] = ["v".repeat(32), "f".repeat(32)];
    writeFileSync(join(folder, "token"), `${second}\n`, { mode: 0o600 });
    writeFileSync(join(folder, "open"), `${second}\n`, { mode: 0o644 });
    const env = { FRENEZULO_ADMIN_TOKEN: first };
    await run(["rm", "hello", "--node", node], env);
    await run(["rm", "hello", "--node", node, "--token-file", "token"], env);
    expect(seen.map(({ request }) => request.headers.authorization)).toEqual([`Bearer ${first}`, `Bearer ${second}`]);
    expect((await run(["rm", "hello", "--node", node, "--token-file", "open"])).err).toContain("chmod 600");
    expect((await run(["rm", "hello", "--node", node, "--token", first])).code).toBe(2);
    expect(seen).toHaveLength(2);
  });

  test("removes and rolls back", async () => {
    const node = await listen();
    answer = { status: 204, body: "" };
    expect(await run(["rm", "hello", "--node", node])).toEqual({ code: 0, out: "hello: removed\n", err: "" });
    answer = { status: 200, body: JSON.stringify(result) };
    expect((await run(["rollback", "hello", "2", "--node", node])).out).toMatch(/^hello: version 2 .* is served\n$/);
    expect(seen.map(({ method, url, body }) => `${method} ${url.pathname} ${body}`)).toEqual([
      "DELETE /services/hello ",
      'POST /services/hello/rollback {"version":2}',
    ]);
  });

  test("lists services, through a unix socket too", async () => {
    const service = {
      prefix: "hello",
      origin: "config",
      where: "frenezulo.toml:4",
      version: 3,
      sha256: "cd".repeat(32),
      status: "warm",
      inFlight: 1,
      queued: 0,
      actors: [],
      counts: { requests: 42, failures: 7, restarts: 0 },
    };
    answer.body = JSON.stringify({ services: [service] });
    const path = join(folder, "node.sock");
    await new Promise<void>((resolve) => server.listen(path, resolve));
    const { code, out } = await run(["ls", "--node", `unix:${path}`]);
    expect(code).toBe(0);
    expect(out.split("\n")[0]).toMatch(/^ {2}PREFIX +VERSION +STATUS/);
    expect(out.split("\n")[1]).toMatch(/^ {2}hello +3 +warm +1 +42 +7 +cdcdcdcdcdcd +frenezulo\.toml:4$/);
    expect(JSON.parse((await run(["ls", "--json", "--node", `unix:${path}`])).out)).toEqual([service]);
  });

  test("tells the node's refusal in its own words, with exit code 1", async () => {
    const node = await listen();
    const { message } = new FrenezuloError("unknown_service", { service: "hello" });
    answer = {
      status: 404,
      body: JSON.stringify({ error: { code: "unknown_service", message, service: "hello", requestId: "r" } }),
    };
    expect(await run(["rm", "hello", "--node", node])).toEqual({ code: 1, out: "", err: `frenezulo: ${message}\n` });
    expect(JSON.parse((await run(["rm", "hello", "--node", node, "--json"])).err)).toEqual({
      error: { code: "unknown_service", message },
    });
    answer = { status: 502, body: "<html>" };
    expect((await run(["ls", "--node", node])).err).toMatch(/answered 502, not as a frenezulo node does/);
  });

  test("says so when no node answers, and sends nothing for a prefix that cannot be", async () => {
    const node = await listen();
    await new Promise((resolve) => server.close(resolve));
    const gone = await run(["ls", "--node", node]);
    expect(gone).toMatchObject({ code: 1, out: "" });
    expect(gone.err).toMatch(
      /^frenezulo: No node answers at http:\/\/127\.0\.0\.1:\d+: .*ECONNREFUSED.*Is frenezulo up\?\n$/,
    );
    expect((await run(["rm", "../x", "--node", node])).err).toMatch(/^frenezulo: A prefix is 1 to 64/);
    expect(seen).toEqual([]);
  });
});
