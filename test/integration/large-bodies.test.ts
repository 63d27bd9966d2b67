// The whole node with bodies of many MiB, in and out: they arrive whole, and the main thread never copies or digests
// more than a slice of them in one turn, so that others are answered in between.
import { createHash, randomBytes } from "node:crypto";
import { request } from "node:http";
import { join } from "node:path";
import { expect, it } from "vitest";
import { SLICE_BYTES } from "../../src/slices.ts";
import { guestPath, service } from "../guests/guests.ts";
import { AdminClient } from "../harness/admin-client.ts";
import { NodeProcess } from "../harness/node-process.ts";
import { sleep } from "../harness/raw-http.ts";

const WATCHDOG_MS = 600_000;
const MIB = 1 << 20;

interface Asked {
  readonly path: string;
  readonly method: string;
  readonly body: Buffer;
  readonly isChunked: boolean;
}

/** Sends the body as it is taken, and reads the whole answer. */
function ask(node: NodeProcess, { path, method, body, isChunked }: Asked): Promise<{ status: number; body: Buffer }> {
  return new Promise((resolve, reject) => {
    const headers = {
      "content-type": "application/wasm",
      ...(isChunked ? {} : { "content-length": body.length }),
    };
    const sent = request(node.url + path, { method, headers }, (answer) => {
      const parts: Buffer[] = [];
      answer.on("data", (part: Buffer) => parts.push(part));
      answer.on("end", () => resolve({ status: answer.statusCode ?? 0, body: Buffer.concat(parts) }));
    });
    sent.on("error", reject);
    for (let at = 0; at < body.length; at += 60_000) sent.write(body.subarray(at, at + 60_000));
    sent.end();
  });
}

/** Since it was asked last. */
async function largestCopy(node: NodeProcess): Promise<number> {
  node.stderr = "";
  node.signal("SIGUSR2");
  for (;;) {
    const [, bytes] = /largest copy: (\d+)\n/.exec(node.stderr) ?? [];
    if (bytes !== undefined) return Number(bytes);
    await sleep(20);
  }
}

it.each(["uws", "node"] as const)(
  "bodies over %s are never copied in one turn",
  async (http) => {
    const limits = { body_in: "64MiB", body_out: "64MiB", memory: "256MiB", deadline: "5m", queue_timeout: "5m" };
    const node = await NodeProcess.start({
      http,
      nodeArgs: ["--require", join(import.meta.dirname, "../harness/copy-watch.cjs")],
      config: { limits: { body_bytes: "256MiB" }, services: { raw: { source: guestPath("echo-raw"), limits } } },
    });
    expect((await ask(node, { path: "/raw", method: "POST", body: Buffer.from("x"), isChunked: false })).status).toBe(
      200,
    );
    await largestCopy(node);
    for (const isChunked of [false, true]) {
      for (const length of [300_000, MIB - 1, MIB, MIB + 1, 2 * MIB + 1, 5 * MIB, 24 * MIB]) {
        const body = randomBytes(length);
        const answer = await ask(node, { path: "/raw", method: "POST", body, isChunked });
        expect([length, answer.status]).toEqual([length, 200]);
        // The guest answers with the whole message: it holds the body.
        expect(answer.body.indexOf(body.subarray(0, 64))).toBeGreaterThan(0);
        const at = answer.body.indexOf(body.subarray(0, 64));
        expect(answer.body.subarray(at, at + length).equals(body)).toBe(true);
      }
    }
    expect(await largestCopy(node)).toBeLessThanOrEqual(SLICE_BYTES + 1);
    await node.stop();
  },
  WATCHDOG_MS,
);

it(
  "a large module is not copied or digested in one turn, by whichever way it comes, and starts again from the store",
  async () => {
    const watch = ["--require", join(import.meta.dirname, "../harness/copy-watch.cjs")];
    const node = await NodeProcess.start({ nodeArgs: watch });
    const hello = Buffer.from(service("hello"));
    const digests: string[] = [];
    for (const isChunked of [false, true]) {
      const body = Buffer.concat([hello, customSection(12 * MIB)]);
      const answer = await ask(node, { path: `/services/m${digests.length}`, method: "PUT", body, isChunked });
      expect([answer.status, answer.body.toString()]).toMatchObject([200, expect.stringContaining('"changed":true')]);
      digests.push(createHash("sha256").update(body).digest("hex"));
    }
    expect(await largestCopy(node)).toBeLessThanOrEqual(SLICE_BYTES + 1);
    await node.stop({ keepFolder: true });
    const next = await NodeProcess.start({ folder: node.folder });
    for (const [i, sha256] of digests.entries()) {
      expect(await (await fetch(`${next.url}/m${i}`)).text()).toBe("Hello World!");
      expect((await new AdminClient(next.url).describe(`m${i}`)).sha256).toBe(sha256);
    }
    await next.stop();
  },
  WATCHDOG_MS,
);

function customSection(length: number): Buffer {
  const name = Buffer.from([1, 0x78]);
  const size = name.length + length;
  const leb = [0, 7, 14, 21].map((shift, i) => ((size >>> shift) & 0x7f) | (i < 3 ? 0x80 : 0));
  return Buffer.concat([Buffer.from([0, ...leb]), name, randomBytes(length)]);
}
