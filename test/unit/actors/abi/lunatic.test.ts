// actors/abi/lunatic/lunatic.ts as a guest sees it, through the real actor, host, sender and output.
import { describe, expect, it } from "vitest";
import { badReplies } from "../../../guests/bad-replies.ts";
import { readReply, requestMessage } from "../../../guests/minimal-host.ts";
import { compile, type Inside, inside, LocalCarrier } from "../../../harness/local-carrier.ts";

const NEVER = -1n;
const TIMED_OUT = 9027;

/** Runs a step that must trap, and gives what the exit says. */
function trapOf(step: (inside: Inside) => void, options: Parameters<typeof inside>[1] = {}): string {
  const { exit } = inside(step, options);
  expect(exit.reason).toBe("trap");
  return exit.text;
}

describe("the scratch message", () => {
  it("is received, read by a cursor and sent", () => {
    const request = requestMessage({ pid: 7 });
    const { exit, replies } = inside(
      ({ call, memory }) => {
        expect(call("message.receive", 0, 0, NEVER)).toBe(0);
        expect(call("message.get_tag")).toBe(0n);
        expect(call("message.data_size")).toBe(BigInt(request.length));
        let got = Buffer.alloc(0);
        for (const size of [1, 2, 31, 32, 3, 10_000]) {
          const read = call("message.read_data", 1000, size) as number;
          expect(read).toBe(Math.min(size, request.length - got.length));
          got = Buffer.concat([got, memory().subarray(1000, 1000 + read)]);
        }
        expect(got.equals(request)).toBe(true);
        expect(call("message.read_data", 1000, 5)).toBe(0);
        expect(call("message.data_size")).toBe(BigInt(request.length));
        call("message.create_data", 0n, 0n);
        memory().write("one two", 2000);
        expect(call("message.write_data", 2000, 4)).toBe(4);
        expect(call("message.write_data", 2004, 3)).toBe(3);
        expect(call("message.data_size")).toBe(7n);
        expect(call("message.send", 7n)).toBe(0);
      },
      { request },
    );
    expect(exit).toEqual({ reason: "normal", text: "" });
    expect(replies.map(({ about, bytes }) => [about, bytes.toString()])).toEqual([[7, "one two"]]);
  });

  it("is empty at first, after a send, and after a time-out of send_receive_skip_search", () => {
    for (const name of ["get_tag", "get_process_id", "data_size", "send", "write_data", "read_data", "seek_data"]) {
      const args = { send: [7n], write_data: [0, 1], read_data: [0, 1], seek_data: [0n] }[name] ?? [];
      const text = `lunatic::message.${name} without a message`;
      expect(trapOf(({ call }) => call(`message.${name}`, ...args))).toBe(text);
      expect(
        trapOf(({ call }) => {
          call("message.create_data", 0n, 0n);
          call("message.send", 99n);
          call(`message.${name}`, ...args);
        }),
      ).toBe(text);
      expect(
        trapOf(({ call }) => {
          call("message.create_data", 5n, 0n);
          expect(call("message.send_receive_skip_search", 99n, 5n, 0n)).toBe(TIMED_OUT);
          call(`message.${name}`, ...args);
        }),
      ).toBe(text);
    }
  });

  it("keeps its tag as 64 bits and gives it back signed, as wasm has it", () => {
    inside(({ call }) => {
      for (const tag of [0n, 1n, 2n ** 53n + 1n, 2n ** 63n - 1n, -1n, -(2n ** 63n)]) {
        call("message.create_data", tag, 0n);
        expect(call("message.get_tag")).toBe(tag);
        expect(call("message.get_process_id")).toBe(0n);
      }
    });
  });

  it("ignores the capacity that a guest names", () => {
    const before = process.memoryUsage().arrayBuffers;
    inside(({ call }) => {
      for (const capacity of [2n ** 40n, -1n]) call("message.create_data", 0n, capacity);
      call("message.send", 7n);
    });
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 << 20);
  });

  it("seeks anywhere, and traps only when it is read beyond the end", () => {
    inside(({ call, memory }) => {
      memory().write("abcdef", 0);
      call("message.create_data", 0n, 0n);
      call("message.write_data", 0, 6);
      for (const [position, expected] of [
        [4n, "ef"],
        [0n, "abcdef"],
        [6n, ""],
      ] as const) {
        call("message.seek_data", position);
        expect(call("message.read_data", 100, 50)).toBe(expected.length);
        expect(memory().toString("utf8", 100, 100 + expected.length)).toBe(expected);
      }
      call("message.seek_data", -1n);
      call("message.seek_data", 7n);
    });
    expect(
      trapOf(({ call }) => {
        call("message.create_data", 0n, 0n);
        call("message.seek_data", 1n);
        call("message.read_data", 0, 1);
      }),
    ).toBe("lunatic::message.read_data beyond the end of the message");
  });

  it("takes more bytes after it was received, without touching the ring", () => {
    const request = requestMessage({ pid: 7 });
    const { replies } = inside(
      ({ call, memory }) => {
        call("message.receive", 0, 0, NEVER);
        memory().write("more", 0);
        call("message.write_data", 0, 4);
        call("message.send", 7n);
      },
      { request },
    );
    expect(replies[0]?.bytes.equals(Buffer.concat([request, Buffer.from("more")]))).toBe(true);
  });

  it("is the message received last, and a create_data discards it", () => {
    inside(({ call, memory }) => {
      memory().write("AB", 0);
      for (const [tag, at] of [
        [1n, 0],
        [2n, 1],
      ] as const) {
        call("message.create_data", tag, 0n);
        call("message.write_data", at, 1);
        call("message.send", call("process.process_id") as bigint);
      }
      memory().writeBigInt64LE(2n, 64);
      expect(call("message.receive", 64, 1, NEVER)).toBe(0);
      memory().writeBigInt64LE(1n, 64);
      expect(call("message.receive", 64, 1, NEVER)).toBe(0);
      expect(call("message.get_tag")).toBe(1n);
      call("message.read_data", 10, 1);
      expect(memory().toString("utf8", 10, 11)).toBe("A");
      call("message.create_data", 3n, 0n);
      expect(call("message.data_size")).toBe(0n);
    });
  });

  it("never grows beyond the reply's limit and 64 KiB", () => {
    const spec = { replyBytesMax: 100_000 };
    const max = 100_000 + 64 * 1024;
    const text = trapOf(
      ({ call }) => {
        call("message.create_data", 0n, 0n);
        for (let written = 0; ; written += 60_000) {
          expect(written).toBeLessThanOrEqual(max);
          call("message.write_data", 0, 60_000);
        }
      },
      { spec },
    );
    expect(text).toBe(`a message of more than ${max} bytes`);
    const { replies } = inside(
      ({ call }) => {
        call("message.create_data", 0n, 0n);
        call("message.write_data", 0, 100_000);
        call("message.write_data", 0, 64 * 1024);
        call("message.send", 7n);
      },
      { spec },
    );
    expect(replies[0]?.bytes.length).toBe(max);
  });

  it("traps on every range that is not in memory, and never writes or reads outside", () => {
    const outside = [
      [-16, 256],
      [131_072, 1],
      [131_071, 2],
      [0, -1],
      [0, 131_073],
      [-1, 1],
    ] as const;
    for (const [pointer, length] of outside) {
      const asked = `out of bounds: a host function was given ${length >>> 0} bytes at ${pointer >>> 0}`;
      expect(
        trapOf(({ call }) => {
          call("message.create_data", 0n, 0n);
          call("message.write_data", pointer, length);
        }),
      ).toBe(asked);
    }
    // A read is bounded by the message, so only what would be written counts.
    expect(
      trapOf(({ call }) => {
        call("message.receive", 0, 0, NEVER);
        call("message.read_data", 131_071, -1);
      }),
    ).toMatch(/^out of bounds/);
    inside(({ call }) => {
      call("message.create_data", 0n, 0n);
      expect(call("message.write_data", 131_072, 0)).toBe(0);
      expect(call("message.write_data", 0, 131_072)).toBe(131_072);
    });
  });
});

describe("receive", () => {
  it("returns 9027 at once or after its time, and leaves the scratch message", () => {
    const { carrier } = inside(({ call, memory }) => {
      call("message.receive", 0, 0, NEVER);
      const size = call("message.data_size");
      expect(call("message.receive", 0, 0, 0n)).toBe(TIMED_OUT);
      expect(call("message.receive", 8, 0, 3n)).toBe(TIMED_OUT);
      memory().writeBigInt64LE(5n, 64);
      expect(call("message.receive", 64, 1, 4n)).toBe(TIMED_OUT);
      expect(call("message.data_size")).toBe(size);
    });
    expect(carrier.waits).toEqual([3, 4]);
  });

  it("finds by tag what lies behind others, and leaves those", () => {
    inside(({ call, memory }) => {
      const send = (tag: bigint) => {
        call("message.create_data", tag, 0n);
        call("message.send", call("process.process_id") as bigint);
      };
      for (const tag of [5n, 9n, 0n, 5n]) send(tag);
      memory().writeBigInt64LE(9n, 0);
      memory().writeBigInt64LE(0n, 8);
      expect(call("message.receive", 0, 2, NEVER)).toBe(0);
      expect(call("message.get_tag")).toBe(9n);
      expect(call("message.receive", 0, 2, 0n)).toBe(TIMED_OUT); // untagged never matches, even if 0 is listed
      const left = [1, 2, 3, 4].map(() => {
        expect(call("message.receive", 0, 0, 0n)).toBe(0);
        return call("message.get_tag");
      });
      expect(left).toEqual([0n, 5n, 0n, 5n]); // the request came first
    });
  });

  it("traps on a list of tags that is not in memory or is absurdly long", () => {
    expect(trapOf(({ call }) => call("message.receive", 131_064, 2, 0n))).toMatch(/^out of bounds/);
    expect(trapOf(({ call }) => call("message.receive", 0, 1025, 0n))).toBe("a receive with 1025 tags");
    expect(trapOf(({ call }) => call("message.receive", 0, -1, 0n))).toBe("a receive with 4294967295 tags");
  });
});

describe("send", () => {
  it("to the reply pid goes out once; a second, a wrong or a foreign one is a dead letter", () => {
    const { replies, carrier } = inside(({ call }) => {
      for (const pid of [8n, 7n, 7n, 12_345n, -1n, 0n]) {
        call("message.create_data", 0n, 0n);
        expect(call("message.send", pid)).toBe(0);
      }
    });
    expect(replies.map(({ about }) => about)).toEqual([7]);
    expect(carrier.deadLetters).toBe(5);
  });

  it("works for guests of 0.10, whose sends have no result", () => {
    const { replies, carrier } = inside(
      ({ call }) => {
        call("message.create_data", 0n, 0n);
        expect(call("message.send", 7n)).toBeUndefined();
      },
      { age: "old" },
    );
    expect(replies).toHaveLength(1);
    expect(carrier.deadLetters).toBe(0);
  });

  it("to itself copies the message and its tag", () => {
    inside(({ call, memory, actor }) => {
      call("message.receive", 0, 0, NEVER);
      memory().write("first", 0);
      call("message.create_data", 11n, 0n);
      call("message.write_data", 0, 5);
      call("message.send", BigInt(actor.process.pid));
      memory().write("other", 0);
      call("message.create_data", 0n, 0n);
      call("message.write_data", 0, 5);
      expect(call("message.receive", 0, 0, NEVER)).toBe(0);
      expect(call("message.get_tag")).toBe(11n);
      expect(call("message.read_data", 100, 100)).toBe(5);
      expect(memory().toString("utf8", 100, 105)).toBe("first");
    });
  });

  it("to itself is bounded in number and in bytes", () => {
    const flood = (length: number) => {
      let sent = 0;
      const text = trapOf(({ call }) => {
        for (;;) {
          call("message.create_data", 1n, 0n);
          call("message.write_data", 0, length);
          call("message.send", call("process.process_id") as bigint);
          sent++;
        }
      });
      expect(text).toMatch(/^its own mailbox is full/);
      return sent;
    };
    expect(flood(0)).toBe(1023); // the request is in it, too
    expect(flood(100_000)).toBe(10);
  });

  it("to another node traps, for guests of every age", () => {
    for (const age of ["new", "old"] as const) {
      const text = trapOf(
        ({ call }) => {
          call("message.create_data", 0n, 0n);
          call("distributed.send", 9n, 7n);
        },
        { age },
      );
      expect(text).toBe("there is no node 9: this host is not part of a cluster");
    }
  });
});

describe("send_receive_skip_search", () => {
  const sendSelf = ({ call }: Inside, tag: bigint) => {
    call("message.create_data", tag, 0n);
    call("message.send", call("process.process_id") as bigint);
  };

  it("skips what was queued, even with the right tag", () => {
    inside((it) => {
      sendSelf(it, 5n);
      it.call("message.create_data", 6n, 0n);
      expect(it.call("message.send_receive_skip_search", 99n, 5n, 0n)).toBe(TIMED_OUT);
      it.call("message.create_data", 5n, 0n);
      expect(it.call("message.send_receive_skip_search", it.call("process.process_id") as bigint, 5n, 0n)).toBe(0);
      expect(it.call("message.get_tag")).toBe(5n);
      it.memory().writeBigInt64LE(5n, 0);
      expect(it.call("message.receive", 0, 1, 0n)).toBe(0); // the first is still there
      expect(it.call("message.receive", 0, 1, 0n)).toBe(TIMED_OUT);
    });
  });

  it("waits for the tag of what it sent in guests up to 0.12, for anything if that has none", () => {
    inside(
      (it) => {
        const self = it.call("process.process_id") as bigint;
        sendSelf(it, 5n);
        it.call("message.create_data", 5n, 0n);
        expect(it.call("message.send_receive_skip_search", 99n, 0n)).toBe(TIMED_OUT);
        it.call("message.create_data", 5n, 0n);
        expect(it.call("message.send_receive_skip_search", self, 0n)).toBe(0);
        it.call("message.create_data", 0n, 0n);
        expect(it.call("message.send_receive_skip_search", self, 0n)).toBe(0);
        expect(it.call("message.get_tag")).toBe(0n);
      },
      { age: "old" },
    );
  });
});

describe("the small functions", () => {
  it("answer as one node outside of any cluster", () => {
    inside(({ call, actor }) => {
      expect(call("distributed.node_id")).toBe(0n);
      expect(call("distributed.module_id")).toBe(0n);
      expect(call("distributed.nodes_count")).toBe(0);
      expect(call("distributed.get_nodes", 0, 10)).toBe(0);
      expect(call("process.process_id")).toBe(BigInt(actor.process.pid));
      expect(call("process.environment_id")).toBe(1n);
      expect([call("version.major"), call("version.minor"), call("version.patch")]).toEqual([0, 13, 2]);
    });
  });

  it("sleep for the time that was asked", () => {
    const { carrier } = inside(({ call }) => {
      call("process.sleep_ms", 0n);
      call("process.sleep_ms", 3n);
    });
    expect(carrier.waits).toEqual([3]);
  });

  it("give the text of an error, and keep id 0 for the time-out", () => {
    inside(({ call, memory, actor }) => {
      const id = actor.process.resources.errors.add("žluť") as bigint;
      expect(call("error.string_size", id)).toBe(6);
      call("error.to_string", id, 100);
      expect(memory().toString("utf8", 100, 107)).toBe("žluť\0");
      call("error.drop", id);
      for (let i = 0; i < 2; i++) {
        expect(call("error.string_size", 0n)).toBe(9);
        call("error.to_string", 0n, 200);
        expect(memory().toString("utf8", 200, 209)).toBe("timed out");
        call("error.drop", 0n);
      }
    });
    for (const name of ["string_size", "drop"]) {
      expect(trapOf(({ call }) => call(`error.${name}`, 1n))).toBe("there is no error 1");
    }
    expect(trapOf(({ call }) => call("error.to_string", 0n, 131_070))).toMatch(/^out of bounds/);
    expect(trapOf(({ call }) => call("error.string_size", -1n))).toBe("there is no error 18446744073709551615");
  });
});

describe("the test guests", () => {
  it("tags receives selectively and gives up in time", async () => {
    const carrier = new LocalCarrier();
    const { replies } = carrier.run(carrier.started(await compile("tags")));
    expect(readReply(replies[0]!.bytes).body.toString()).toBe("nine:9 five:5 zero:0 more:5 9027 9027");
    expect(carrier.waits).toEqual([20]);
  });

  it("echo-raw sees the very bytes, up to the body's limit and beyond the mailbox's", async () => {
    const carrier = new LocalCarrier();
    const actor = carrier.started(await compile("echo-raw"));
    for (const size of [0, 100, 65_536, 1 << 20, 3 << 20]) {
      const request = requestMessage({ pid: 7, body: Buffer.alloc(size, 3) });
      const { replies, exit } = carrier.runMessage(actor, request, 7);
      expect(exit.reason).toBe("normal");
      expect(readReply(replies[0]!.bytes).body.equals(request)).toBe(true);
      actor.settle({ reason: "trap", text: "so that each has a new instance" });
      actor.start();
    }
  });

  it("replies reaches the client once, in whatever way it misses", async () => {
    const compiled = await compile("replies");
    const outcome = (query: string) => {
      const carrier = new LocalCarrier();
      const { replies, exit } = carrier.run(carrier.started(compiled), { uri: `/?${query}` });
      return [exit.reason, replies.length, carrier.deadLetters];
    };
    expect(outcome("do=once")).toEqual(["normal", 1, 0]);
    expect(outcome("do=twice")).toEqual(["normal", 1, 1]);
    expect(outcome("do=next")).toEqual(["normal", 1, 1]);
    expect(outcome("do=wrong")).toEqual(["normal", 0, 1]);
    expect(outcome("do=foreign&pid=12345")).toEqual(["normal", 0, 1]);
    expect(outcome("do=node")).toEqual(["trap", 0, 0]);
    expect(outcome("do=none")).toEqual(["normal", 0, 0]);
    expect(outcome("do=unsent")).toEqual(["normal", 0, 0]);
  });

  it("old-service of 2022 answers", async () => {
    const carrier = new LocalCarrier();
    const actor = carrier.started(await compile("old-service"));
    for (let i = 0; i < 3; i++) {
      const body = Buffer.from("hi");
      const { replies } = carrier.run(actor, { method: "Post", uri: "/test1/", tag: 130, body });
      expect(readReply(replies[0]!.bytes)).toMatchObject({ tag: 130, status: 200 });
      expect(readReply(replies[0]!.bytes).body.toString()).toBe("Post /test1/\nhi");
    }
  });

  it("status sends bad replies whole: judging them is the main thread's", async () => {
    const carrier = new LocalCarrier();
    const actor = carrier.started(await compile("status"));
    for (const [name, { query, body }] of Object.entries(badReplies)) {
      const { replies } = carrier.run(actor, { uri: `/?${query}`, body });
      expect(replies, name).toHaveLength(1);
      if (query === "do=raw") expect(replies[0]!.bytes.equals(body), name).toBe(true);
    }
  });

  it.each(["scratch-bomb", "self-flood"])("hostile's %s ends by itself and costs one instance", async (way) => {
    const carrier = new LocalCarrier();
    const actor = carrier.started(await compile("hostile"));
    expect(carrier.run(actor, { uri: `/?do=${way}` }).exit.reason).toBe("trap");
    expect(carrier.run(actor, { uri: "/" }).exit.reason).toBe("normal");
  });
});
