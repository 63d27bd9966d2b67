// How a guest ended, from what its call threw or did not throw.
import type { Exit } from "../../wire/exits.ts";

export const NORMAL_EXIT: Exit = { reason: "normal", text: "" };

const FRAMES_MAX = 16;

/** What a guest's end by an exception means. Lines after the first are its stack. */
export function trapExit(thrown: unknown): Exit {
  if (thrown instanceof RangeError && thrown.message.includes("call stack")) {
    return { reason: "trap", text: "stack exhausted: its recursion is too deep" };
  }
  if (!(thrown instanceof Error)) return { reason: "trap", text: "it threw an exception that nothing caught" };
  const frames = (thrown.stack ?? "").split("\n").filter((line) => line.includes("wasm://"));
  const lines = frames.slice(0, FRAMES_MAX).map((line) => line.trim());
  return { reason: "trap", text: [thrown.message, ...lines].join("\n") };
}
