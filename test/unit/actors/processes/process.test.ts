// actors/processes/process.ts: a request in the mailbox, what stays behind after it, and the tables of resources.
import { describe, expect, it } from "vitest";
import { Message } from "../../../../actors/processes/mailbox.ts";
import { Process } from "../../../../actors/processes/process.ts";
import { ResourceTable } from "../../../../actors/processes/resources.ts";

const limits = { scratchBytesMax: 1000, messagesMax: 2, mailboxBytesMax: 100, resourcesMax: 4, sendTimeoutMs: 0 };
const ring = new Uint8Array(4096);

describe("a process", () => {
  it("finds a request in its mailbox, whatever its size and however full the mailbox is", () => {
    const process = new Process(5, limits);
    for (let i = 0; i < 2; i++) expect(process.mailbox.push(new Message("data", 1n))).toBe(true);
    process.beginRequest(ring, 64, 4000, 77);
    expect(process.replyPid).toBe(77);
    const [, , request] = [process.mailbox.take(), process.mailbox.take(), process.mailbox.take()];
    expect(request).toMatchObject({ kind: "data", tag: 0n, start: 64, length: 4000, cursor: 0 });
    expect(request?.bytes).toBe(ring);
  });

  it("forgets the ring's bytes and the reply pid at the end, and keeps its own messages", () => {
    const process = new Process(5, limits);
    process.beginRequest(ring, 0, 10, 77);
    process.mailbox.push(new Message("data", 3n, new Uint8Array(4), 0, 4));
    process.endRequest(ring);
    expect([process.mailbox.length, process.mailbox.bytes, process.replyPid]).toEqual([1, 4, 0]);
    expect(process.mailbox.take()?.tag).toBe(3n);

    process.beginRequest(ring, 0, 10, 78);
    process.scratch = process.mailbox.take() ?? null;
    process.endRequest(ring);
    expect(process.scratch).toBeNull();

    process.scratch = new Message("data", 0n, process.builder, 0, 3);
    process.endRequest(ring);
    expect(process.scratch).not.toBeNull();
  });

  it("counts output anew for each request", () => {
    const process = new Process(5, limits);
    process.outputBytes = 500;
    process.outputDropped = true;
    process.beginRequest(ring, 0, 1, 2);
    expect([process.outputBytes, process.outputDropped]).toEqual([0, false]);
  });

  it("keeps error id 0 free", () => {
    expect(new Process(1, limits).resources.errors.add("first")).toBe(1n);
  });
});

describe("a table of resources", () => {
  it("never gives an id twice and refuses above its limit", () => {
    const table = new ResourceTable<string>(2, () => {});
    expect([table.add("a"), table.add("b"), table.add("c")]).toEqual([0n, 1n, null]);
    expect(table.remove(0n)).toBe(true);
    expect(table.remove(0n)).toBe(false);
    expect([table.get(0n), table.get(1n)]).toEqual([undefined, "b"]);
    expect(table.add("d")).toBe(2n);
    expect(table.size).toBe(2);
  });
});
