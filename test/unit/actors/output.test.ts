// Covers actors/output.ts: how many lines of one service reach the main thread, however they are written.
import { describe, expect, it } from "vitest";
import { Output, type OutputBudget } from "../../../actors/output.ts";
import { OutputSecond } from "../../../actors/processes/output-second.ts";
import type { Process } from "../../../actors/processes/process.ts";
import { Bell } from "../../../wire/bell.ts";
import { BELL, CONTROL } from "../../../wire/layout.ts";
import { makeRing, RingReader, RingWriter } from "../../../wire/ring.ts";
import type { OutputLimits } from "../../../wire/specs.ts";

function outputWith(limits: Partial<OutputLimits>, ringBytes = 1 << 20) {
  const ring = makeRing(ringBytes);
  const control = new Int32Array(new SharedArrayBuffer(CONTROL.bytes));
  const bell = new Bell(new Int32Array(new SharedArrayBuffer(BELL.bytes)), BELL.asleep);
  const output = new Output(new RingWriter(ring), bell, control);
  const budget: OutputBudget = {
    outputPid: 1,
    outputSecond: new OutputSecond(),
    spec: {
      outputRequestBytesMax: 1 << 20,
      outputRequestLinesMax: 1000,
      outputSecondBytesMax: 1 << 20,
      outputSecondLinesMax: 10_000,
      ...limits,
    },
  };
  const reader = new RingReader(ring);
  const lines = (): string[] => {
    const found: string[] = [];
    for (; reader.next(); reader.release()) {
      const { bytes, offset, length } = reader;
      found.push(
        ...bytes
          .toString("utf8", offset + 1, offset + length)
          .replace(/\n$/, "")
          .split("\n"),
      );
    }
    return found;
  };
  return { output, budget, lines, dropped: () => control[CONTROL.outputDropped] as number };
}

/** A process that has begun its request. */
function process(): Process {
  const begun: Partial<Process> = { pid: 9, environment: 1, outputBytes: 0, outputLines: 0, outputDropped: false };
  return begun as Process;
}

const NOTICE = "[output over the limit is dropped]";

describe("lines of a request", () => {
  it("are bounded in one write: what is over is joined, and nothing is lost", () => {
    const { output, budget, lines, dropped } = outputWith({ outputRequestLinesMax: 4 });
    output.write(budget, process(), 1, Buffer.from("a\nb\nc\nd\ne\nf\n"));
    expect(lines()).toEqual(["a", "b", "c", "d\\x0ae\\x0af"]);
    expect(dropped()).toBe(0);
  });

  it("are bounded over many writes, each of which is a line: what is over is dropped, counted, and told once", () => {
    const { output, budget, lines, dropped } = outputWith({ outputRequestLinesMax: 10 });
    const from = process();
    for (let i = 0; i < 1000; i++) output.write(budget, from, 1, Buffer.from("x"));
    expect(lines()).toEqual([...Array(10).fill("x"), NOTICE]);
    expect(dropped()).toBe(990);
  });

  it("are all there where they are few, also in one write larger than a frame", () => {
    const { output, budget, lines, dropped } = outputWith({}, 1 << 16);
    const text = Array.from({ length: 900 }, (_, i) => `line ${i} ${"x".repeat(40)}`).join("\n");
    output.write(budget, process(), 1, Buffer.from(text));
    expect(lines().join("").replaceAll("\n", "")).toBe(text.replaceAll("\n", ""));
    expect(dropped()).toBe(0);
  });
});

describe("lines of a second", () => {
  it("are bounded over all requests and processes, notices included", () => {
    const { output, budget, lines } = outputWith({ outputSecondLinesMax: 50 });
    const began = performance.now();
    for (let request = 0; request < 2000; request++) output.write(budget, process(), 1, Buffer.from("\n".repeat(9)));
    const seconds = Math.floor((performance.now() - began) / 1000) + 2; // begun ones
    const all = lines();
    expect(all.length).toBeGreaterThanOrEqual(50);
    expect(all.length).toBeLessThanOrEqual(51 * seconds);
    expect(all).toContain(NOTICE);
  });

  it("are shared with what else becomes one: a process that failed", () => {
    const { output, budget } = outputWith({ outputSecondLinesMax: 50 });
    let taken = 0;
    const began = performance.now();
    for (let i = 0; i < 10_000; i++) if (output.takeLine(budget)) taken++;
    expect(taken).toBeLessThanOrEqual(50 * (Math.floor((performance.now() - began) / 1000) + 2));
    expect(taken).toBeGreaterThanOrEqual(50);
  });
});
