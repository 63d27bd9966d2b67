// actors/processes/signals.ts and messages.ts: what goes from carrier to carrier comes back as it was.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Message } from "../../../../actors/processes/mailbox.ts";
import { decodeMessage, encodeMessage } from "../../../../actors/processes/messages.ts";
import type { MessageResource } from "../../../../actors/processes/resources.ts";
import { decodeSignal, encodeSignal, isFate, type Signal, signalTypes } from "../../../../actors/processes/signals.ts";
import { exitReasons } from "../../../../wire/exits.ts";

const pid = fc.maxSafeNat();
const tag = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
/** Texts of ends are cut at 512 bytes. */
const exit = fc.record({
  reason: fc.constantFrom(...exitReasons),
  text: fc.string({ unit: "grapheme", maxLength: 60 }),
});
const signal: fc.Arbitrary<Signal> = fc.oneof(
  fc.record({ type: fc.constantFrom(...(["link", "born", "awaits"] as const)), pid, tag }),
  fc.record({ type: fc.constant("link_died" as const), pid, tag, exit }),
  fc.record({ type: fc.constant("process_died" as const), pid, exit }),
  fc.record({
    type: fc.constantFrom(...(["unlink", "monitor", "stop_monitoring", "kill", "full", "room"] as const)),
    pid,
  }),
);

describe("signals", () => {
  it("come back as they were, each kind with all it has", () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(signal, (given) => {
        seen.add(given.type);
        expect(decodeSignal(encodeSignal(given))).toEqual(given);
      }),
      { numRuns: 1000 },
    );
    expect([...seen].sort()).toEqual([...signalTypes].sort());
  });

  it("bring the beginning of an end's text that is longer than 512 bytes", () => {
    const text = "x".repeat(5000);
    const given: Signal = { type: "process_died", pid: 1, exit: { reason: "trap", text } };
    expect(decodeSignal(encodeSignal(given))).toEqual({ ...given, exit: { reason: "trap", text: text.slice(0, 512) } });
  });

  it("that a process can send as often as it likes may be refused, all others never", () => {
    const refusable = signalTypes.filter((type) => !isFate({ type, pid: 1, tag: 0n } as Signal));
    expect(refusable).toEqual(["link", "monitor", "kill"]);
  });
});

describe("messages", () => {
  const resource: fc.Arbitrary<MessageResource | null> = fc.oneof(
    fc.constant(null),
    fc.record({ kind: fc.constant("module" as const), key: fc.string({ unit: "grapheme" }) }),
    fc.record({ kind: fc.constantFrom("tcp_stream" as const, "udp_socket" as const), handle: fc.nat() }),
  );

  it("come back with tag, data and resources, from anywhere in the bytes they lie in", () => {
    const around = fc.record({ before: fc.nat(40), after: fc.nat(40) });
    fc.assert(
      fc.property(
        tag,
        fc.uint8Array({ maxLength: 3000 }),
        fc.array(resource, { maxLength: 5 }),
        around,
        around,
        (...all) => {
          const [number, data, resources, here, there] = all;
          const bytes = new Uint8Array(here.before + data.length + here.after).fill(0xee);
          bytes.set(data, here.before);
          const message = new Message("data", number, bytes, here.before, data.length);
          if (resources.length > 0) message.resources = resources;
          const encoded = encodeMessage(message);
          const frame = Buffer.alloc(there.before + encoded.length + there.after, 0xdd);
          frame.set(encoded, there.before);
          const decoded = decodeMessage(frame, there.before, encoded.length);
          frame.fill(0xcc); // the ring is used for something else
          const got = decoded.bytes.subarray(decoded.start, decoded.start + decoded.length);
          expect([decoded.kind, decoded.tag, Buffer.from(got)]).toEqual(["data", number, Buffer.from(data)]);
          expect(decoded.resources).toEqual(resources.length > 0 ? resources : null);
        },
      ),
      { numRuns: 500 },
    );
  });
});
