// src/services/envelope.ts with real carriers: a request's bytes on their way into a ring, back from it, and into
// another.
import "../../../src/engine.ts"; // its V8 flags: a carrier refuses to run without them
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Head } from "../../../src/acceptor/contract.ts";
import type { Carrier } from "../../../src/carriers/carrier.ts";
import { Envelope } from "../../../src/services/envelope.ts";
import { BELL, CLAIM_PENDING, CLAIM_TAKEN, FRAME, KIND } from "../../../wire/layout.ts";
import { claimFrame } from "../../../wire/ring.ts";
import { readReply, requestMessage } from "../../guests/minimal-host.ts";
import { compile, specOf } from "../../harness/local-carrier.ts";
import { realCarriers } from "../../harness/real-carrier.ts";

const newCarrier = await realCarriers();
const echo = await compile("echo-raw");
const slow = await compile("slow");
const bell = new SharedArrayBuffer(BELL.bytes);

const ACTOR = 5;
const NOBODY = 6;

async function makeCarrier(guest = echo): Promise<Carrier> {
  const carrier = newCarrier({ bell });
  expect(await carrier.start(specOf(guest, { pid: ACTOR }))).toBeNull();
  return carrier;
}

interface Parts {
  readonly path: string;
  readonly headers: readonly (readonly [string, string])[];
}

function headOf({ path, headers }: Parts): Head {
  const head = new Head();
  head.method = "POST";
  head.path = path;
  for (const [name, value] of headers) head.add(name, value);
  head.isAscii = headers.every(([, value]) => Buffer.byteLength(value) === value.length);
  return head;
}

/** The message that a guest must see, by msgpackr. */
const messageOf = ({ path, headers }: Parts, requestId: string, tag: number, pid: number, body: Uint8Array) =>
  requestMessage({
    method: "Post",
    uri: path,
    headers: new Map([...headers, ["x-request-id", requestId] as const].map(([name, value]) => [name, [value]])),
    tag,
    pid,
    body,
  });

/** A request's frame in a carrier's ring; one for an actor that is not there stays until it is taken back. */
function frameOf(carrier: Carrier, { offset }: Envelope) {
  const { words, bytes } = carrier.requests;
  const word = (index: number) => words[(offset >> 2) + index] as number;
  const start = offset + FRAME.bytes;
  return {
    kind: word(FRAME.kind),
    claim: word(FRAME.claim),
    seq: word(FRAME.seq),
    pid: word(FRAME.pidLow),
    about: word(FRAME.aboutLow),
    bytes: Buffer.from(bytes.subarray(start, start + word(FRAME.length))),
  };
}

/** Waits for the reply to a pid and takes all frames up to it. */
async function replyTo(carrier: Carrier, replyPid: number): Promise<Buffer> {
  for (;;) {
    const { replies } = carrier;
    let found: Buffer | undefined;
    while (replies.next()) {
      const { kind, about, bytes, offset, length } = replies;
      if ((kind & ~KIND.ticket) === KIND.reply && about === replyPid) {
        const isLarge = (kind & KIND.ticket) !== 0;
        found = isLarge
          ? Buffer.from(carrier.takeBlock(bytes.readUInt32LE(offset)) as ArrayBuffer)
          : Buffer.from(bytes.subarray(offset, offset + length));
      }
      replies.release();
    }
    if (found !== undefined) return readReply(found).body;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

const plain: Parts = { path: "/hello", headers: [["host", "h"]] };
const noBody = new Uint8Array(0);

describe("a request", () => {
  it("reaches its guest with the same bytes straight from its head, kept, and by ticket", async () => {
    const carrier = await makeCarrier();
    for (const [i, body] of [
      noBody,
      Buffer.from("small"),
      Buffer.alloc(60_000, 1),
      Buffer.alloc(3 << 20, 2),
    ].entries()) {
      for (const isKept of [false, true]) {
        if (!isKept && body.length > 0) continue; // with a body it always is
        const replyPid = 1000 + i * 2 + Number(isKept);
        const envelope = new Envelope("id-1", replyPid);
        envelope.body = body;
        if (isKept) envelope.keepHead(headOf(plain));
        expect(envelope.send(carrier, ACTOR, carrier.nextSeq(), isKept ? null : headOf(plain))).toBe(true);
        carrier.wake();
        const expected = messageOf(plain, "id-1", replyPid, replyPid, body);
        expect((await replyTo(carrier, replyPid)).equals(expected)).toBe(true);
      }
    }
  });

  it("that finds no room is not sent, and is whole when it is sent later", async () => {
    const [full, free] = [await makeCarrier(), await makeCarrier()];
    let last: Envelope;
    let sent = -1;
    do {
      last = new Envelope("id", 2000 + ++sent);
      last.body = Buffer.alloc(30_000, sent);
      last.keepHead(headOf(plain));
    } while (last.send(full, NOBODY, full.nextSeq(), null));
    expect(sent).toBeGreaterThan(5);
    expect(last.send(free, ACTOR, free.nextSeq(), null)).toBe(true);
    free.wake();
    const expected = messageOf(plain, "id", last.tag, last.replyPid, last.body);
    expect((await replyTo(free, last.replyPid)).equals(expected)).toBe(true);
    const empty = new Envelope("id", 3000);
    while (new Envelope("id", 2999).send(full, NOBODY, full.nextSeq(), headOf(plain)));
    expect(empty.send(full, NOBODY, full.nextSeq(), headOf(plain))).toBe(false);
    expect([empty.head, empty.seq]).toEqual([null, 0]);
  });

  it("can be taken back until its carrier has begun it, once", async () => {
    const carrier = await makeCarrier(slow);
    const ask = (replyPid: number, path: string) => {
      const envelope = new Envelope("id", replyPid);
      expect(envelope.send(carrier, ACTOR, carrier.nextSeq(), headOf({ path, headers: [] }))).toBe(true);
      carrier.wake();
      return envelope;
    };
    const running = ask(1, "/");
    await replyTo(carrier, 1);
    const long = new Envelope("id", 2);
    const head = headOf({ path: "/", headers: [] });
    head.query = "do=sleep&ms=1000"; // until it has been seen running
    expect(long.send(carrier, ACTOR, carrier.nextSeq(), head)).toBe(true);
    carrier.wake();
    while (carrier.running()?.seq !== long.seq) await new Promise((resolve) => setTimeout(resolve, 1));
    const waiting = ask(3, "/");
    expect(long.takeBack(carrier)).toBe(false);
    expect(waiting.takeBack(carrier)).toBe(true);
    expect(waiting.takeBack(carrier)).toBe(false);
    expect(running.head).toBeNull();
    const next = ask(4, "/");
    await replyTo(carrier, 4);
    expect(next.takeBack(carrier)).toBe(false);
  });

  it("runs once more for another reply, under the tag that its bytes have", async () => {
    const [lost, other] = [await makeCarrier(), await makeCarrier()];
    const envelope = new Envelope("id", 4000);
    envelope.send(lost, NOBODY, lost.nextSeq(), headOf(plain));
    envelope.runAgain(lost, 4001);
    expect([envelope.tag, envelope.replyPid]).toEqual([4000, 4001]);
    expect(envelope.send(other, ACTOR, other.nextSeq(), null)).toBe(true);
    other.wake();
    expect((await replyTo(other, 4001)).equals(messageOf(plain, "id", 4000, 4001, noBody))).toBe(true);
  });

  it("keeps its bytes through any number of carriers", async () => {
    const [one, two] = [await makeCarrier(), await makeCarrier()];
    const value = fc.oneof(fc.stringMatching(/^[!-~]{0,60}$/), fc.string({ unit: "grapheme", maxLength: 40 }));
    const header = fc.tuple(fc.stringMatching(/^[a-z][a-z0-9-]{0,20}$/), value);
    const headers = fc.uniqueArray(header, { maxLength: 20, selector: ([name]) => name });
    const body = fc.oneof(fc.constant(noBody), fc.uint8Array({ maxLength: 400 }), fc.constant(Buffer.alloc(70_000, 7)));
    const request = fc.record({ path: fc.stringMatching(/^\/[!-~]{0,60}$/), headers, body, moves: fc.nat({ max: 3 }) });
    let pid = 10_000;
    await fc.assert(
      fc.asyncProperty(request, async ({ path, headers, body, moves }) => {
        const parts = { path, headers: headers.filter(([name]) => name !== "x-request-id") };
        const replyPid = ++pid;
        const envelope = new Envelope("abc", replyPid);
        envelope.body = body;
        if (body.length > 0) envelope.keepHead(headOf(parts));
        let head = body.length > 0 ? null : headOf(parts);
        const expected = messageOf(parts, "abc", replyPid, replyPid, body);
        for (let move = 0; move < moves; move++) {
          const carrier = move % 2 === 0 ? one : two;
          while (!envelope.send(carrier, NOBODY, move + 1, head)) await new Promise((resolve) => setImmediate(resolve));
          head = null;
          const frame = frameOf(carrier, envelope);
          expect(frame).toMatchObject({ seq: move + 1, pid: NOBODY, about: replyPid, claim: CLAIM_PENDING });
          if (frame.kind === KIND.request) expect(frame.bytes.equals(expected)).toBe(true);
          expect(envelope.takeBack(carrier)).toBe(true);
          carrier.wake();
        }
        const last = moves % 2 === 0 ? two : one;
        while (!envelope.send(last, ACTOR, 99, head)) await new Promise((resolve) => setImmediate(resolve));
        last.wake();
        expect((await replyTo(last, replyPid)).equals(expected)).toBe(true);
        expect(envelope.takeBack(last)).toBe(false);
      }),
      { numRuns: 150 },
    );
  });

  it("that was claimed is no longer its sender's", async () => {
    const carrier = await makeCarrier();
    const envelope = new Envelope("id", 50);
    envelope.send(carrier, NOBODY, 1, headOf(plain));
    expect(claimFrame(carrier.requests.words, envelope.offset, CLAIM_PENDING, CLAIM_TAKEN)).toBe(true);
    expect(envelope.takeBack(carrier)).toBe(false);
  });
});
