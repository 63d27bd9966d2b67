// src/modules/lightener.ts and its process: modules rewritten in the background, what is kept of them, and how it ends.
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { type Light, type LightCache, LightFiles } from "../../../src/modules/light-cache.ts";
import { Lightener, type LightenerOptions } from "../../../src/modules/lightener.ts";
import { REWRITE_VERSION } from "../../../wire/abi/light.ts";
import { bombs } from "../../harness/bombs.ts";
import { LightHost } from "../../harness/light-host.ts";
import {
  code,
  fromSections,
  mainExport,
  minimal,
  oneFunction,
  repeat,
  unitType,
  wasm,
} from "../../harness/modules-fixtures.ts";
import { PATIENCE_MS } from "../../harness/patience.ts";

const looping = (name: string) =>
  wasm(`(module (memory (export "memory") 1)
  (func (export "${name}") (param i32) (loop (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))`);

/** Takes Binaryen many seconds: functions that wait in many places, each keeping many locals. */
const slow = wasm(`(module (import "lunatic::message" "receive" (func (param i32 i32 i64) (result i32)))
  (memory 1) ${`(func ${"(local i32)".repeat(200)}
    ${Array.from({ length: 200 }, (_, i) => `(local.set ${i} (call 0 (local.get ${(i * 7) % 200}) (i32.const 0) (i64.const 0)))`).join("")}
    ${Array.from({ length: 200 }, (_, i) => `(drop (local.get ${i}))`).join("")})`.repeat(60)})`);

/** Takes Binaryen minutes and much memory: functions with many locals, copied to and fro around a place that waits. */
function slowest(functions: number): Uint8Array {
  const locals = 2000;
  const copy = (
    i: number,
  ) => `(if (local.get ${i}) (then (local.set ${(i * 7) % locals} (local.get ${(i * 11) % locals}))
    (drop (call 0 (local.get 0) (i32.const 0) (i64.const 0)))))`;
  const body = `${"(local i32)".repeat(locals)}
    (loop ${Array.from({ length: locals }, (_, i) => copy(i)).join("")} (br_if 0 (local.get 0)))`;
  return wasm(`(module (import "lunatic::message" "receive" (func (param i32 i32 i64) (result i32)))
    (memory 1) ${`(func ${body})`.repeat(functions)})`);
}

const children = (): string[] =>
  readdirSync("/proc/self/task").flatMap((thread) =>
    readFileSync(`/proc/self/task/${thread}/children`, "latin1").split(" ").filter(Boolean),
  );

/** Resident memory of a process at its peak. Bytes; 0 if it has ended */
function peakOf(pid: string): number {
  try {
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

const digestOf = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

/** A cache in memory, with what was put into it. */
function cache(): { kept: Map<string, Light>; cache: LightCache } {
  const kept = new Map<string, Light>();
  return {
    kept,
    cache: {
      get: async (digest) => kept.get(digest),
      put: async (digest, light) => void kept.set(digest, light),
    },
  };
}

const open: Lightener[] = [];
const folders: string[] = [];
function make(options: Partial<LightenerOptions> = {}): { lightener: Lightener; kept: Map<string, Light> } {
  const { kept, cache: inMemory } = cache();
  const lightener = new Lightener({
    cache: inMemory,
    rewriteMs: PATIENCE_MS,
    bytesMax: 1 << 20,
    niceness: 0,
    ...options,
  });
  open.push(lightener);
  return { lightener, kept };
}
afterEach(async () => {
  for (const lightener of open.splice(0)) await lightener.close();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

vi.setConfig({ testTimeout: 900_000 });
const isLong = process.env.TEST_LONG === "1";

describe("a module that is wanted light", () => {
  it("is rewritten once for all who want it, runs, and is kept", async () => {
    const { lightener, kept } = make();
    const bytes = looping("run");
    const digest = digestOf(bytes);
    expect(await lightener.get(digest)).toBeUndefined();
    const [first, second] = await Promise.all([lightener.want(digest, bytes), lightener.want(digest, bytes)]);
    expect(second).toBe(first);
    expect(kept.get(digest)).toBe(first);
    expect(await lightener.get(digest)).toBe(first);
    if (!("bytes" in first)) throw new Error(first.reason);
    const host = new LightHost(first.bytes, { slice: 100, suspend: () => true });
    host.call("run", 1000);
    expect(host.suspensions).toBeGreaterThan(10);
  });

  it("that cannot be so is kept with the reason, and the next one is rewritten all the same", async () => {
    const { lightener, kept } = make();
    const digest = digestOf(minimal);
    const light = await lightener.want(digest, minimal);
    expect(light).toEqual({ reason: expect.stringContaining("no memory") });
    expect(kept.get(digest)).toEqual(light);
    const other = looping("run");
    expect(await lightener.want(digestOf(other), other)).toHaveProperty("bytes");
  });

  it("that Binaryen cannot take is one that cannot be so", async () => {
    const { lightener, kept } = make();
    const deep = [repeat(300_000, 2, 0x40), repeat(300_000, 0x0b)];
    const bytes = fromSections(unitType, oneFunction, [5, [1, 0, 1]], mainExport, code(...deep));
    expect(await lightener.want(digestOf(bytes), bytes)).toEqual({ reason: expect.stringMatching(/Binaryen|process/) });
    expect(kept.size).toBe(1);
    const other = looping("run");
    expect(await lightener.want(digestOf(other), other)).toHaveProperty("bytes");
  });

  it("is not tried again when the reason is kept", async () => {
    const { lightener, kept } = make();
    const bytes = looping("run");
    kept.set(digestOf(bytes), { reason: "it was tried before" });
    expect(await lightener.want(digestOf(bytes), bytes)).toEqual({ reason: "it was tried before" });
  });

  it("is refused above limits.rewrite_bytes, which is not kept: the limit may rise", async () => {
    const { lightener, kept } = make({ bytesMax: 10 });
    const bytes = looping("run");
    expect(await lightener.want(digestOf(bytes), bytes)).toEqual({ reason: expect.stringContaining("rewrite_bytes") });
    expect(kept.size).toBe(0);
  });

  it("that takes too long is kept as such, and tried again only with more time", async () => {
    const { lightener, kept } = make({ rewriteMs: 300 });
    const light = await lightener.want(digestOf(slow), slow);
    expect(light).toEqual({ reason: "its rewrite took longer than limits.rewrite, 300 ms", limitMs: 300 });
    const bytes = looping("run");
    kept.set(digestOf(bytes), light);
    expect(await lightener.want(digestOf(bytes), bytes)).toBe(light);
    const { lightener: patient, kept: alsoKept } = make();
    alsoKept.set(digestOf(bytes), light);
    expect(await patient.want(digestOf(bytes), bytes)).toHaveProperty("bytes");
  });

  it("waits for its turn, and is given up with its signal; one that runs is ended then", async () => {
    const { lightener, kept } = make();
    const [running, waiting] = [new AbortController(), new AbortController()];
    const first = lightener.want(digestOf(slow), slow, running.signal);
    const bytes = looping("waits");
    const second = lightener.want(digestOf(bytes), bytes, waiting.signal);
    waiting.abort(new Error("no more"));
    await expect(second).rejects.toThrow("no more");
    const last = looping("last");
    const third = lightener.want(digestOf(last), last);
    running.abort(new Error("neither"));
    await expect(first).rejects.toThrow("neither");
    expect(await third).toHaveProperty("bytes");
    expect([...kept.keys()]).toEqual([digestOf(last)]);
  });

  it("that takes minutes keeps no others waiting", async () => {
    const { lightener } = make({ rewriteMs: 600_000, bytesMax: 8 << 20 });
    const giveUp = new AbortController();
    const ended: string[] = [];
    const chewed = slowest(20);
    const first = lightener.want(digestOf(chewed), chewed, giveUp.signal).then(
      () => ended.push("chewed"),
      () => ended.push("given up"),
    );
    const others = ["a", "b", "c"].map(looping);
    for (const bytes of others) expect(await lightener.want(digestOf(bytes), bytes)).toHaveProperty("bytes");
    expect(ended).toEqual([]); // it was begun anew, and is at it still
    giveUp.abort(new Error("no more"));
    await first;
    expect(ended).toEqual(["given up"]);
  });

  it("that takes more processor time than its size allows is ended, and told so", async () => {
    const { lightener, kept } = make({ rewriteMs: 100_000, quickMs: 3_000 });
    const chewed = slowest(5);
    const light = await lightener.want(digestOf(chewed), chewed);
    expect(light).toMatchObject({
      reason: expect.stringMatching(/took longer than (\d+ ms of processor time|limits.rewrite)/),
      limitMs: 100_000,
    });
    expect(kept.get(digestOf(chewed))).toBe(light);
    const other = looping("run");
    expect(await lightener.want(digestOf(other), other)).toHaveProperty("bytes");
  });

  it.each(isLong ? Object.keys(bombs) : ["nested loops", "2,000 phis at each of many blocks"])(
    "that is a compile bomb (%s) is rewritten or not, within 2 GiB, and the next one is all the same",
    async (name) => {
      const { lightener } = make({ rewriteMs: 60_000, quickMs: 5_000, bytesMax: 8 << 20 });
      const bytes = bombs[name]?.(1) as Uint8Array;
      let peak = 0;
      const look = setInterval(() => {
        peak = Math.max(peak, ...children().map(peakOf));
      }, 50);
      const light = await lightener.want(digestOf(bytes), bytes);
      clearInterval(look);
      expect("bytes" in light ? "light" : light.reason).toMatch(/^light$|longer than|Binaryen|process/);
      expect(peak).toBeGreaterThan(0);
      expect(peak).toBeLessThan(2 ** 31);
      const other = looping("run");
      expect(await lightener.want(digestOf(other), other)).toHaveProperty("bytes");
    },
  );

  it("is refused with draining when the node closes, be it waiting or running", async () => {
    const { lightener } = make();
    const bytes = looping("run");
    const wanted = [lightener.want(digestOf(slow), slow), lightener.want(digestOf(bytes), bytes)];
    const settled = Promise.allSettled(wanted);
    await lightener.close();
    for (const result of await settled) expect(result).toMatchObject({ reason: { code: "draining" } });
    await expect(lightener.want(digestOf(bytes), bytes)).rejects.toMatchObject({ code: "draining" });
  });

  it("is given also where it could not be kept", async () => {
    const failures: unknown[] = [];
    const { lightener } = make({
      cache: { get: async () => undefined, put: () => Promise.reject(new Error("full")) },
      onCacheFailure: (...failure) => failures.push(failure),
    });
    const bytes = looping("run");
    expect(await lightener.want(digestOf(bytes), bytes)).toHaveProperty("bytes");
    expect(failures).toEqual([[digestOf(bytes), new Error("full")]]);
  });
});

describe("light modules in a folder", () => {
  it("are there for the next process, reasons too, and no drafts are left", async () => {
    const folder = join(mkdtempSync(join(tmpdir(), "frenezulo-light-")), "made");
    folders.push(folder);
    const files = new LightFiles(folder);
    expect(await files.get("ab")).toBeUndefined();
    await files.put("ab", { bytes: Buffer.from("module") });
    await files.put("cd", { reason: "it has none", limitMs: 5 });
    const again = new LightFiles(folder);
    expect(await again.get("ab")).toEqual({ bytes: Buffer.from("module") });
    expect(await again.get("cd")).toEqual({ reason: "it has none", limitMs: 5 });
    expect(readdirSync(folder).sort()).toEqual([`ab.${REWRITE_VERSION}.wasm`, `cd.${REWRITE_VERSION}.json`]);
  });

  it("are not there once they are damaged", async () => {
    const folder = join(mkdtempSync(join(tmpdir(), "frenezulo-light-")), "made");
    folders.push(folder);
    const files = new LightFiles(folder);
    const path = join(folder, `ab.${REWRITE_VERSION}.wasm`);
    await files.put("ab", { bytes: Buffer.from("module") });
    const sound = readFileSync(path);
    const damaged = Buffer.from(sound);
    damaged.write("M");
    for (const bytes of [damaged, sound.subarray(1), sound.subarray(0, 10), Buffer.from("module"), Buffer.alloc(0)]) {
      writeFileSync(path, bytes);
      expect(await files.get("ab")).toBeUndefined();
    }
    writeFileSync(join(folder, `cd.${REWRITE_VERSION}.json`), '{"rea');
    expect(await files.get("cd")).toBeUndefined();
    mkdirSync(join(folder, `ef.${REWRITE_VERSION}.wasm`));
    expect(await files.get("ef")).toBeUndefined();
  });

  it("go when nobody uses their modules any more, or another version of the rewrite made them", async () => {
    const folder = join(mkdtempSync(join(tmpdir(), "frenezulo-light-")), "made");
    folders.push(folder);
    const files = new LightFiles(folder);
    await files.prune(() => false); // there is no folder yet
    await files.put("ab", { bytes: Buffer.from("module") });
    await files.put("cd", { bytes: Buffer.from("other") });
    writeFileSync(join(folder, "ab.0.wasm"), "of an earlier rewrite");
    await files.prune((digest) => digest === "ab");
    expect(readdirSync(folder)).toEqual([`ab.${REWRITE_VERSION}.wasm`]);
  });
});
