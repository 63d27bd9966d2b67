// actors/runtime/kernel.ts, runtime.ts, ends.ts, asking.ts with guests that are no wasm: what random histories
// (test/simulation/processes.test.ts) come upon rarely or cannot show.
import { describe, expect, it } from "vitest";
import { Message } from "../../../../actors/processes/mailbox.ts";
import { encodeMessage } from "../../../../actors/processes/messages.ts";
import { decodeSignal, encodeSignal, type Signal } from "../../../../actors/processes/signals.ts";
import { ASK_HEADER } from "../../../../actors/runtime/asking.ts";
import { ANSWER, ASK } from "../../../../wire/asks.ts";
import type { Exit } from "../../../../wire/exits.ts";
import { COUNTS, SIGNAL } from "../../../../wire/layout.ts";
import { Alone, environment, FOREVER } from "../../../harness/alone.ts";
import type { Frame, OnWay, Program } from "../../../harness/processes-carrier.ts";

describe("ends", () => {
  it("go through a chain of 50,000 links, however deep that is", () => {
    const alone = new Alone();
    const spec = environment(1);
    const { carrier } = alone;
    const wait = function* (): Program {
      yield alone.receive();
    };
    const pids: number[] = [];
    for (let i = 0; i < 50_000; i++) pids.push(alone.bear(spec, wait));
    const { kernel } = carrier.runtime;
    for (let i = 1; i < pids.length; i++) {
      const [one, other] = [pids[i - 1] as number, pids[i] as number];
      kernel.memberOf(one).process.link(other, 1n, kernel.tellOf(kernel.memberOf(one).process));
    }
    alone.run();
    expect(alone.size).toBe(50_000);
    kernel.tell(1, pids[25_000] as number, { type: "kill", pid: 0 });
    expect(alone.size).toBe(0);
    expect(alone.exits.size).toBe(50_000);
    expect(Atomics.load(new Int32Array(spec.counts), COUNTS.processes)).toBe(0);
  });

  it.each(["close", "end of their request"])("come to all processes at the %s, linked ones included", (what) => {
    const alone = new Alone();
    const spec = environment(1);
    const wait = function* (): Program {
      yield alone.receive();
    };
    const pids = Array.from({ length: 6 }, () => alone.bear(spec, wait));
    const { runtime } = alone.carrier;
    for (const pid of pids) {
      const { process } = runtime.kernel.memberOf(pid);
      process.root = 99;
      for (const other of pids) process.link(other, 1n, runtime.kernel.tellOf(process));
    }
    alone.run();
    const exit: Exit = { reason: "deadline", text: "the deadline has passed" };
    if (what === "close") runtime.close(1, exit);
    else runtime.endRequest(99, exit);
    expect(alone.size).toBe(0);
    expect(alone.exits.size).toBe(6);
  });

  it("come once to one that was linked to several of a carrier that has ended", () => {
    const alone = new Alone();
    const pid = alone.bear(environment(1), function* () {
      for (const other of [1, 2, 3]) yield alone.call("process", "link", 1n, BigInt(other * 1024 + 2));
      yield alone.receive();
    });
    const bystander = alone.bear(environment(2), function* () {
      yield alone.receive();
    });
    alone.run();
    alone.inbox.push({ from: 2, onWay: { gone: 1024 * 100 } });
    alone.run();
    expect([...alone.exits.keys()]).toEqual([pid]);
    expect(alone.exits.get(pid)?.text).toContain("its carrier ended");
    expect(alone.carrier.runtime.kernel.member(bystander)).toBeDefined();
  });
});

describe("a question that failed", () => {
  it("ends the process that asked, and not the one that runs", () => {
    const alone = new Alone();
    const spec = environment(1);
    const asker = alone.bear(spec, function* () {
      yield alone.call("registry", "remove", 0, 4);
    });
    const other = alone.bear(spec, function* () {
      for (;;) yield alone.receive(1n);
    });
    alone.carrier.bytes.write("name", 0);
    alone.run();
    const question = alone.sent.find(({ kind }) => kind === SIGNAL.ask);
    const asked = Buffer.from(question?.bytes ?? []);
    expect(asked.readUInt16LE(4)).toBe(ASK.name_remove);
    const answer = Buffer.alloc(ASK_HEADER + 6);
    asked.copy(answer, 0, 0, 4);
    answer[4] = ANSWER.failed;
    answer.write("no way", ASK_HEADER);
    const frame: Frame = { kind: SIGNAL.answer, to: asker, from: 0, environment: 1, bytes: answer };
    alone.inbox.push({ from: 0, onWay: frame });
    alone.run();
    expect(alone.exits.get(asker)).toEqual({ reason: "trap", text: "no way" });
    expect(alone.exits.has(other)).toBe(false);
    expect(alone.carrier.runtime.asking.size).toBe(0);
  });
});

it("an answer to the same question of a slot's owner before is nobody's", () => {
  const alone = new Alone();
  const asker = alone.bear(environment(1), function* () {
    yield alone.call("registry", "remove", 0, 4);
  });
  alone.run();
  const asked = Buffer.from(alone.sent.find(({ kind }) => kind === SIGNAL.ask)?.bytes ?? []);
  const answer = (to: number): void => {
    const bytes = Buffer.alloc(ASK_HEADER);
    asked.copy(bytes, 0, 0, 4);
    bytes[4] = ANSWER.ok;
    alone.inbox.push({ from: 0, onWay: { kind: SIGNAL.answer, to, from: 0, environment: 1, bytes } });
    alone.run();
  };
  answer(asker - 1024);
  expect(alone.size).toBe(1);
  answer(asker);
  expect(alone.exits.get(asker)?.reason).toBe("normal");
});

describe("a message", () => {
  const write = function* (alone: Alone, bytes: number): Program {
    yield alone.call("message", "create_data", 0n, 0n);
    yield alone.call("message", "write_data", 256, bytes);
  };

  it("that the way to another carrier has no room for goes out as soon as it has", () => {
    const alone = new Alone();
    let sent = false;
    alone.bear(environment(1), function* () {
      yield* write(alone, 4);
      yield alone.call("message", "send", BigInt(1024 + 2));
      sent = true;
    });
    alone.isWritable = false;
    alone.run();
    expect([sent, alone.sent.length]).toEqual([false, 0]);
    alone.isWritable = true;
    alone.run();
    expect(sent).toBe(true);
    expect(alone.sent.map(({ kind, slot }) => [kind, slot])).toEqual([[SIGNAL.message, 2]]);
  });

  it("that is waited for comes into a full mailbox, and only that one", () => {
    const alone = new Alone();
    const spec = environment(1, { mailboxMessagesMax: 1 });
    const got: unknown[] = [];
    const receiver = alone.bear(spec, function* () {
      alone.carrier.bytes.writeBigUInt64LE(5n, 0);
      for (let i = 0; i < 2; i++) got.push(yield alone.call("message", "receive", 0, 1, FOREVER));
    });
    const sender = (tag: bigint) =>
      alone.bear(spec, function* () {
        for (let i = 0; i < 3; i++) {
          yield alone.call("message", "create_data", tag, 0n);
          yield alone.call("message", "send", BigInt(receiver));
        }
      });
    const { scheduler, kernel } = alone.carrier.runtime;
    scheduler.runOne();
    sender(1n);
    scheduler.runOne();
    expect(kernel.member(receiver)?.process.mailbox.length).toBe(1);
    sender(5n);
    scheduler.runOne();
    expect(kernel.member(receiver)?.process.mailbox.length).toBe(1); // one was given to the wait, the next has to wait
    expect(kernel.waitedFor).toBe(1);
    alone.run();
    expect(got).toEqual([0, 0]);
    expect(alone.exits.has(receiver)).toBe(true);
  });

  it("of a timer into a full mailbox is dropped, also where that is one's own", async () => {
    const alone = new Alone();
    const pid = alone.bear(environment(1, { mailboxMessagesMax: 1 }), function* (own) {
      yield* write(alone, 4);
      yield alone.call("message", "send", BigInt(own));
      yield* write(alone, 4);
      yield alone.call("timer", "send_after", BigInt(own), 0n);
      yield alone.call("process", "sleep_ms", 5n);
      yield alone.receive();
      yield alone.receive(5n);
    });
    for (let i = 0; i < 100 && alone.size > 0; i++) {
      alone.run();
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    expect(alone.exits.get(pid)?.reason).toBe("normal");
    expect(alone.carrier.deadLetters).toBe(1);
  });

  it("of timers are bounded for all processes together, and end with the environment", () => {
    const alone = new Alone();
    const spec = environment(1, { mailboxBytesMax: 5 });
    const arm = (): number =>
      alone.bear(spec, function* (own) {
        yield* write(alone, 40);
        yield alone.call("timer", "send_after", BigInt(own), 1n << 50n);
      });
    const pids = [arm(), arm(), arm()];
    alone.run();
    const { runtime } = alone.carrier;
    expect(pids.map((pid) => alone.exits.get(pid)?.reason)).toEqual(["normal", "normal", "trap"]);
    expect(alone.exits.get(pids[2] as number)?.text).toMatch("too many timers, or too many bytes");
    expect(runtime.scheduler.timers.size).toBe(2);
    runtime.close(1, { reason: "shutdown", text: "" });
    expect(runtime.scheduler.timers.size).toBe(0);
    const again = arm();
    alone.run();
    expect(alone.exits.get(again)?.reason).toBe("normal");
  });

  it("to oneself that has no room is a trap, never a wait", () => {
    const alone = new Alone();
    const pid = alone.bear(environment(1, { mailboxMessagesMax: 2 }), function* (own) {
      for (let i = 0; i < 3; i++) {
        yield* write(alone, 4);
        yield alone.call("message", "send", BigInt(own));
      }
    });
    alone.run();
    expect(alone.exits.get(pid)).toMatchObject({ reason: "trap", text: /its own mailbox is full: 2 messages/ });
  });

  it("waits for room in another's mailbox, and ends its sender after the time for that", async () => {
    const alone = new Alone();
    const spec = environment(1, { mailboxMessagesMax: 1, sendTimeoutMs: 5 });
    const deaf = alone.bear(spec, function* () {
      yield alone.call("process", "sleep_ms", 60_000n);
    });
    const pid = alone.bear(spec, function* () {
      for (let i = 0; i < 2; i++) {
        yield* write(alone, 4);
        yield alone.call("message", "send", BigInt(deaf));
      }
    });
    for (let i = 0; i < 100 && alone.size > 1; i++) {
      alone.run();
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    expect(alone.exits.get(pid)?.text).toBe(`the mailbox of process ${deaf} was full for 5 ms`);
    expect(alone.carrier.runtime.kernel.waitedFor).toBe(0);
  });

  it("ends a circle of senders that all wait for each other", async () => {
    const alone = new Alone();
    const spec = environment(1, { mailboxMessagesMax: 1, sendTimeoutMs: 20 });
    const pids: number[] = [];
    for (const place of [0, 1, 2]) {
      const pid = alone.bear(spec, function* () {
        for (let i = 0; i < 2; i++) {
          yield* write(alone, 4);
          yield alone.call("message", "send", BigInt(pids[(place + 1) % 3] as number));
        }
      });
      pids.push(pid);
    }
    alone.run();
    expect([alone.size, alone.carrier.runtime.kernel.waitedFor]).toEqual([3, 3]);
    for (let i = 0; i < 1000 && alone.size > 0; i++) {
      alone.run();
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    // The first whose time is over ends, and frees the one behind it, unless that one's time is over as well.
    const texts = pids.map((pid) => alone.exits.get(pid)?.text);
    expect(texts[0]).toBe(`the mailbox of process ${pids[1]} was full for 20 ms`);
    for (const text of texts) expect(text).toMatch(/^$|was full for 20 ms$/);
    expect([alone.size, alone.carrier.runtime.kernel.waitedFor]).toEqual([0, 0]);
  });
});

describe("the memory of an environment", () => {
  const pages = ({ counts }: ReturnType<typeof environment>): number =>
    Atomics.load(new Int32Array(counts), COUNTS.pages);
  const roomy = { mailboxMessagesMax: 1000, mailboxBytesMax: 2 ** 30, messageBytesMax: 2 ** 30 };

  it("has messages in it: who sends beyond it ends, and all is back when its processes have ended", () => {
    const alone = new Alone();
    const spec = environment(1, { ...roomy, memoryBytesMax: 4 << 20 });
    const deaf = Array.from({ length: 3 }, () =>
      alone.bear(spec, function* () {
        yield alone.call("process", "sleep_ms", 60_000n);
      }),
    );
    let sent = 0;
    const sender = alone.bear(spec, function* () {
      for (;;) {
        yield alone.call("message", "create_data", 1n, 0n);
        yield alone.call("message", "write_data", 0, 60_000);
        yield alone.call("message", "send", BigInt(deaf[sent % 3] as number));
        sent++;
      }
    });
    alone.run();
    expect(alone.exits.get(sender)?.reason).toBe("memory");
    expect(alone.exits.get(sender)?.text).toContain("more than the 4194304 bytes that they may have");
    expect(sent).toBeGreaterThan(50);
    expect(sent).toBeLessThan(90);
    const { kernel } = alone.carrier.runtime;
    for (const pid of deaf) kernel.tell(1, pid, { type: "kill", pid: 0 });
    expect([alone.size, pages(spec)]).toEqual([0, 0]);
  });

  it("has those in it that are being written, and that were received and not been let go", () => {
    const alone = new Alone();
    const spec = environment(1, { ...roomy, memoryBytesMax: 2 ** 30 });
    const before: number[] = [];
    const receiver = alone.bear(spec, function* () {
      yield alone.receive();
      before.push(pages(spec));
      yield alone.call("process", "sleep_ms", 60_000n);
    });
    const writer = alone.bear(spec, function* () {
      for (let i = 0; i < 2; i++) {
        yield alone.call("message", "create_data", 1n, 0n);
        for (let written = 0; written < 3 << 20; written += 60_000) {
          yield alone.call("message", "write_data", 0, 60_000);
        }
        if (i === 0) yield alone.call("message", "send", BigInt(receiver));
      }
      yield alone.call("process", "sleep_ms", 60_000n);
    });
    alone.run();
    const processes = 2;
    expect(before[0]).toBeGreaterThanOrEqual(processes + 3 * 16);
    expect(pages(spec)).toBeGreaterThanOrEqual(processes + 6 * 16);
    const { kernel } = alone.carrier.runtime;
    for (const pid of [receiver, writer]) kernel.tell(1, pid, { type: "kill", pid: 0 });
    expect([alone.size, pages(spec)]).toEqual([0, 0]);
  });
});

describe("texts that a process gives", () => {
  it("in configs are bounded for all of them together", () => {
    const alone = new Alone();
    alone.carrier.rights.canCreateConfigs = true;
    let last = -1;
    const pid = alone.bear(environment(1), function* () {
      for (let i = 0; ; i++) {
        const id = BigInt((yield alone.call("process", "create_config")) as bigint);
        for (let j = 0; j < 50; j++) yield alone.call("wasi", "config_add_command_line_argument", id, 0, 1000);
        if (i < 10) yield alone.call("process", "drop_config", id);
        else last = i;
      }
    });
    alone.run();
    expect(alone.exits.get(pid)?.text).toBe("configs with more than 262144 bytes of text");
    expect(last).toBe(14);
  });

  it("as the name of a function have 4,096 bytes at most", () => {
    const alone = new Alone();
    const pid = alone.bear(environment(1), function* () {
      yield alone.call("process", "spawn", 0n, -1n, -1n, 0, 4097, 0, 0, 128);
    });
    alone.run();
    expect(alone.exits.get(pid)?.text).toBe("a function's name of more than 4096 bytes");
  });
});

describe("a full mailbox", () => {
  const signalOf = (frame: Frame | undefined): Signal => decodeSignal(Buffer.from(frame?.bytes ?? []));

  it("is told once to a carrier, whoever of it sends, and its room too", () => {
    const alone = new Alone();
    const spec = environment(1, { mailboxMessagesMax: 2 });
    const receiver = alone.bear(spec, function* () {
      yield alone.receive(5n);
      for (let i = 0; i < 4; i++) yield alone.receive();
    });
    alone.run();
    const senders = [1, 2, 3, 4].map((number) => number * 1024 + 2);
    for (const from of senders) {
      const bytes = encodeMessage(new Message("data", 1n, Buffer.from("data"), 0, 4));
      alone.inbox.push({ from: 2, onWay: { kind: SIGNAL.message, to: receiver, from, environment: 1, bytes } });
    }
    alone.carrier.poll(senders.length);
    expect(alone.sent.map((frame) => [frame.slot, signalOf(frame)])).toEqual([[2, { type: "full", pid: receiver }]]);
    alone.run();
    expect(alone.sent.slice(1).map((frame) => [frame.slot, signalOf(frame)])).toEqual([
      [2, { type: "room", pid: receiver }],
    ]);
  });

  it("lets what is waited for come from another carrier, and nothing else, however often that is asked", () => {
    const alone = new Alone();
    const [remote, got] = [7 * 1024 + 2, [] as unknown[]];
    let length = 0;
    const pid = alone.bear(environment(1), function* () {
      for (let i = 0; i < 500; i++) {
        alone.carrier.bytes.writeBigUInt64LE(5n, 0);
        got.push(yield alone.call("message", "receive", 0, 1, 0n));
        // The other carrier heeds what it is told.
        const told = alone.sent.map(signalOf);
        const isFull = told.findLast(({ type }) => type === "full" || type === "room")?.type === "full";
        if (!isFull) send(0n);
        if (i === 400 && told.some((signal) => signal.type === "awaits" && signal.tag === 5n)) send(5n);
        alone.carrier.poll(1);
      }
      ({ length } = alone.carrier.runtime.kernel.memberOf(pid).process.mailbox);
    });
    const send = (tag: bigint): void => {
      const bytes = encodeMessage(new Message("data", tag, Buffer.from("data"), 0, 4));
      alone.inbox.push({ from: 2, onWay: { kind: SIGNAL.message, to: pid, from: remote, environment: 1, bytes } });
    };
    alone.run();
    expect(length).toBe(4);
    expect(got.filter((result) => result === 0)).toHaveLength(1);
    // Asked again only once one had come; the last is its own end.
    expect(alone.sent.map((frame) => signalOf(frame).type)).toEqual(["full", "awaits", "awaits", "room"]);
  });

  it("takes an awaited answer that is larger than the room there is", async () => {
    const alone = new Alone();
    const spec = environment(1, { mailboxBytesMax: 100, sendTimeoutMs: 60_000 });
    const got: unknown[] = [];
    const client = alone.bear(spec, function* () {
      yield alone.call("process", "sleep_ms", 5n);
      alone.carrier.bytes.writeBigUInt64LE(5n, 0);
      got.push(yield alone.call("message", "receive", 0, 1, FOREVER));
    });
    const server = alone.bear(spec, function* () {
      for (const [tag, bytes] of [
        [0n, 50],
        [5n, 80],
      ] as const) {
        yield alone.call("message", "create_data", tag, 0n);
        yield alone.call("message", "write_data", 1000, bytes);
        yield alone.call("message", "send", BigInt(client));
      }
    });
    for (let i = 0; i < 100 && alone.size > 0; i++) {
      alone.run();
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    expect(alone.exits.get(server)?.reason).toBe("normal");
    expect(got).toEqual([0]);
  });

  it("in another carrier is sent nothing by anybody here until it has room, or its carrier has ended", () => {
    const alone = new Alone();
    const spec = environment(1);
    const [full, other] = [5 * 1024 + 2, 6 * 1024 + 2];
    let sent = 0;
    const send = () =>
      alone.bear(spec, function* () {
        yield alone.call("message", "create_data", 1n, 0n);
        yield alone.call("message", "send", BigInt(full));
        sent++;
      });
    const tell = (type: "full" | "room" | "awaits", pid: number, tag = 0n): void => {
      const bytes = encodeSignal({ type, pid, tag });
      const nobody = 9 * 1024 + 1; // who filled it has ended
      alone.inbox.push({ from: 2, onWay: { kind: SIGNAL.fate, to: nobody, from: pid, environment: 1, bytes } });
      alone.run();
    };
    tell("full", full);
    tell("full", other);
    for (let i = 0; i < 3; i++) send();
    alone.run();
    expect([sent, alone.sent.length]).toEqual([0, 0]);
    tell("room", other);
    expect(sent).toBe(0);
    tell("room", full);
    expect([sent, alone.sent.length]).toEqual([3, 3]);
    expect(alone.carrier.runtime.kernel.waitedFor).toBe(0);

    tell("full", full);
    send();
    alone.run();
    expect(sent).toBe(3);
    tell("awaits", full, 1n);
    expect(sent).toBe(4);
    send();
    alone.run();
    expect(sent).toBe(4);
    alone.inbox.push({ from: 2, onWay: { gone: 1024 * 100 } });
    alone.run();
    expect(sent).toBe(5);
  });
});

describe("notices of ends that nobody reads", () => {
  it.each(["monitor", "link"])("stop one that asks for more and more of them by %s", (way) => {
    const alone = new Alone();
    const nobody = BigInt(999 * 1024 + 1);
    const pid = alone.bear(environment(1), function* () {
      yield alone.call("process", "die_when_link_dies", 0);
      for (let i = 0; i < 100_000; i++) {
        yield way === "monitor" ? alone.call("process", way, nobody) : alone.call("process", way, 1n, nobody);
      }
    });
    alone.run();
    expect(alone.exits.get(pid)?.text).toBe("it has not read of too many ends");
  });
});

describe("a linked child in another carrier", () => {
  const spawnAway = (alone: Alone) =>
    alone.bear(
      environment(1),
      function* () {
        yield alone.call("process", "die_when_link_dies", 0);
        alone.carrier.bytes.write("main", 0);
        yield alone.call("process", "spawn", 7n, -1n, -1n, 0, 4, 0, 0, 128);
        yield alone.receive();
        expect(alone.carrier.runtime.host.process.scratch).toMatchObject({ kind: "link_died", tag: 7n });
      },
      "elsewhere",
    );
  const answer = (alone: Alone, parent: number, child: number): OnWay => {
    const bytes = Buffer.alloc(ASK_HEADER + 9);
    Buffer.from(alone.sent[0]?.bytes ?? []).copy(bytes, 0, 0, 4);
    bytes.writeBigUInt64LE(BigInt(child), ASK_HEADER + 1);
    return { kind: SIGNAL.answer, to: parent, from: 0, environment: 1, bytes };
  };

  it("is known to be dead when its carrier ended before it could tell of its birth", () => {
    const alone = new Alone();
    const parent = spawnAway(alone);
    alone.run();
    const child = 5 * 1024 + 2;
    alone.inbox.push({ from: 2, onWay: { gone: 6 * 1024 } }, { from: 0, onWay: answer(alone, parent, child) });
    alone.run();
    expect(alone.exits.get(parent)).toEqual({ reason: "normal", text: "" });
  });

  it("is told that its parent is not there, where that ended before it could know of the birth", () => {
    const alone = new Alone();
    const pid = 5 * 1024 + 2;
    const birth: Signal = { type: "born", pid, tag: 7n };
    const onWay: Frame = { kind: SIGNAL.fate, to: 3 * 1024 + 1, from: pid, environment: 1, bytes: encodeSignal(birth) };
    alone.inbox.push({ from: 2, onWay });
    alone.run();
    const [told] = alone.sent;
    expect(told).toMatchObject({ kind: SIGNAL.fate, slot: 2, to: pid });
    const signal = decodeSignal(Buffer.from(told?.bytes ?? []));
    expect(signal).toMatchObject({ type: "link_died", pid: 3 * 1024 + 1, exit: { reason: "noproc" } });
  });
});
