// actors/processes/mailbox.ts against a model: arrival order, tags, bounds, and what arrived after a mark.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Mailbox, Message, type MessageKind } from "../../../../actors/processes/mailbox.ts";

const data = (tag = 0n, length = 0) => new Message("data", tag, new Uint8Array(length), 0, length);
const roomy = { messagesMax: 1000, bytesMax: 1_000_000 };

describe("a mailbox", () => {
  it("gives the oldest message of any kind when no tag is asked for", () => {
    const mailbox = new Mailbox(roomy);
    const messages = [data(5n), new Message("link_died", 9n), data(), new Message("process_died", 0n)];
    for (const message of messages) mailbox.push(message);
    expect([1, 2, 3, 4].map(() => mailbox.take())).toEqual(messages);
    expect(mailbox.take()).toBeUndefined();
  });

  it("never matches an untagged message by tag, even if 0 is listed", () => {
    const mailbox = new Mailbox(roomy);
    mailbox.push(data(0n));
    mailbox.push(new Message("process_died", 0n));
    expect(mailbox.take([0n])).toBeUndefined();
    expect(mailbox.take([])).toBeUndefined();
    expect(mailbox.length).toBe(2);
  });

  it("finds the same among many tags as among few", () => {
    const many = Array.from({ length: 1024 }, (_, i) => BigInt(i + 100));
    const mailbox = new Mailbox(roomy);
    for (const tag of [0n, 5n, 300n, 200n]) mailbox.push(data(tag));
    expect(mailbox.take([...many, 0n])?.tag).toBe(300n);
    expect(mailbox.take(many)?.tag).toBe(200n);
    expect(mailbox.take(many)).toBeUndefined();
    expect(mailbox.length).toBe(2);
  });

  it("tells tags apart that no number can", () => {
    const mailbox = new Mailbox(roomy);
    const tag = 0x0200_0000_0000_0084n;
    mailbox.push(data(tag + 1n));
    expect(mailbox.take([tag])).toBeUndefined();
    expect(mailbox.take([1n, tag + 1n])?.tag).toBe(tag + 1n);
  });

  it("refuses data above either bound, and takes every other kind and what is without bound", () => {
    const mailbox = new Mailbox({ messagesMax: 2, bytesMax: 10 });
    expect(mailbox.push(data(0n, 11))).toBe(false);
    expect(mailbox.push(data(0n, 10))).toBe(true);
    expect(mailbox.push(data(0n, 1))).toBe(false);
    expect(mailbox.push(data(0n, 0))).toBe(true);
    expect(mailbox.push(data(0n, 0))).toBe(false);
    expect(mailbox.push(new Message("link_died", 1n))).toBe(true);
    expect(mailbox.push(new Message("process_died", 0n))).toBe(true);
    expect(mailbox.push(data(0n, 1000), false)).toBe(true);
    expect([mailbox.length, mailbox.bytes, mailbox.arrived]).toEqual([5, 1010, 5]);
  });
});

/** What the mailbox is meant to be: a list. */
class Model {
  queue: { nth: number; kind: MessageKind; tag: bigint; length: number }[] = [];
  arrived = 0;

  take(test: (tag: bigint, nth: number) => boolean): number | undefined {
    const at = this.queue.findIndex(({ tag, nth }) => test(tag, nth));
    return at < 0 ? undefined : this.queue.splice(at, 1)[0]?.nth;
  }
}

describe("a mailbox, whatever is done to it,", () => {
  const tag = fc.bigInt({ min: 0n, max: 4n });
  const command = fc.oneof(
    fc.record({ do: fc.constant("push" as const), tag, length: fc.nat({ max: 30 }) }),
    fc.record({ do: fc.constant("died" as const), tag }),
    fc.record({ do: fc.constant("take" as const), tags: fc.array(tag, { maxLength: 3 }) }),
    fc.record({ do: fc.constant("mark" as const) }),
    fc.record({ do: fc.constant("takeAfter" as const), tag: fc.option(tag, { nil: undefined }) }),
    fc.record({ do: fc.constant("drop" as const), tag }),
  );

  it("behaves as a list with bounds", () => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 80 }), (commands) => {
        const limits = { messagesMax: 8, bytesMax: 100 };
        const mailbox = new Mailbox(limits);
        const model = new Model();
        let mark = 0;
        for (const step of commands) {
          switch (step.do) {
            case "push":
            case "died": {
              const [kind, length] =
                step.do === "push" ? (["data", step.length] as const) : (["link_died", 0] as const);
              const used = model.queue.reduce((sum, each) => sum + each.length, 0);
              const fits = model.queue.length < limits.messagesMax && used + length <= limits.bytesMax;
              const accepted = kind !== "data" || fits;
              const nth = model.arrived;
              const message = new Message(kind, step.tag, new Uint8Array(length), 0, length, nth);
              expect(mailbox.push(message)).toBe(accepted);
              if (accepted) model.queue.push({ nth: model.arrived++, kind, tag: step.tag, length });
              break;
            }
            case "take": {
              const { tags } = step;
              const wanted = model.take((each) => tags.length === 0 || (each !== 0n && tags.includes(each)));
              expect(mailbox.take(tags.length === 0 ? undefined : tags)?.process).toBe(wanted);
              mark = model.arrived; // a mark holds only while nothing is taken
              break;
            }
            case "mark":
              mark = mailbox.arrived;
              break;
            case "takeAfter": {
              const from = mark;
              const wanted = model.take((each, nth) => nth >= from && (step.tag === undefined || each === step.tag));
              expect(mailbox.takeArrivedAfter(mark, step.tag === undefined ? undefined : [step.tag])?.process).toBe(
                wanted,
              );
              mark = model.arrived;
              break;
            }
            case "drop":
              mailbox.drop((message) => message.tag === step.tag);
              model.queue = model.queue.filter((each) => each.tag !== step.tag);
              mark = model.arrived;
              break;
          }
          expect(mailbox.arrived).toBe(model.arrived);
          expect(mailbox.length).toBe(model.queue.length);
          expect(mailbox.bytes).toBe(model.queue.reduce((sum, each) => sum + each.length, 0));
        }
      }),
      { numRuns: 1000 },
    );
  });
});
