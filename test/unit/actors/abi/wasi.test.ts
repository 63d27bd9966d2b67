// actors/abi/wasi/wasi.ts as a guest sees it: layouts, clocks, output, sleeping, exits, and errors where there are no
// files.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Stdin } from "../../../../actors/processes/stdin.ts";
import { abiTable } from "../../../../wire/abi/table.ts";
import { type Inside, inside } from "../../../harness/local-carrier.ts";

const SUCCESS = 0;
const BADF = 8;
const INVAL = 28;
const NOSYS = 52;
const NOTDIR = 54;
const SPIPE = 70;
const NOTCAPABLE = 76;
const MS = 1_000_000n;

/** Standard input that has, each time it is looked at anew after a read or a wait, the next of these. */
class TestInput implements Stdin {
  coming: (number | undefined)[];

  constructor(coming: (number | undefined)[]) {
    this.coming = coming;
  }

  get available(): number | undefined {
    const next = this.coming[0];
    if (next === undefined) this.coming.shift(); // by the next look it has come
    return next;
  }

  read(into: Uint8Array): number {
    const length = Math.min(into.length, this.coming[0] ?? 0);
    into.fill(0x78, 0, length);
    this.coming[0] = (this.coming[0] ?? 0) - length;
    if (this.coming[0] === 0 && this.coming.length > 1) this.coming.shift();
    return length;
  }
}

describe("arguments and environment", () => {
  /** Reads a list as a guest does: sizes first, then pointers and bytes. */
  const list = ({ call, memory }: Inside, kind: "args" | "environ"): string[] => {
    expect(call(`wasi.${kind}_sizes_get`, 0, 4)).toBe(SUCCESS);
    const [count, bytes] = [memory().readUInt32LE(0), memory().readUInt32LE(4)];
    const [pointers, start] = [64, 4096];
    memory().fill(0xee, start, start + bytes + 1);
    expect(call(`wasi.${kind}_get`, pointers, start)).toBe(SUCCESS);
    expect(memory()[start + bytes]).toBe(0xee);
    let at = start;
    const texts = Array.from({ length: count }, (_, i) => {
      expect(memory().readUInt32LE(pointers + i * 4)).toBe(at);
      const end = memory().indexOf(0, at);
      const text = memory().toString("utf8", at, end);
      at = end + 1;
      return text;
    });
    expect(at).toBe(start + bytes);
    return texts;
  };

  it("are laid out one behind the other, each with a NUL", () => {
    const text = fc.string({ unit: "grapheme", maxLength: 12 }).filter((each) => !each.includes("\0"));
    fc.assert(
      fc.property(fc.array(text, { maxLength: 8 }), fc.dictionary(text, text, { maxKeys: 8 }), (args, env) => {
        inside(
          (guest) => {
            expect(list(guest, "args")).toEqual(args);
            expect(list(guest, "environ")).toEqual(Object.entries(env).map(([name, value]) => `${name}=${value}`));
          },
          { spec: { args, env } },
        );
      }),
      { numRuns: 60 },
    );
  });

  it("are written only where there is memory", () => {
    const spec = { args: ["one"], env: { A: "1" } };
    for (const kind of ["args", "environ"]) {
      for (const [pointers, bytes] of [
        [131_070, 0],
        [0, 131_071],
        [-4, 0],
      ] as const) {
        const { exit } = inside(({ call }) => call(`wasi.${kind}_get`, pointers, bytes), { spec });
        expect(exit.text).toMatch(/^out of bounds/);
      }
    }
  });
});

describe("clocks and randomness", () => {
  it("give whole milliseconds of four clocks, and the resolution says so", () => {
    inside(({ call, memory }) => {
      const before = BigInt(Date.now());
      for (const clock of [0, 1, 2, 3]) {
        expect(call("wasi.clock_time_get", clock, 1n, 8)).toBe(SUCCESS);
        expect(memory().readBigUInt64LE(8) % MS).toBe(0n);
        expect(call("wasi.clock_res_get", clock, 16)).toBe(SUCCESS);
        expect(memory().readBigUInt64LE(16)).toBe(MS);
      }
      call("wasi.clock_time_get", 0, 1n, 8);
      const realtime = memory().readBigUInt64LE(8) / MS;
      expect(realtime >= before && realtime <= BigInt(Date.now())).toBe(true);
      call("wasi.clock_time_get", 1, 1n, 8);
      const first = memory().readBigUInt64LE(8);
      call("wasi.clock_time_get", 1, 1n, 8);
      expect(memory().readBigUInt64LE(8) >= first).toBe(true);
    });
  });

  it("refuse other clocks", () => {
    inside(({ call }) => {
      for (const clock of [4, -1]) {
        expect(call("wasi.clock_time_get", clock, 1n, 8)).toBe(INVAL);
        expect(call("wasi.clock_res_get", clock, 8)).toBe(INVAL);
      }
    });
  });

  it("fill exactly the bytes that were asked for", () => {
    inside(({ call, memory }) => {
      for (const length of [0, 1, 7, 100, 70_000]) {
        memory().fill(0, 0, 80_000);
        expect(call("wasi.random_get", 100, length)).toBe(SUCCESS);
        expect(memory().subarray(0, 100).some(Boolean)).toBe(false);
        expect(
          memory()
            .subarray(100 + length, 80_000)
            .some(Boolean),
        ).toBe(false);
        if (length >= 100)
          expect(
            memory()
              .subarray(100, 100 + length)
              .some(Boolean),
          ).toBe(true);
      }
    });
    expect(inside(({ call }) => call("wasi.random_get", 100, -1)).exit.text).toMatch(/^out of bounds/);
  });
});

describe("output", () => {
  /** Puts the texts into memory and a list of vectors at 0. */
  const vectors = (memory: Buffer, texts: readonly string[]): void => {
    let at = 4096;
    for (const [i, text] of texts.entries()) {
      memory.writeUInt32LE(at, i * 8);
      memory.writeUInt32LE(memory.write(text, at), i * 8 + 4);
      at += Buffer.byteLength(text);
    }
  };

  it("of one call is one piece, however many vectors it has", () => {
    const { output } = inside(({ call, memory }) => {
      vectors(memory(), ["one ", "", "two ", "žluť\n"]);
      expect(call("wasi.fd_write", 1, 0, 4, 64)).toBe(SUCCESS);
      expect(memory().readUInt32LE(64)).toBe(15);
      expect(call("wasi.fd_write", 2, 0, 1, 64)).toBe(SUCCESS);
      expect(call("wasi.fd_write", 1, 0, 0, 64)).toBe(SUCCESS);
      expect(memory().readUInt32LE(64)).toBe(0);
    });
    expect(output).toBe("one two žluť\none ");
  });

  it("goes to descriptors 1 and 2 only", () => {
    const { output } = inside(({ call, memory }) => {
      vectors(memory(), ["text"]);
      for (const fd of [0, 3, 100, -1]) expect(call("wasi.fd_write", fd, 0, 1, 64)).toBe(BADF);
    });
    expect(output).toBe("");
  });

  it("refuses more than 1,024 vectors and traps on those outside of memory", () => {
    inside(({ call }) => expect(call("wasi.fd_write", 1, 0, 1025, 64)).toBe(INVAL));
    const traps = (step: (guest: Inside) => void) => expect(inside(step).exit.text).toMatch(/^out of bounds/);
    traps(({ call }) => call("wasi.fd_write", 1, 131_068, 1, 64));
    traps(({ call, memory }) => {
      memory().writeUInt32LE(131_000, 0);
      memory().writeUInt32LE(100, 4);
      call("wasi.fd_write", 1, 0, 1, 64);
    });
    traps(({ call, memory }) => {
      vectors(memory(), ["x"]);
      call("wasi.fd_write", 1, 0, 1, 131_070);
    });
  });

  it("of a request is bounded; the rest is dropped and counted, and one line says so", () => {
    const spec = { outputRequestBytesMax: 1000 };
    const { output, carrier } = inside(
      ({ call, memory }) => {
        vectors(memory(), ["x".repeat(300)]);
        for (let i = 0; i < 10; i++) {
          expect(call("wasi.fd_write", 1, 0, 1, 64)).toBe(SUCCESS);
          expect(memory().readUInt32LE(64)).toBe(300);
        }
      },
      { spec },
    );
    expect(output).toBe(`${"x".repeat(1000)}[output over the limit is dropped]\n`);
    expect(carrier.outputDropped).toBe(2000);
  });

  it("never makes a copy as large as a guest wants", () => {
    const { carrier } = inside(({ call, memory }) => {
      for (let i = 0; i < 1024; i++) {
        memory().writeUInt32LE(0, i * 8);
        memory().writeUInt32LE(131_072, i * 8 + 4);
      }
      expect(call("wasi.fd_write", 1, 0, 1024, 64)).toBe(SUCCESS);
    });
    expect(carrier.outputPieceMax).toBe(1 << 20);
    expect(carrier.outputDropped).toBe((1 << 20) - 65_536 / 4); // each zero is \x00 in the log
  });
});

describe("proc_exit", () => {
  it.each([
    [0, { reason: "normal", text: "" }],
    [1, { reason: "exit", text: "1" }],
    [-1, { reason: "exit", text: "4294967295" }],
  ])("(%i) ends the guest there and then", (code, expected) => {
    let went = false;
    const { exit } = inside(({ call }) => {
      call("wasi.proc_exit", code);
      went = true;
    });
    expect(exit).toEqual(expected);
    expect(went).toBe(false);
  });

  it("cannot be survived: every later import traps, and the first reason stays", () => {
    const later = ["message.receive", "message.create_data", "wasi.random_get", "wasi.fd_write", "wasi.proc_exit"];
    let traps = 0;
    const { exit } = inside(({ call }) => {
      for (const [name, ...args] of [["wasi.proc_exit", 7], ...later.map((each) => [each])] as [
        string,
        ...number[],
      ][]) {
        const given = { "message.receive": [0, 0, 0n], "message.create_data": [0n, 0n] }[name] ?? args;
        try {
          call(name, ...given);
        } catch {
          traps++; // JavaScript can catch what a wasm guest cannot
        }
      }
    });
    expect(traps).toBe(1 + later.length);
    expect(exit).toEqual({ reason: "exit", text: "7" });
  });
});

describe("poll_oneoff", () => {
  interface Wanted {
    readonly userdata: bigint;
    readonly type: 0 | 1 | 2;
    readonly clockOrFd: number;
    readonly nanos?: bigint;
    readonly isAbsolute?: boolean;
  }
  const poll = ({ call, memory }: Inside, wanted: readonly Wanted[]) => {
    memory().fill(0, 0, 2048);
    for (const [i, { userdata, type, clockOrFd, nanos = 0n, isAbsolute = false }] of wanted.entries()) {
      const at = i * 48;
      memory().writeBigUInt64LE(userdata, at);
      memory()[at + 8] = type;
      memory().writeUInt32LE(clockOrFd, at + 16);
      memory().writeBigUInt64LE(nanos, at + 24);
      memory().writeUInt16LE(isAbsolute ? 1 : 0, at + 40);
    }
    expect(call("wasi.poll_oneoff", 0, 4096, wanted.length, 8000)).toBe(SUCCESS);
    return Array.from({ length: memory().readUInt32LE(8000) }, (_, i) => {
      const at = 4096 + i * 32;
      return [memory().readBigUInt64LE(at), memory().readUInt16LE(at + 8), memory()[at + 10]];
    });
  };

  it("sleeps until the first clock, and tells which it was", () => {
    const { carrier } = inside((guest) => {
      const clock = { type: 0, clockOrFd: 1 } as const;
      expect(poll(guest, [{ userdata: 7n, ...clock, nanos: 3n * MS }])).toEqual([[7n, SUCCESS, 0]]);
      const two = [
        { userdata: 1n, ...clock, nanos: 3_600_000n * MS },
        { userdata: 2n, ...clock, nanos: 1n },
      ];
      expect(poll(guest, two)).toEqual([[2n, SUCCESS, 0]]);
      expect(poll(guest, [{ userdata: 3n, ...clock, nanos: 0n }])).toEqual([[3n, SUCCESS, 0]]);
      expect(poll(guest, [{ userdata: 4n, ...clock, nanos: 5n, isAbsolute: true }])).toEqual([[4n, SUCCESS, 0]]);
    });
    expect(carrier.waits).toEqual([3, 1]);
  });

  it("sleeps until an absolute time", () => {
    const { carrier } = inside((guest) => {
      guest.call("wasi.clock_time_get", 0, 0n, 8);
      const nanos = guest.memory().readBigUInt64LE(8) + 50n * MS;
      expect(poll(guest, [{ userdata: 1n, type: 0, clockOrFd: 0, nanos, isAbsolute: true }])).toHaveLength(1);
    });
    expect(carrier.waits).toHaveLength(1);
    expect(carrier.waits[0]).toBeGreaterThan(0);
    expect(carrier.waits[0]).toBeLessThanOrEqual(50);
  });

  it("finds the standard streams ready, and other descriptors and clocks wrong, at once", () => {
    const { carrier } = inside((guest) => {
      const wanted = [
        { userdata: 1n, type: 0, clockOrFd: 1, nanos: 3_600_000n * MS },
        { userdata: 2n, type: 1, clockOrFd: 0 },
        { userdata: 3n, type: 2, clockOrFd: 2 },
        { userdata: 4n, type: 1, clockOrFd: 1 },
        { userdata: 5n, type: 2, clockOrFd: 9 },
        { userdata: 6n, type: 0, clockOrFd: 77 },
      ] as const;
      expect(poll(guest, wanted)).toEqual([
        [2n, SUCCESS, 1],
        [3n, SUCCESS, 2],
        [4n, BADF, 1],
        [5n, BADF, 2],
        [6n, INVAL, 0],
      ]);
    });
    expect(carrier.waits).toEqual([]);
  });

  it("waits for standard input, and tells how much there is", () => {
    const options = { stdin: new TestInput([undefined, undefined, 12]) };
    const { carrier } = inside((guest) => {
      const input = { userdata: 1n, type: 1, clockOrFd: 0 } as const;
      const clock = { userdata: 2n, type: 0, clockOrFd: 1 } as const;
      expect(poll(guest, [input, { ...clock, nanos: 3_600_000n * MS }])).toEqual([[1n, SUCCESS, 1]]);
      expect(guest.memory().readBigUInt64LE(4096 + 16)).toBe(12n);
      options.stdin.coming = [];
      expect(poll(guest, [input, { ...clock, nanos: 2n * MS }])).toEqual([[2n, SUCCESS, 0]]);
    }, options);
    expect(carrier.waits).toEqual([3_600_000, 2]);
  });

  it("wants one subscription or more, and memory for all", () => {
    inside(({ call }) => {
      for (const count of [0, 1025, -1]) expect(call("wasi.poll_oneoff", 0, 4096, count, 8000)).toBe(INVAL);
    });
    for (const [subscriptions, events] of [
      [131_030, 0],
      [0, 131_050],
    ]) {
      const { exit } = inside(({ call }) => call("wasi.poll_oneoff", subscriptions!, events!, 1, 8000));
      expect(exit.text).toMatch(/^out of bounds/);
    }
  });
});

describe("descriptors", () => {
  it("0 to 2 are character devices with what can be done to them", () => {
    inside(({ call, memory }) => {
      for (const [fd, rights] of [
        [0, 1n << 1n],
        [1, 1n << 6n],
        [2, 1n << 6n],
      ] as const) {
        memory().fill(0xee, 0, 100);
        expect(call("wasi.fd_fdstat_get", fd, 8)).toBe(SUCCESS);
        const stat = memory().subarray(8, 32);
        expect([stat[0], stat.readUInt16LE(2), stat.readBigUInt64LE(8), stat.readBigUInt64LE(16)]).toEqual([
          2,
          0,
          rights,
          0n,
        ]);
        expect(memory()[32]).toBe(0xee);
        expect(call("wasi.fd_filestat_get", fd, 8)).toBe(SUCCESS);
        expect([memory()[24], memory()[71], memory()[72]]).toEqual([2, 0, 0xee]);
        expect(call("wasi.fd_fdstat_set_flags", fd, 0)).toBe(SUCCESS);
        expect(call("wasi.fd_seek", fd, 0n, 0, 0)).toBe(SPIPE);
        expect(call("wasi.fd_tell", fd, 0)).toBe(SPIPE);
        expect(call("wasi.fd_close", fd)).toBe(SUCCESS);
        for (const name of ["fd_close", "fd_tell"]) expect(call(`wasi.${name}`, fd, 0)).toBe(BADF);
      }
    });
  });

  it("0 is at its end", () => {
    inside(({ call, memory }) => {
      memory().writeUInt32LE(77, 64);
      expect(call("wasi.fd_read", 0, 0, 1, 64)).toBe(SUCCESS);
      expect(memory().readUInt32LE(64)).toBe(0);
      expect(call("wasi.fd_read", 1, 0, 1, 64)).toBe(BADF);
    });
  });

  it("0 gives what has come, waits for more, and ends", () => {
    const stdin = new TestInput([undefined, 5, 3, 0]);
    const { carrier } = inside(
      ({ call, memory }) => {
        const read = (): string => {
          memory().writeUInt32LE(4096, 0);
          memory().writeUInt32LE(2, 4);
          memory().writeUInt32LE(5000, 8);
          memory().writeUInt32LE(100, 12);
          expect(call("wasi.fd_read", 0, 0, 2, 64)).toBe(SUCCESS);
          const length = memory().readUInt32LE(64);
          return (
            memory().toString("latin1", 4096, 4096 + Math.min(2, length)) +
            memory().toString("latin1", 5000, 5000 + Math.max(0, length - 2))
          );
        };
        expect([read(), read(), read()]).toEqual(["xxxxx", "xxx", ""]);
        expect(call("wasi.fd_read", 0, 0, 1025, 64)).toBe(INVAL);
        expect(call("wasi.fd_fdstat_set_rights", 0, 1n << 6n, 0n)).toBe(NOTCAPABLE);
      },
      { stdin },
    );
    expect(carrier.waits).toEqual([Number.POSITIVE_INFINITY]);
  });

  it("from 3 on there are none, nothing is preopened, and no call traps for that", () => {
    const working = ["proc_exit", "poll_oneoff", "random_get", "sched_yield"];
    inside(({ call }) => {
      for (const [name, [signature]] of Object.entries(abiTable.wasi_snapshot_preview1)) {
        if (!/^(fd|path|sock)_/.test(name) || working.includes(name)) continue;
        const types = [...signature.replace(/>.*/, "")];
        const args: (number | bigint)[] = types.map((type) => (type === "I" ? 0n : 0));
        args[name === "path_symlink" ? 2 : 0] = 3;
        const isSocket = ["sock_accept", "sock_recv", "sock_send", "sock_shutdown"].includes(name);
        expect(call(`wasi.${name}`, ...args), name).toBe(isSocket ? NOSYS : BADF);
        if (!name.startsWith("path_")) continue;
        args[name === "path_symlink" ? 2 : 0] = 1;
        expect(call(`wasi.${name}`, ...args), name).toBe(NOTDIR);
      }
      expect(call("wasi.sched_yield")).toBe(SUCCESS);
      expect(call("wasi.proc_raise", 9)).toBe(NOSYS);
    });
  });
});
