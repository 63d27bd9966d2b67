// The whole node: its data folder is its own while it lives, however it ended before.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { service } from "../guests/guests.ts";
import { AdminClient } from "../harness/admin-client.ts";
import { NodeProcess } from "../harness/node-process.ts";

it("a second node on the same folder is told the pid of the first, and the first goes on", async () => {
  const first = await NodeProcess.start();
  const admin = new AdminClient(first.url);
  expect((await admin.put("hello", service("hello"))).status).toBe(200);
  const attempts = [1, 2, 3].map(() => NodeProcess.start({ folder: first.folder }));
  for (const attempt of await Promise.allSettled(attempts)) {
    expect(attempt).toMatchObject({ status: "rejected" });
    const { message } = (attempt as PromiseRejectedResult).reason as Error;
    expect(message).toMatch(
      new RegExp(`data folder ${first.folder}/data is in use by the node with pid ${first.pid};`),
    );
    // One line, not a stack.
    expect(message).not.toMatch(/\n\s+at /);
  }
  expect((await admin.put("again", service("hello"))).status).toBe(200);
  for (const path of ["/hello", "/again"]) expect((await fetch(first.url + path)).status).toBe(200);
  expect(await first.stop({ keepFolder: true })).toEqual({ code: 0, signal: null });
  const next = await NodeProcess.start({ folder: first.folder });
  expect((await new AdminClient(next.url).list()).map(({ prefix }) => prefix).sort()).toEqual(["again", "hello"]);
  expect(await next.stop()).toEqual({ code: 0, signal: null });
});

it("a node that was killed leaves a folder that the next one takes", async () => {
  let folder: string | undefined;
  for (let i = 0; i < 3; i++) {
    const node = await NodeProcess.start(folder === undefined ? {} : { folder });
    folder = node.folder;
    node.signal("SIGKILL");
    expect(await node.ended).toEqual({ code: null, signal: "SIGKILL" });
  }
  const last = await NodeProcess.start({ folder: folder as string });
  expect(await last.stop()).toEqual({ code: 0, signal: null });
});

it("a data folder that cannot be used is one line that says so", async () => {
  const folder = mkdtempSync(join(tmpdir(), "frenezulo-folder-"));
  writeFileSync(join(folder, "data"), "a file");
  await expect(NodeProcess.start({ folder })).rejects.toThrow(/data folder .*data cannot be made/);
  rmSync(join(folder, "data"));
  mkdirSync(join(folder, "data"));
  writeFileSync(join(folder, "data", "data.mdb"), "not a database ".repeat(1000));
  await expect(NodeProcess.start({ folder })).rejects.toThrow(
    /The store failed: \S+data\.mdb is damaged: it is not a database/,
  );
  rmSync(folder, { recursive: true });
});

it("a stored module is compiled by the first request after a restart, which is a cold start that succeeds", async () => {
  const first = await NodeProcess.start();
  const admin = new AdminClient(first.url);
  const policy = { state: "kept" };
  expect((await admin.put("counter", service("counter"), { policy, env: { A: "b" } })).status).toBe(200);
  expect(await (await fetch(`${first.url}/counter`)).text()).toBe("1\n");
  const before = await admin.describe("counter");
  expect(await first.stop({ keepFolder: true })).toEqual({ code: 0, signal: null });

  const next = await NodeProcess.start({ folder: first.folder });
  const after = await new AdminClient(next.url).describe("counter");
  expect(after).toMatchObject({ status: "cold", actors: [], version: 1, sha256: before.sha256, policy: before.policy });
  expect(after.versions).toEqual(before.versions);
  expect(await next.metric("cold_starts_total")).toBe(0);
  expect(await (await fetch(`${next.url}/counter`)).text()).toBe("1\n");
  expect(await (await fetch(`${next.url}/counter`)).text()).toBe("2\n");
  expect(await next.metric("cold_starts_total")).toBe(1);
  expect(await next.stop()).toEqual({ code: 0, signal: null });
});
