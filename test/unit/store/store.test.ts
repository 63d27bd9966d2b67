// Covers src/store/store.ts and src/store/: what is kept, what goes, and that a refused change changes nothing.
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { open } from "lmdb";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { FrenezuloError } from "../../../src/errors.ts";
import type { StoredVersion } from "../../../src/store/row.ts";
import { Store } from "../../../src/store/store.ts";
import { bundle } from "../../harness/bundle.ts";

const storeChild = await bundle("test/harness/store-child.ts");
let folder: string;
const opened: Store[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "frenezulo-store-"));
});

afterEach(async () => {
  for (const store of opened.splice(0)) await store.close();
  rmSync(folder, { recursive: true, force: true });
});

async function openStore(mapBytes = 64 << 20, keep = 5, path = folder): Promise<Store> {
  const store = await Store.open({ folder: path, mapBytes, keep });
  opened.push(store);
  return store;
}

function moduleOf(bytes: Uint8Array, policy: unknown = {}): [Omit<StoredVersion, "version">, Uint8Array] {
  const digest = createHash("sha256").update(bytes).digest("hex");
  return [{ digest, bytes: bytes.length, addedAt: "2024-01-01T00:00:00.000Z", policy, env: {} }, bytes];
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  const thrown = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(thrown).toBeInstanceOf(FrenezuloError);
  return (thrown as FrenezuloError).code;
}

/** The prefixes, versions and module digests that the file itself holds, read without our Store. */
async function contentsOf(path: string): Promise<{ rows: Record<string, unknown>; modules: string[] }> {
  const root = open({ path, noSubdir: false, encoding: "json" });
  const rows: Record<string, unknown> = {};
  for (const { key, value } of root.openDB("services", { encoding: "json" }).getRange()) rows[String(key)] = value;
  const modules = [...root.openDB("modules", { encoding: "binary" }).getKeys()].map(String);
  await root.close();
  return { rows, modules };
}

describe("store", () => {
  test("numbers versions from one and serves the newest", async () => {
    const store = await openStore();
    const first = await store.putVersion("hello", ...moduleOf(Buffer.from("one"), { state: "kept" }));
    const second = await store.putVersion("hello", ...moduleOf(Buffer.from("two")));
    expect([first.current, second.current, second.next]).toEqual([1, 2, 3]);
    expect(second.versions.map((each) => each.version)).toEqual([1, 2]);
    expect(second.versions[0]?.policy).toEqual({ state: "kept" });
    expect([...store.services()]).toEqual([second]);
    expect(store.get("other")).toBeUndefined();
  });

  test("finds everything again after closing and opening", async () => {
    const store = await openStore();
    const bytes = randomBytes(100_000);
    const [version] = moduleOf(bytes, { limits: { deadline: "5s" } });
    const before = await store.putVersion("hello", { ...version, env: { KEY: "wert ß", __proto__x: "1" } }, bytes);
    const stats = store.stats();
    await store.close();
    const again = await openStore();
    expect(again.get("hello")).toEqual(before);
    expect(Buffer.from((await again.moduleBytes(version.digest))!)).toEqual(bytes);
    expect(again.stats()).toEqual(stats);
  });

  test("keeps a version whose policy was not given", async () => {
    const store = await openStore();
    await store.putVersion("hello", ...moduleOf(Buffer.from("one"), undefined));
    await store.close();
    expect((await openStore()).get("hello")?.versions).toHaveLength(1);
  });

  test("keeps the last versions only and drops the modules of those that go", async () => {
    const store = await openStore(64 << 20, 3);
    const digests: string[] = [];
    for (let i = 0; i < 5; i++) {
      const [version, bytes] = moduleOf(Buffer.from(`module ${i}`));
      digests.push(version.digest);
      await store.putVersion("hello", version, bytes);
    }
    expect(store.get("hello")?.versions.map((each) => each.version)).toEqual([3, 4, 5]);
    expect(await store.moduleBytes(digests[1]!)).toBeUndefined();
    expect(await store.moduleBytes(digests[2]!)).toBeDefined();
  });

  test("keeps a module as long as any version of any service uses it", async () => {
    const store = await openStore(64 << 20, 1);
    const shared = moduleOf(Buffer.from("shared"));
    await store.putVersion("a", ...shared);
    await store.putVersion("b", ...shared);
    await store.putVersion("a", ...moduleOf(Buffer.from("other")));
    expect(await store.moduleBytes(shared[0].digest)).toBeDefined();
    expect(await store.remove("b")).toBe(true);
    expect(await store.moduleBytes(shared[0].digest)).toBeUndefined();
    expect(await store.remove("b")).toBe(false);
  });

  test("goes back to an older version and counts on from the newest", async () => {
    const store = await openStore();
    await store.putVersion("hello", ...moduleOf(Buffer.from("one")));
    await store.putVersion("hello", ...moduleOf(Buffer.from("two")));
    expect((await store.setCurrent("hello", 1)).current).toBe(1);
    expect(await codeOf(store.setCurrent("hello", 3))).toBe("unknown_version");
    expect(await codeOf(store.setCurrent("nobody", 1))).toBe("unknown_service");
    await store.close();
    const again = await openStore();
    expect(again.get("hello")?.current).toBe(1);
    expect((await again.putVersion("hello", ...moduleOf(Buffer.from("three")))).current).toBe(3);
  });

  test("changes the policy of a version and of no other", async () => {
    const store = await openStore();
    await store.putVersion("hello", ...moduleOf(Buffer.from("one"), { state: "fresh" }));
    await store.putVersion("hello", ...moduleOf(Buffer.from("two"), { state: "fresh" }));
    const after = await store.setPolicy("hello", 1, { policy: { state: "kept" }, env: { A: "1" } });
    expect(after.versions.map(({ policy, env }) => [policy, env])).toEqual([
      [{ state: "kept" }, { A: "1" }],
      [{ state: "fresh" }, {}],
    ]);
    expect(await codeOf(store.setPolicy("hello", 3, { policy: {}, env: {} }))).toBe("unknown_version");
    expect(await codeOf(store.setPolicy("nobody", 1, { policy: {}, env: {} }))).toBe("unknown_service");
    await store.close();
    expect((await openStore()).get("hello")).toEqual(after);
  });

  test("lets changes of one moment take turns", async () => {
    const store = await openStore(64 << 20, 100);
    await Promise.all(
      Array.from({ length: 20 }, (_, i) => store.putVersion("hello", ...moduleOf(Buffer.from(`${i}`)))),
    );
    expect(store.get("hello")?.versions.map((each) => each.version)).toEqual(
      Array.from({ length: 20 }, (_, i) => i + 1),
    );
  });

  test("refuses changes after close and finishes those before it", async () => {
    const store = await openStore();
    const put = store.putVersion("hello", ...moduleOf(Buffer.from("one")));
    await store.close();
    expect((await put).current).toBe(1);
    expect(await codeOf(store.remove("hello"))).toBe("store_failed");
  });

  test("holds what a simple model holds after any changes, reopened too", async () => {
    const change = fc.oneof(
      fc.record({ kind: fc.constant("put" as const), prefix: fc.nat(2), module: fc.nat(4) }),
      fc.record({ kind: fc.constant("remove" as const), prefix: fc.nat(2) }),
      fc.record({ kind: fc.constant("current" as const), prefix: fc.nat(2), version: fc.nat(6) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(change, { maxLength: 25 }), async (changes) => {
        const path = mkdtempSync(join(folder, "run-"));
        const keep = 2;
        let store = await openStore(64 << 20, keep, path);
        const model = new Map<
          string,
          { current: number; next: number; versions: { version: number; module: number }[] }
        >();
        for (const each of changes) {
          const prefix = `p${each.prefix}`;
          const row = model.get(prefix);
          if (each.kind === "put") {
            const version = row?.next ?? 1;
            const versions = [...(row?.versions ?? []), { version, module: each.module }].slice(-keep);
            model.set(prefix, { current: version, next: version + 1, versions });
            await store.putVersion(prefix, ...moduleOf(Buffer.from(`module ${each.module}`)));
          } else if (each.kind === "remove") {
            expect(await store.remove(prefix)).toBe(model.delete(prefix));
          } else if (row?.versions.some(({ version }) => version === each.version)) {
            row.current = each.version;
            await store.setCurrent(prefix, each.version);
          } else expect(await codeOf(store.setCurrent(prefix, each.version))).toMatch(/^unknown_/);
        }
        const before = store.stats();
        await store.close();
        store = await openStore(64 << 20, keep, path);
        expect(store.stats()).toEqual(before);
        const rows = [...store.services()].map((row) => [
          row.prefix,
          row.current,
          row.next,
          row.versions.map((each) => [each.version, each.digest]),
        ]);
        const digestOf = (module: number) => moduleOf(Buffer.from(`module ${module}`))[0].digest;
        const expected = [...model].map(([prefix, row]) => [
          prefix,
          row.current,
          row.next,
          row.versions.map((each) => [each.version, digestOf(each.module)]),
        ]);
        expect(rows.sort()).toEqual(expected.sort());
        await store.close();
        const used = new Set([...model.values()].flatMap((row) => row.versions.map((each) => digestOf(each.module))));
        expect((await contentsOf(path)).modules.sort()).toEqual([...used].sort());
      }),
      { numRuns: 25 },
    );
  });
});

describe("light modules in the store", () => {
  const light = { bytes: Buffer.alloc(20_000, 7) };

  test("are there when it is opened again, reasons too, and count against the limit", async () => {
    const store = await openStore();
    const [one, two] = [moduleOf(Buffer.from("one")), moduleOf(Buffer.from("two"))];
    await store.putVersion("a", ...one);
    await store.putVersion("b", ...two);
    const before = store.stats().usedBytes;
    await store.light.put(one[0].digest, light);
    await store.light.put(two[0].digest, { reason: "it has no memory" });
    const { usedBytes } = store.stats();
    expect(usedBytes - before).toBeGreaterThan(20_000);
    await store.close();
    const again = await openStore();
    expect(await again.light.get(one[0].digest)).toEqual(light);
    expect(await again.light.get(two[0].digest)).toMatchObject({ reason: "it has no memory" });
    expect(again.stats().usedBytes).toBe(usedBytes);
  });

  test("go with the last version that uses what they were made of, and are not kept after it", async () => {
    const store = await openStore();
    const [version, bytes] = moduleOf(Buffer.from("one"));
    await store.putVersion("a", version, bytes);
    await store.putVersion("b", version, bytes);
    await store.light.put(version.digest, light);
    await store.remove("a");
    expect(await store.light.get(version.digest)).toEqual(light);
    await store.remove("b");
    expect(await store.light.get(version.digest)).toBeUndefined();
    await store.light.put(version.digest, light);
    expect(await store.light.get(version.digest)).toBeUndefined();
    expect(store.stats().usedBytes).toBe(0);
    await store.close();
    const root = open({ path: folder, noSubdir: false, encoding: "json" });
    expect([...root.openDB("light", {}).getKeys(), ...root.openDB("light_modules", {}).getKeys()]).toEqual([]);
    await root.close();
  });

  test("of another version of the rewrite go when it is opened", async () => {
    const store = await openStore();
    const [version, bytes] = moduleOf(Buffer.from("one"));
    await store.putVersion("a", version, bytes);
    await store.light.put(version.digest, light);
    await store.close();
    const root = open({ path: folder, noSubdir: false, encoding: "json" });
    await root.openDB("light", { encoding: "json" }).put(version.digest, { rewrite: 0, bytes: 20_000 });
    await root.close();
    const again = await openStore();
    expect(await again.light.get(version.digest)).toBeUndefined();
    expect(await again.moduleBytes(version.digest)).toEqual(Buffer.from("one"));
  });

  test("are refused beyond the limit, and nothing has changed", async () => {
    const store = await openStore(32 << 10);
    const [version, bytes] = moduleOf(Buffer.from("one"));
    await store.putVersion("a", version, bytes);
    const before = store.stats();
    expect(await codeOf(store.light.put(version.digest, { bytes: Buffer.alloc(40_000) }))).toBe("store_full");
    expect(store.stats()).toEqual(before);
    expect(await store.light.get(version.digest)).toBeUndefined();
  });
});

describe("a full store", () => {
  test("refuses a version beyond map_size, changes nothing and takes one that fits", async () => {
    const store = await openStore(1 << 20);
    await store.putVersion("hello", ...moduleOf(randomBytes(500_000)));
    const before = [store.get("hello"), store.stats()];
    const refused = moduleOf(randomBytes(600_000));
    expect(await codeOf(store.putVersion("hello", ...refused))).toBe("store_full");
    expect(await codeOf(store.putVersion("other", ...refused))).toBe("store_full");
    expect([store.get("hello"), store.stats()]).toEqual(before);
    await store.putVersion("other", ...moduleOf(randomBytes(400_000)));
    await store.close();
    const contents = await contentsOf(folder);
    expect(Object.keys(contents.rows)).toEqual(["hello", "other"]);
    expect(contents.modules).toHaveLength(2);
  });

  test("has room again after a removal", async () => {
    const store = await openStore(1 << 20);
    for (let i = 0; i < 10; i++) {
      await store.putVersion("hello", ...moduleOf(randomBytes(900_000)));
      expect(await store.remove("hello")).toBe(true);
    }
    expect(store.stats().usedBytes).toBe(0);
    expect(store.stats().fileBytes).toBeLessThan(5 << 20);
  });

  // A disk of 2 MiB needs a mount: in a user namespace of its own, or as root.
  const canMount = spawnSync("unshare", ["-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]).status === 0;
  test.skipIf(!canMount)("answers store_full when the disk is, changes nothing and goes on", async () => {
    const disk = join(folder, "disk");
    mkdirSync(disk);
    const script = `mount -t tmpfs -o size=2m tmpfs "$1" && exec "$2" "$3" fill "$1"`;
    const output = execFileSync("unshare", ["-rm", "sh", "-c", script, "sh", disk, process.execPath, storeChild], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    expect(JSON.parse(output)).toEqual({ code: "store_full", unchanged: true, goesOn: true });
  });

  test("answers store_failed when a write fails, changes nothing and goes on", async () => {
    const script = `trap '' XFSZ; ulimit -f 2000; exec "$1" "$2" fill "$3"`;
    const output = execFileSync("bash", ["-c", script, "bash", process.execPath, storeChild, folder], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    expect(JSON.parse(output)).toEqual({ code: "store_failed", unchanged: true, goesOn: true });
  });
});

describe("the data folder", () => {
  test("is refused to a second node with the pid of the first", async () => {
    await openStore();
    const error: unknown = await Store.open({ folder, mapBytes: 1 << 20, keep: 5 }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "data_locked", details: { folder, pid: String(process.pid) } });
  });

  test("is refused to a second process, and free once the first was killed", async () => {
    const child = spawn(process.execPath, [storeChild, "hold", folder], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await new Promise((resolve) => child.stdout.once("data", resolve));
    const error: unknown = await Store.open({ folder, mapBytes: 1 << 20, keep: 5 }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "data_locked", details: { folder, pid: String(child.pid) } });
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await gone;
    const store = await openStore();
    expect(readFileSync(join(folder, "node.lock"), "utf8").trim()).toBe(String(process.pid));
    expect([...store.services()]).toEqual([]);
  });

  test("is free after close, and a lock file that nobody holds is no obstacle", async () => {
    writeFileSync(join(folder, "node.lock"), "1\n");
    await (await openStore()).close();
    await (await openStore()).close();
    expect(existsSync(join(folder, "node.lock"))).toBe(true);
  });

  test("is refused when it cannot be made, and when a newer frenezulo wrote it", async () => {
    writeFileSync(join(folder, "file"), "");
    expect(await codeOf(Store.open({ folder: join(folder, "file", "data"), mapBytes: 1 << 20, keep: 5 }))).toBe(
      "store_failed",
    );
    const root = open({ path: folder, noSubdir: false, encoding: "json" });
    await root.put("schema", 2);
    await root.close();
    expect(await codeOf(Store.open({ folder, mapBytes: 1 << 20, keep: 5 }))).toBe("store_failed");
    const again = open({ path: folder, noSubdir: false, encoding: "json" });
    await again.put("schema", 1);
    await again.openDB("services", { encoding: "json" }).put("hello", { prefix: "hello" });
    await again.close();
    expect(await codeOf(Store.open({ folder, mapBytes: 1 << 20, keep: 5 }))).toBe("store_failed");
  });
});
