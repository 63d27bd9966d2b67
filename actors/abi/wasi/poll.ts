// poll_oneoff and sched_yield: waiting for clocks, and for standard input where there is one.
import { fstatSync } from "node:fs";
import { ERRNO } from "../../files/errno.ts";
import { RIGHT } from "../../files/rights.ts";
import { type Host, type HostFunctions, u64 } from "../host.ts";
import { CLOCKS, now } from "./clocks.ts";

const SUBSCRIPTIONS_MAX = 1024;
const SUBSCRIPTION_BYTES = 48;
const EVENT_BYTES = 32;
const EVENT_CLOCK = 0;
const EVENT_READ = 1;
const ABSTIME = 1;
/** Longer than every clock. */
const INPUT = Number.POSITIVE_INFINITY;

export function pollFunctions(host: Host): HostFunctions {
  return {
    sched_yield: () => ERRNO.success,
    poll_oneoff: (subscriptions: number, events: number, count: number, written: number) =>
      poll(host, subscriptions, events, count >>> 0, written),
  };
}

interface Subscription {
  readonly userdata: bigint;
  readonly type: number;
  readonly errno: number;
  /** 0: at once; INPUT: when standard input has something. */
  readonly waitMs: number;
  /** Bytes that can be read at once, where that is known. */
  readonly bytes: bigint;
}

/** Sleeps until the first clock is due or standard input has something; all other descriptors are ready at once. */
function poll(host: Host, subscriptions: number, events: number, count: number, written: number): number {
  host.enter();
  host.entropyAsked = true; // which of its clocks is due tells the time
  if (count === 0 || count > SUBSCRIPTIONS_MAX) return ERRNO.inval;
  const start = host.range(subscriptions, count * SUBSCRIPTION_BYTES);
  host.range(events, count * EVENT_BYTES);
  const wanted = Array.from({ length: count }, (_, i) => readSubscription(host, start + i * SUBSCRIPTION_BYTES));
  const soonest = Math.min(...wanted.map((each) => each.waitMs));
  const { stdin } = host.services;
  const isForInput = wanted.some(({ waitMs }) => waitMs === INPUT);
  const input = (): true | undefined => (isForInput && stdin?.available !== undefined ? true : undefined);
  return host.wait(input, soonest, (isInput) => {
    // Where the input came first the clocks are still to come.
    const passedMs = isInput ? 0 : soonest;
    const due = wanted.filter(({ waitMs }) => (waitMs === INPUT ? isInput : waitMs <= passedMs));
    for (const [i, each] of due.entries()) {
      const at = (events >>> 0) + i * EVENT_BYTES;
      host.slice(at, EVENT_BYTES).fill(0);
      const view = host.view();
      view.setBigUint64(at, each.userdata, true);
      view.setUint16(at + 8, each.errno, true);
      view.setUint8(at + 10, each.type);
      view.setBigUint64(at + 16, each.waitMs === INPUT ? BigInt(stdin?.available ?? 0) : each.bytes, true);
    }
    host.writeU32(written, due.length);
    return ERRNO.success;
  });
}

function readSubscription(host: Host, at: number): Subscription {
  const view = host.view();
  const userdata = view.getBigUint64(at, true);
  const type = view.getUint8(at + 8);
  const ready = { userdata, type, errno: ERRNO.success as number, waitMs: 0, bytes: 0n };
  if (type !== EVENT_CLOCK) return { ...ready, ...readiness(host, type, view.getUint32(at + 16, true)) };
  const clock = view.getUint32(at + 16, true);
  if (clock >= CLOCKS) return { ...ready, errno: ERRNO.inval };
  const timeout = u64(view.getBigUint64(at + 24, true));
  const isAbsolute = (view.getUint16(at + 40, true) & ABSTIME) !== 0;
  const nanos = isAbsolute ? timeout - now(clock) : timeout;
  return { ...ready, waitMs: nanos <= 0n ? 0 : Math.ceil(Number(nanos) / 1e6) };
}

/** Whether a descriptor can be read (or written) now. */
function readiness(host: Host, type: number, fd: number): Partial<Subscription> {
  const entry = host.files().peek(fd);
  const isReading = type === EVENT_READ;
  if (entry === undefined || entry.kind === "directory") return { errno: ERRNO.badf };
  if ((entry.rights & (isReading ? RIGHT.read : RIGHT.write)) === 0) return { errno: ERRNO.badf };
  if (!isReading) return {};
  if (entry.kind === "file") return { bytes: BigInt(Math.max(0, fstatSync(entry.fd).size - entry.position)) };
  const { stdin } = host.services;
  return stdin === undefined || stdin.available !== undefined
    ? { bytes: BigInt(stdin?.available ?? 0) }
    : { waitMs: INPUT };
}
