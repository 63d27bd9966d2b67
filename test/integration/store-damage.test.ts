// The whole node on a store that something else has damaged: it says which file and what to do, or goes on without what
// is damaged.
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { service } from "../guests/guests.ts";
import { AdminClient } from "../harness/admin-client.ts";
import { NodeProcess } from "../harness/node-process.ts";

const WATCHDOG_MS = 300_000;
let sound: string;

/** A folder with a store of two services. */
beforeAll(async () => {
  const node = await NodeProcess.start();
  const admin = new AdminClient(node.url);
  for (const name of ["hello", "echo"] as const) {
    const policy = { limits: { queue_timeout: "500ms" }, breaker: { failures: 1_000_000 } };
    expect((await admin.put(name, service(name), { policy })).status).toBe(200);
  }
  await node.stop({ keepFolder: true });
  sound = node.folder;
});

afterAll(() => rmSync(sound, { recursive: true, force: true }));

function copy(): { folder: string; data: string; file: string } {
  const folder = mkdtempSync(join(tmpdir(), "frenezulo-damage-"));
  spawnSync("cp", ["-r", join(sound, "data"), folder]);
  return { folder, data: join(folder, "data"), file: join(folder, "data", "data.mdb") };
}

const noise = (length: number): Buffer => Buffer.from(Array.from({ length }, (_, i) => (i * 167 + 91) & 255));

function overwrite(file: string, at: number, bytes: Uint8Array): void {
  const whole = readFileSync(file);
  whole.set(bytes, at);
  writeFileSync(file, whole);
}

const damages: Readonly<Record<string, (data: string, file: string) => void>> = {
  "cut in the middle": (_, file) => truncateSync(file, readFileSync(file).length >> 1),
  "cut to a page and a half": (_, file) => truncateSync(file, 6_000),
  "cut to a few bytes": (_, file) => truncateSync(file, 50),
  "noise in the first meta page": (_, file) => overwrite(file, 40, noise(100)),
  "noise in the second meta page": (_, file) => overwrite(file, 4096 + 40, noise(100)),
  "noise in all pages after the meta pages": (_, file) =>
    overwrite(file, 8192, noise(readFileSync(file).length - 8192)),
  "a text in its place": (_, file) => writeFileSync(file, "not a database ".repeat(1_000)),
  "a directory in its place": (_, file) => {
    rmSync(file);
    mkdirSync(file);
  },
  "a FIFO in its place": (_, file) => {
    rmSync(file);
    spawnSync("mkfifo", [file]);
  },
  "a directory in the place of LMDB's lock": (data) => {
    rmSync(join(data, "lock.mdb"));
    mkdirSync(join(data, "lock.mdb"));
  },
  "a directory in the place of the node's lock": (data) => {
    rmSync(join(data, "node.lock"));
    mkdirSync(join(data, "node.lock"));
  },
  "a FIFO in the place of the node's lock": (data) => {
    rmSync(join(data, "node.lock"));
    spawnSync("mkfifo", [join(data, "node.lock")]);
  },
};

it.each(Object.entries(damages))(
  "%s: one line that names the file and says what to do, and no signal",
  async (_, damage) => {
    const { folder, data, file } = copy();
    damage(data, file);
    const started = NodeProcess.start({ folder });
    await expect(started).rejects.toThrow(/frenezulo: The store failed: \S+(data\.mdb|lock\.mdb|node\.lock) /);
    await expect(started).rejects.not.toThrow(/\n\s+at /);
    rmSync(folder, { recursive: true, force: true });
  },
  WATCHDOG_MS,
);

it(
  "noise or nothing in LMDB's lock, and a database that is empty or not there, are no obstacle",
  async () => {
    const harmless: readonly [(data: string, file: string) => void, number][] = [
      [(data) => writeFileSync(join(data, "lock.mdb"), noise(8_192)), 2],
      [(data) => writeFileSync(join(data, "lock.mdb"), ""), 2],
      [(data) => rmSync(join(data, "lock.mdb")), 2],
      [(data) => writeFileSync(join(data, "node.lock"), noise(100)), 2],
      [(_, file) => truncateSync(file, 0), 0],
      [(_, file) => rmSync(file), 0],
    ];
    for (const [change, services] of harmless) {
      const { folder, data, file } = copy();
      change(data, file);
      const node = await NodeProcess.start({ folder });
      expect(await new AdminClient(node.url).list()).toHaveLength(services);
      expect(await node.stop()).toEqual({ code: 0, signal: null });
    }
  },
  WATCHDOG_MS,
);

it(
  "a data folder that the kernel never lets anybody make ends the start with one line",
  async () => {
    for (const data of ["/proc/x", "/proc/x/y/z", "/dev/null/x"]) {
      await expect(NodeProcess.start({ args: ["--data", data] })).rejects.toThrow(
        `The store failed: the data folder ${data} cannot be made`,
      );
    }
  },
  WATCHDOG_MS,
);

it(
  "a module whose bytes were changed on disk does not run: its service says so until it is added again",
  async () => {
    const { folder, file } = copy();
    const module = Buffer.from(service("hello"));
    const stored = readFileSync(file);
    const at = stored.indexOf(module);
    expect(at).toBeGreaterThan(0);
    // Of a section that nothing runs: without a look at its digest it would serve.
    overwrite(file, at + module.length - 1, Buffer.from([(module.at(-1) as number) ^ 1]));

    const node = await NodeProcess.start({ folder });
    const admin = new AdminClient(node.url);
    expect((await fetch(`${node.url}/echo`)).status).toBe(200);
    const { sha256 } = await admin.describe("hello");
    const answer = await fetch(`${node.url}/hello`);
    expect(answer.status).toBe(503);
    const { error } = (await answer.json()) as { error: { code: string; message: string } };
    expect(error.code).toBe("cannot_start");
    expect(error.message).toContain(`the bytes of module ${sha256} in ${file} are not those that were added`);
    expect((await fetch(`${node.url}/echo`)).status).toBe(200);

    expect(await admin.put("hello", module)).toMatchObject({ status: 200 });
    for (;;) {
      const again = await fetch(`${node.url}/hello`);
      const body = await again.text();
      if (again.status === 200) {
        expect(body).toBe("Hello World!");
        break;
      }
    }
    await node.stop({ keepFolder: true });
    const next = await NodeProcess.start({ folder });
    expect(await (await fetch(`${next.url}/hello`)).text()).toBe("Hello World!");
    await next.stop();
  },
  WATCHDOG_MS,
);
