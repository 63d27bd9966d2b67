// wire/bell.ts: no wake-up is lost, blocking or in the event loop, in whatever order sleeping and ringing meet.
import { describe, expect, it } from "vitest";
import { Bell } from "../../../wire/bell.ts";
import { bundle } from "../../harness/bundle.ts";
import { result } from "../../harness/threads.ts";
import type { BellEnd } from "./workers/bell-end.ts";

const program = await bundle("test/unit/wire/workers/bell-end.ts");
const rounds = process.env.TEST_LONG === "1" ? 1_000_000 : 20_000;

describe("a bell", () => {
  it.each([
    ["block", "block"],
    ["sleep", "sleep"],
    ["sleep", "block"],
  ] as const)(`wakes both of two threads (%s, %s) in each of ${rounds} rounds`, async (first, second) => {
    const words = new SharedArrayBuffer(256);
    const end = (which: 0 | 1, mode: "block" | "sleep"): Promise<unknown> =>
      result<BellEnd, unknown>(program, { words, end: which, mode, rounds, seed: which + 1 });
    await Promise.all([end(0, first), end(1, second)]);
    expect(new Int32Array(words)[0]).toBe(rounds);
  });

  it("does not sleep where there is work, and leaves no flag behind", () => {
    const words = new Int32Array(new SharedArrayBuffer(64));
    const bell = new Bell(words, 3);
    expect(bell.sleep(() => true)).toBeNull();
    expect(words[3]).toBe(0);
    bell.block(() => true, Number.POSITIVE_INFINITY);
    expect(words[3]).toBe(0);
    bell.block(() => false, 1);
    expect(words[3]).toBe(0);
  });

  it("is not rung while it is muted, and is afterwards", async () => {
    const words = new Int32Array(new SharedArrayBuffer(64));
    const bell = new Bell(words, 0);
    let isAwake = false;
    const asleep = bell
      .sleep(() => false)
      ?.then(() => {
        isAwake = true;
      });
    bell.mute();
    bell.ring();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(isAwake).toBe(false);
    bell.unmute();
    bell.ring();
    await asleep;
    expect(isAwake).toBe(true);
  });

  it("shows that it sleeps before it looks for work", () => {
    const words = new Int32Array(new SharedArrayBuffer(64));
    const bell = new Bell(words, 0);
    const seen: (number | undefined)[] = [];
    const look = () => seen.push(words[0]) > 0;
    bell.sleep(look);
    bell.block(look, 1000);
    expect(seen).toEqual([1, 1]);
  });

  it("settles a sleep when it is rung, also between the look and the wait", async () => {
    const words = new Int32Array(new SharedArrayBuffer(64));
    const bell = new Bell(words, 0);
    const asleep = bell.sleep(() => false);
    bell.ring();
    expect(await asleep).toBe("ok");
    const rungMeanwhile = bell.sleep(() => {
      bell.ring();
      return false;
    });
    expect(rungMeanwhile).toBeNull();
    bell.block(() => {
      bell.ring();
      return false;
    }, Number.POSITIVE_INFINITY);
  });
});
