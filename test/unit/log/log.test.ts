// Covers src/log/log.ts and src/log/: what lines look like, what is left out, and that nobody reading stops nothing.
import { spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import fc from "fast-check";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";
import { FrenezuloError } from "../../../src/errors.ts";
import { type Log, type LogOptions, openLog } from "../../../src/log/log.ts";
import { prettyLine } from "../../../src/log/pretty.ts";
import { LogRate } from "../../../src/log/rate.ts";
import { escapeControls } from "../../../wire/escape.ts";
import { PATIENCE_MS } from "../../harness/patience.ts";

const folder = mkdtempSync(join(tmpdir(), "frenezulo-log-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let file: string;
let descriptor: number;
let nowMs: number;
beforeEach(() => {
  file = join(folder, `${Math.random()}.log`);
  descriptor = openSync(file, "a");
  nowMs = 0;
});
afterEach(() => closeSync(descriptor));

function open(options: Partial<LogOptions> = {}): Log {
  return openLog({ level: "info", format: "json", descriptor, now: () => nowMs, ...options });
}

async function written(log: Log): Promise<string[]> {
  await log.flush(PATIENCE_MS);
  return readFileSync(file, "utf8").split("\n").slice(0, -1);
}

async function objects(log: Log): Promise<Record<string, unknown>[]> {
  return (await written(log)).map((line) => JSON.parse(line) as Record<string, unknown>);
}

describe("a log line", () => {
  test("is one JSON object with time, level, fields and text", async () => {
    const log = open();
    log.info({ address: "127.0.0.1:1" }, "listening");
    log.debug({}, "not at this level");
    const [line, ...others] = await objects(log);
    expect(others).toEqual([]);
    expect(line).toEqual({
      level: "info",
      time: expect.stringMatching(/^\d{4}-.*Z$/),
      address: "127.0.0.1:1",
      msg: "listening",
    });
  });

  test.each(["debug", "info", "warn", "error"] as const)("is written from level %s on", async (level) => {
    const log = open({ level });
    const levels = ["debug", "info", "warn", "error"] as const;
    for (const each of levels) log[each]({}, each);
    expect((await objects(log)).map(({ msg }) => msg)).toEqual(levels.slice(levels.indexOf(level)));
  });

  test("is pretty on a terminal or when asked for, JSON otherwise", async () => {
    open({ format: "auto", isTerminal: true }).info({ a: "x y" }, "one");
    open({ format: "pretty", isTerminal: false }).info({}, "two");
    const log = open({ format: "auto", isTerminal: false });
    log.info({}, "three");
    await new Promise((resolve) => setImmediate(resolve));
    const lines = await written(log);
    expect(lines.map((line) => line.startsWith("{"))).toEqual([false, false, true]);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: colours
    expect(lines[0]?.replace(/\x1b\[\d+m/g, "")).toMatch(/^\d\d:\d\d:\d\d\.\d{3} info {2}one a="x y"$/);
  });
});

describe("text of guests", () => {
  test("is a line for each of its lines", async () => {
    const log = open();
    log.guest("hello", 2, Buffer.from("one\ntwo\n\nfour\n"));
    const lines = await objects(log);
    expect(lines.map(({ msg }) => msg)).toEqual(["one", "two", "", "four"]);
    expect(lines[0]).toMatchObject({ service: "hello", stream: "stderr", level: "info" });
  });

  test("takes a share of the thread's time only; what is above is dropped, counted, and told now and then", async () => {
    const log = open();
    const lines = Buffer.from("\n".repeat(1000));
    for (nowMs = 0; nowMs < 1000; nowMs++) {
      log.guest("flood", 1, lines);
      await log.flush(60_000);
    }
    log.guest("quiet", 1, Buffer.from("heard\n"));
    const written = await objects(log);
    const heard = written.filter(({ service, msg }) => service === "flood" && msg === "").length;
    // 10 ms of each 50, at 5 µs a line and a little more.
    expect(heard).toBeLessThanOrEqual(20 * 2_000);
    expect(heard).toBeGreaterThan(20 * 1_900);
    expect(log.dropped).toBe(1_000_000 - heard);
    expect(written.some(({ service, msg }) => service === "quiet" && msg === "heard")).toBe(true);
    const told = written.filter(({ msg }) => /were dropped/.test(String(msg)));
    expect(told).toHaveLength(5);
    expect(told[0]).toMatchObject({ level: "warn", service: "flood" });
  });

  test("does not silence another service, however many write too much", async () => {
    const log = open();
    for (nowMs = 0; nowMs < 1000; nowMs++) {
      for (let i = 0; i < 10; i++) log.guest(`flood-${i}`, 1, Buffer.from("\n".repeat(500)));
      log.guest("quiet", 1, Buffer.from(`${nowMs}\n`));
      await log.flush(60_000);
    }
    const quiet = (await objects(log)).filter(({ service }) => service === "quiet").map(({ msg }) => msg);
    expect(quiet).toEqual(Array.from({ length: 1000 }, (_, i) => String(i)));
  });

  test("never leaves a character that a terminal obeys, whatever it holds", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        expect(escapeControls(text)).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u);
        const pretty = prettyLine(
          JSON.stringify({ time: "2024-01-01T00:00:00.000Z", level: "info", msg: text, [text]: text }),
        );
        // biome-ignore lint/suspicious/noControlCharactersInRegex: our own colours
        expect(pretty.replace(/\x1b\[\d+m/g, "").slice(0, -1)).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}]/u);
      }),
    );
  });
});

describe("failures", () => {
  test("are written at the level of the error table", async () => {
    const log = open({ level: "debug" });
    log.failure(new FrenezuloError("unknown_service", { service: "x" }), { service: "x" });
    log.failure(new FrenezuloError("trap", { service: "x", why: "unreachable\x1b" }), { service: "x", requestId: "r" });
    log.failure(new FrenezuloError("internal", {}, { cause: new Error("inside") }), {});
    const lines = await objects(log);
    expect(lines.map(({ level, code }) => [level, code])).toEqual([
      ["debug", "unknown_service"],
      ["warn", "trap"],
      ["error", "internal"],
    ]);
    expect(lines[1]).toMatchObject({ requestId: "r", msg: "Service x trapped: unreachable\\x1b." });
    expect(lines[2]?.cause).toContain("inside");
  });

  test("of one service and code cannot flood the log, and hide no others", async () => {
    const log = open();
    const fail = (service: string) => log.failure(new FrenezuloError("trap", { service, why: "x" }), { service });
    for (let second = 0; second < 60; second++) {
      nowMs = second * 1000;
      for (let i = 0; i < 1000; i++) fail("bad");
    }
    fail("other");
    const lines = await objects(log);
    const bad = lines.filter(({ service }) => service === "bad");
    expect(bad.length).toBe(5 + 5);
    const suppressed = bad.reduce((sum, line) => sum + Number(line.suppressed ?? 0), 0);
    expect(suppressed + bad.length).toBeGreaterThan(50_000);
    expect(lines.filter(({ service }) => service === "other")).toHaveLength(1);
  });

  test("and lines of one kind that guests bring about are limited like them, debug lines too", async () => {
    const log = open({ level: "debug" });
    for (let i = 0; i < 1000; i++) {
      log.debug({ service: "bad", pid: i }, "a guest ended");
      log.limited("warn", "a supervisor's", { i }, "supervisor: child_terminated");
    }
    nowMs = 10_000;
    log.debug({ service: "bad" }, "a guest ended");
    const lines = await objects(log);
    expect(lines.map(({ level }) => level)).toEqual([...Array(5).fill(["debug", "warn"]).flat(), "debug"]);
    expect(lines.at(-1)).toMatchObject({ suppressed: 995, msg: "a guest ended" });
  });

  test("count as many left out as there were", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(20_000), { maxLength: 200 }), (steps) => {
        const rate = new LogRate();
        let [time, logged, counted, waiting] = [0, 0, 0, 0];
        for (const step of steps) {
          time += step;
          const admitted = rate.admit("kind", time);
          if (admitted === undefined) waiting++;
          else {
            logged++;
            counted += admitted.suppressed;
            expect(admitted.suppressed).toBe(waiting);
            waiting = 0;
          }
        }
        expect(logged + counted + waiting).toBe(steps.length);
      }),
    );
  });
});

describe("when nobody reads", () => {
  test("the loop goes on, lines are dropped and counted, and the process exits", async () => {
    const child = await start(`
      const log = openLog({ level: "info", format: "json" });
      for (let i = 0; i < 20_000; i++) log.info({ i }, "x".repeat(200));
      let turns = 0;
      const timer = setInterval(async () => {
        if (++turns < 5) return;
        clearInterval(timer);
        await log.flush(50);
        process.stderr.write(JSON.stringify({ turns, dropped: log.dropped }));
        process.exit(0);
      }, 20);`);
    let report = "";
    child.stderr.on("data", (chunk: Buffer) => {
      report += chunk.toString();
    });
    expect(await new Promise((resolve) => child.once("exit", resolve))).toBe(0);
    const { turns, dropped } = JSON.parse(report) as { turns: number; dropped: number };
    expect(turns).toBe(5);
    expect(dropped).toBeGreaterThan(1000);
    expect(dropped).toBeLessThan(20_000);
  });

  test("and then somebody does, a line tells how many were dropped", async () => {
    const child = await start(`
      const log = openLog({ level: "info", format: "json" });
      for (let i = 0; i < 20_000; i++) log.info({ i }, "x".repeat(200));
      process.stderr.write(String(log.dropped));
      setInterval(() => {}, 1000);`);
    const dropped = await new Promise((resolve) =>
      child.stderr.once("data", (chunk: Buffer) => resolve(Number(chunk))),
    );
    let text = "";
    const line = await new Promise<Record<string, unknown>>((resolve) => {
      child.stdout.on("data", (chunk: Buffer) => {
        text += chunk.toString();
        const found = text
          .split("\n")
          .slice(0, -1)
          .find((each) => each.includes("were dropped"));
        if (found !== undefined) resolve(JSON.parse(found) as Record<string, unknown>);
      });
    });
    child.kill("SIGKILL");
    expect(dropped).toBeGreaterThan(0);
    expect(line).toMatchObject({ level: "warn", lines: dropped });
  });

  test("because the reader has gone, the process goes on", async () => {
    const child = await start(`
      const log = openLog({ level: "info", format: "json" });
      let lines = 0;
      setInterval(() => {
        log.info({}, "x".repeat(5000));
        if (++lines < 200) return; // far more than the pipe holds
        process.stderr.write("alive");
        process.exit(0);
      }, 1);`);
    child.stdout.destroy();
    let report = "";
    child.stderr.on("data", (chunk: Buffer) => {
      report += chunk.toString();
    });
    expect(await new Promise((resolve) => child.once("exit", resolve))).toBe(0);
    expect(report).toBe("alive");
  });

  test("flush waits until everything is written", async () => {
    const child = await start(`
      const log = openLog({ level: "info", format: "json" });
      for (let i = 0; i < 2_000; i++) log.info({ i }, "x".repeat(200));
      await log.flush(${PATIENCE_MS});
      process.exit(0);`);
    let lines = 0;
    child.stdout.on("data", (chunk: Buffer) => {
      lines += chunk.toString().split("\n").length - 1;
    });
    expect(await new Promise((resolve) => child.once("close", resolve))).toBe(0);
    expect(lines).toBe(2_000);
  });
});

/** Runs code that has openLog in a process of its own, its stdout a pipe. */
async function start(code: string) {
  const outfile = join(
    fileURLToPath(new URL("../../.tmp", import.meta.url)),
    `log-${process.pid}-${Math.random()}.mjs`,
  );
  await build({
    stdin: {
      contents: `import { openLog } from "../../../src/log/log.ts";\n${code}`,
      resolveDir: fileURLToPath(new URL(".", import.meta.url)),
      loader: "ts",
    },
    outfile,
    bundle: true,
    packages: "external",
    platform: "node",
    format: "esm",
    target: "node20",
  });
  const child = spawn(process.execPath, [outfile], { stdio: ["ignore", "pipe", "pipe"] });
  child.once("exit", () => rmSync(outfile, { force: true }));
  return child;
}
