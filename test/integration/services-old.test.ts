// The whole node: services compiled for the Rust frenezulo are added as they were there, and answer as they did there.
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type GuestName, guest, guestPath, whySkipped } from "../guests/guests.ts";
import { AdminClient } from "../harness/admin-client.ts";
import { HttpClient, runLanes } from "../harness/http-client.ts";
import { ModuleServer } from "../harness/module-server.ts";
import { NodeProcess } from "../harness/node-process.ts";
import { acceptors } from "../harness/tiny-front.ts";

const oldServices: GuestName[] = ["old-service", "rust-frenezulo"];

describe.each(acceptors.map(([name]) => name))("over %s", (http) => {
  const folder = mkdtempSync(join(tmpdir(), "frenezulo-sources-"));
  let node: NodeProcess;
  let web: ModuleServer;
  let admin: AdminClient;
  let client: HttpClient;

  beforeAll(async () => {
    web = await ModuleServer.start();
    node = await NodeProcess.start({ http, config: { sources: { folder, allow: [web.origin] } } });
    admin = new AdminClient(node.url);
    client = new HttpClient(node.address);
  });

  afterAll(async () => {
    client.close();
    await web.stop();
    rmSync(folder, { recursive: true, force: true });
    expect(await node.stop()).toEqual({ code: 0, signal: null });
  });

  describe.each(oldServices)("%s", (name) => {
    const why = whySkipped(name);

    it.skipIf(why !== undefined)("is added from a file and from the web, and answers", async () => {
      copyFileSync(guestPath(name), join(folder, `${name}.wasm`));
      const sources = [pathToFileURL(join(folder, `${name}.wasm`)).href, web.serve(`/${name}.wasm`, guest(name))];
      for (const [i, source] of sources.entries()) {
        const prefix = `${name}-${i}`;
        const { status, body } = await admin.add(prefix, source);
        expect([status, body.error, body.changed]).toEqual([200, undefined, true]);
        const got = await client.request(`/${prefix}/a?b=c`);
        expect([got.status, got.body.toString()]).toEqual([200, `Get /${prefix}/a?b=c\n`]);
        for (const method of ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"]) {
          const spelled = method[0] + method.slice(1).toLowerCase();
          const posted = await client.request(`/${prefix}`, { method, body: "žluťoučký" });
          expect(posted.body.toString()).toBe(`${spelled} /${prefix}\nžluťoučký`);
        }
      }
    });

    it.skipIf(why !== undefined)("answers many at once, each with its own body", async () => {
      await runLanes(node.address, 16, 400, async (lane, i) => {
        const body = Buffer.alloc((i * 997) % 20_000, 97 + (i % 26));
        const answer = await lane.request(`/${name}-0/${i}`, { method: "POST", body });
        expect(answer.status).toBe(200);
        expect(answer.body.equals(Buffer.concat([Buffer.from(`Post /${name}-0/${i}\n`), body]))).toBe(true);
      });
    });

    it.skipIf(why !== undefined)("takes a large body", async () => {
      const body = Buffer.alloc(500_000, "0123456789");
      const answer = await client.request(`/${name}-1`, { method: "POST", body });
      expect(answer.status).toBe(200);
      expect(answer.body.subarray(-body.length).equals(body)).toBe(true);
    });
  });
});
