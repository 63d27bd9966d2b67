// What a carrier has written into its reply ring, told to the main thread's handlers.
import { type Exit, exitReasons } from "../../wire/exits.ts";
import { DONE, KIND } from "../../wire/layout.ts";
import { frameBytes, type RingReader } from "../../wire/ring.ts";
import type { Carrier, CarrierEvents } from "./carrier.ts";
import type { MainMesh } from "./main-mesh.ts";

/**
 * Reads what a carrier's reply ring holds now, and no more than a ring may hold: a carrier that goes on writing does
 * not keep the main thread.
 * @param onMetrics takes frames of wire/metrics.ts
 */
export function drainFrames(
  carrier: Carrier,
  events: CarrierEvents,
  mesh: MainMesh,
  onMetrics: ((bytes: Buffer) => void) | undefined,
): void {
  const replies = carrier.replies;
  for (let left = replies.capacity; left > 0 && replies.next(); ) {
    const { bytes, offset, length } = replies;
    left -= frameBytes(length);
    switch (replies.kind) {
      case KIND.reply:
        events.reply(replies.seq >>> 0, replies.about, bytes, offset, length);
        break;
      case KIND.reply | KIND.ticket: {
        const block = carrier.takeBlock(bytes.readUInt32LE(offset));
        if (block !== undefined)
          events.reply(replies.seq >>> 0, replies.about, Buffer.from(block), 0, block.byteLength);
        break;
      }
      case KIND.done:
        {
          const micros = bytes.readUInt32LE(offset + DONE.micros);
          const goesOn = bytes[offset + DONE.goesOn] as number;
          events.done(carrier, replies.pid, replies.seq, exitOf(replies), micros, goesOn);
        }
        break;
      case KIND.suspended:
        events.suspended(carrier, replies.pid, replies.seq);
        break;
      case KIND.seen:
        events.seen(carrier, replies.pid, replies.seq);
        break;
      case KIND.ended:
        events.ended(carrier, replies.pid, exitOf(replies));
        break;
      case KIND.connect:
        mesh.connect(carrier.slot, replies.pid);
        break;
      case KIND.metrics:
        onMetrics?.(bytes.subarray(offset, offset + length));
        break;
      case KIND.output:
        {
          const text = bytes.subarray(offset + 1, offset + length);
          events.output(carrier, replies.pid, replies.seq >>> 0, bytes[offset] as number, text);
        }
        break;
      case KIND.exited:
        events.exited(carrier, replies.pid, replies.seq >>> 0, exitOf(replies));
        break;
      case KIND.orphaned:
        events.orphaned(carrier, replies.pid, replies.about, replies.seq);
        break;
    }
    replies.release();
  }
}

const NORMAL: Exit = { reason: "normal", text: "" };

function exitOf(replies: RingReader): Exit {
  const reason = exitReasons[replies.bytes[replies.offset + DONE.reason] as number] ?? "trap";
  if (reason === "normal") return NORMAL;
  const text = replies.bytes.toString("utf8", replies.offset + DONE.text, replies.offset + replies.length);
  return { reason, text };
}
