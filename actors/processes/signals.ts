// What processes tell each other besides data, and the bytes of it between carriers. Pure.
//
// The signals are lunatic's (lunatic-abi.md §2.3). An exit travels with its reason and text, which lunatic's do not.
import { type Exit, exitReasons } from "../../wire/exits.ts";

/** One signal to a process; `pid` is the process that it is about, never the one that gets it. */
export type Signal =
  /** The sender links itself to the receiver; each side keeps the tag that the other is told when it dies. */
  | { readonly type: "link"; readonly pid: number; readonly tag: bigint }
  | { readonly type: "unlink"; readonly pid: number }
  /** `pid` was spawned by the receiver in another carrier and is linked to it: `tag` is what it will be told. */
  | { readonly type: "born"; readonly pid: number; readonly tag: bigint }
  /** `pid` has ended; `tag` is what its link says: the later of two that crossed, as in lunatic. */
  | { readonly type: "link_died"; readonly pid: number; readonly tag: bigint; readonly exit: Exit }
  | { readonly type: "monitor"; readonly pid: number }
  | { readonly type: "stop_monitoring"; readonly pid: number }
  | { readonly type: "process_died"; readonly pid: number; readonly exit: Exit }
  | { readonly type: "kill"; readonly pid: number }
  /** The mailbox of `pid` is full (or has room again): the receiver's whole carrier sends it nothing until then. */
  | { readonly type: "full"; readonly pid: number }
  | { readonly type: "room"; readonly pid: number }
  /** `pid`, whose mailbox is full, waits for one message of this tag: that may come all the same (DECISIONS 9.5). */
  | { readonly type: "awaits"; readonly pid: number; readonly tag: bigint };

export type SignalType = Signal["type"];

/** How a process tells others. */
export type Tell = (to: number, signal: Signal) => void;

const fates: ReadonlySet<SignalType> = new Set([
  "link_died",
  "process_died",
  "full",
  "room",
  "awaits",
  "born",
  // One for each link or monitor at most: who has none sends none.
  "unlink",
  "stop_monitoring",
]);

/** Signals that no process sends at will: they are never refused (DECISIONS 9.5). */
export function isFate({ type }: Signal): boolean {
  return fates.has(type);
}

/** Their numbers on the wire. */
export const signalTypes = [
  "link",
  "unlink",
  "link_died",
  "monitor",
  "stop_monitoring",
  "process_died",
  "kill",
  "full",
  "room",
  "born",
  "awaits",
] as const satisfies readonly SignalType[];

/** Bytes: 0 type, 1 exit reason, 8 u64 pid, 16 u64 tag, 24 UTF-8 text of the exit. */
const TEXT = 24;
const TEXT_BYTES_MAX = 512;

export function encodeSignal(signal: Signal): Buffer {
  const exit = "exit" in signal ? signal.exit : null;
  const text = exit === null ? null : Buffer.from(exit.text).subarray(0, TEXT_BYTES_MAX);
  const bytes = Buffer.alloc(TEXT + (text?.length ?? 0));
  bytes[0] = signalTypes.indexOf(signal.type);
  bytes[1] = exit === null ? 0 : exitReasons.indexOf(exit.reason);
  bytes.writeBigUInt64LE(BigInt(signal.pid), 8);
  bytes.writeBigUInt64LE("tag" in signal ? signal.tag : 0n, 16);
  if (text !== null) bytes.set(text, TEXT);
  return bytes;
}

export function decodeSignal(bytes: Buffer): Signal {
  const type = signalTypes[bytes[0] as number] as SignalType;
  const pid = Number(bytes.readBigUInt64LE(8));
  const tag = bytes.readBigUInt64LE(16);
  switch (type) {
    case "link":
    case "born":
    case "awaits":
      return { type, pid, tag };
    case "link_died":
      return { type, pid, tag, exit: exitOf(bytes) };
    case "process_died":
      return { type, pid, exit: exitOf(bytes) };
    default:
      return { type, pid };
  }
}

function exitOf(bytes: Buffer): Exit {
  return { reason: exitReasons[bytes[1] as number] ?? "trap", text: bytes.toString("utf8", TEXT) };
}
