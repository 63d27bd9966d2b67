// actors/processes/process.ts: what the host keeps for a process counts in its environment's memory, and goes with it.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Message } from "../../../../actors/processes/mailbox.ts";
import { Process } from "../../../../actors/processes/process.ts";
import { COST } from "../../../../wire/cost.ts";

const limits = {
  scratchBytesMax: 1 << 20,
  messagesMax: 100,
  mailboxBytesMax: 1 << 20,
  resourcesMax: 16,
  sendTimeoutMs: 0,
};

function stage() {
  const memory = {
    held: 0,
    hasRoom: true,
    limitText: "too much",
    hold: (change: number): void => {
      memory.held += change;
    },
  };
  return { memory, process: new Process(1025, limits, undefined, 1, memory) };
}

describe("what counts in the memory of an environment", () => {
  it("is a message, also one without data, until it is taken", () => {
    const { memory, process } = stage();
    process.mailbox.push(new Message("data", 1n));
    expect(memory.held).toBe(COST.message);
    process.mailbox.push(new Message("data", 2n, new Uint8Array(64), 0, 1));
    expect(memory.held).toBeGreaterThan(2 * COST.message + COST.buffer);
    process.mailbox.take();
    process.mailbox.take();
    expect(memory.held).toBe(0);
  });

  it("ends whoever makes the host keep more than all may have, but not who is sent it", () => {
    const { memory, process } = stage();
    memory.hasRoom = false;
    process.mailbox.push(new Message("data", 1n));
    process.receive({ type: "link", pid: 2049, tag: 1n });
    expect(process.dying).toBeNull();
    process.resources.errors.add("an error");
    expect(process.dying).toEqual({ reason: "memory", text: "too much" });
  });

  it("is nothing any more when everything was given up, in any order, or when the process has ended", () => {
    const tell = (): void => {};
    const acts: readonly ((process: Process, n: number) => void)[] = [
      (process, n) => void process.mailbox.push(new Message("data", BigInt(n), new Uint8Array(n), 0, n)),
      (process) => void process.mailbox.take(),
      (process, n) => process.link(2048 + n, 1n, tell),
      (process, n) => process.unlink(2048 + n, tell),
      (process, n) => process.receive({ type: "link", pid: 2048 + n, tag: 1n }),
      (process, n) =>
        process.receive({ type: "link_died", pid: 2048 + n, tag: 1n, exit: { reason: "normal", text: "" } }),
      (process, n) => process.monitor(2048 + n, tell),
      (process, n) => process.stopMonitoring(2048 + n, tell),
      (process, n) => process.receive({ type: "monitor", pid: 2048 + n }),
      (process, n) => process.receive({ type: "stop_monitoring", pid: 2048 + n }),
      (process, n) => process.receive({ type: "process_died", pid: 2048 + n, exit: { reason: "normal", text: "" } }),
      (process, n) => void process.resources.errors.add("x".repeat(n)),
      (process, n) => void process.resources.errors.remove(BigInt(n)),
      (process, n) => {
        process.awaited = n === 0 ? null : Array.from({ length: n }, (_, i) => BigInt(i));
      },
      (process, n) => {
        process.scratch = n === 0 ? null : new Message("data", 1n, new Uint8Array(n), 0, n);
      },
    ];
    const act = fc.tuple(fc.nat({ max: acts.length - 1 }), fc.nat({ max: 9 }));
    fc.assert(
      fc.property(fc.array(act, { maxLength: 200 }), fc.boolean(), (steps, isEnded) => {
        const { memory, process } = stage();
        for (const [which, n] of steps) {
          acts[which]?.(process, n);
          expect(memory.held).toBeGreaterThanOrEqual(COST.message * process.mailbox.length);
        }
        if (isEnded) process.release();
        else {
          while (process.mailbox.take() !== undefined);
          for (let pid = 2048; pid < 2058; pid++) {
            process.unlink(pid, tell);
            process.stopMonitoring(pid, tell);
            process.receive({ type: "stop_monitoring", pid });
          }
          for (let id = 0n; id < 400n; id++) process.resources.errors.remove(id);
          process.awaited = null;
          process.scratch = null;
          while (process.mailbox.take() !== undefined);
        }
        expect(memory.held).toBe(0);
      }),
    );
  });
});
