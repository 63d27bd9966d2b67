// actors/abi: lunatic::networking as a guest sees it, against a main thread that answers as each test says.
import { X509Certificate } from "node:crypto";
import { rootCertificates } from "node:tls";
import { describe, expect, it } from "vitest";
import { NETWORK, OPTION, PayloadReader, PayloadWriter, STATUS, TIMEOUT } from "../../../../wire/network.ts";
import { type Inside, inside, type Main } from "../../../harness/local-carrier.ts";

const NEVER = -1n;
const TIMED_OUT = 9027;
const OUT = 512;
const OUT2 = 520;
const BUFFER = 1024;
const IP = 64;

const opNames = Object.fromEntries(Object.entries(NETWORK).map(([name, op]) => [op, name]));
const ok = (): PayloadWriter => new PayloadWriter().u8(STATUS.ok);
const failed = (text: string): Buffer => Buffer.concat([Buffer.of(STATUS.failed), Buffer.from(text)]);
const timedOut = Buffer.of(STATUS.timedOut);
const four = (): PayloadWriter => ok().address(Buffer.of(127, 0, 0, 1), 8080);

/** A main thread that answers in turn, and keeps what it was asked. */
function answers(...all: (PayloadWriter | Buffer)[]): { main: Main; asked: { op: string; payload: PayloadReader }[] } {
  const asked: { op: string; payload: PayloadReader }[] = [];
  const main: Main = (op, payload) => {
    const answer = all[asked.length];
    asked.push({ op: opNames[op] ?? String(op), payload: new PayloadReader(payload) });
    if (answer === undefined) throw new Error(`nothing answers the ask ${asked.length}: ${opNames[op]}`);
    return answer instanceof PayloadWriter ? answer.bytes : answer;
  };
  return { main, asked };
}

function u64At(memory: Buffer, at: number): bigint {
  return memory.readBigUInt64LE(at);
}

function errorText({ call, memory }: Inside, at: number): string {
  const id = u64At(memory(), at);
  const length = call("error.string_size", id) as number;
  call("error.to_string", id, 8192);
  const text = memory().toString("utf8", 8192, 8192 + length);
  call("error.drop", id);
  return text;
}

function trapOf(step: (inside: Inside) => void, main?: Main): string {
  const { exit } = inside(step, main === undefined ? {} : { main });
  expect(exit.reason).toBe("trap");
  return exit.text;
}

/** Runs a guest that must end well. */
function runs(step: (inside: Inside) => void, main: Main): void {
  expect(inside(step, { main }).exit).toEqual({ reason: "normal", text: "" });
}

/** A guest that first makes one socket of each kind, all with id 0 and handles 1 to 5: asks of that are not listed. */
function withSockets(step: (inside: Inside) => void, ...more: (PayloadWriter | Buffer)[]) {
  const { main, asked } = answers(...more);
  const made = [1, 2, 3, 4, 5];
  const guest = (each: Inside): void => {
    const { call, memory } = each;
    memory().set([127, 0, 0, 1], IP);
    memory().write("-----BEGIN CERTIFICATE-----", 2048);
    memory().write("-----BEGIN PRIVATE KEY-----", 3072);
    expect(call("networking.tcp_bind", 4, IP, 80, 0, 0, OUT)).toBe(0);
    expect(call("networking.tls_bind", 4, IP, 443, 0, 0, OUT, 2048, 27, 3072, 27)).toBe(0);
    expect(call("networking.tcp_connect", 4, IP, 80, 0, 0, NEVER, OUT)).toBe(0);
    expect(call("networking.tls_connect", 2048, 4, 443, NEVER, OUT, 0, 0)).toBe(0);
    expect(call("networking.udp_bind", 4, IP, 53, 0, 0, OUT)).toBe(0);
    step(each);
  };
  const first: Main = (op, payload) => {
    const handle = made.shift();
    return handle === undefined ? main(op, payload) : ok().u32(handle).bytes;
  };
  return { guest, main: first, asked };
}

describe("resolving", () => {
  it("gives an iterator over addresses of both families, whose port has two bytes", () => {
    const six = Buffer.from("20010db8000000000000000000000001", "hex");
    const { main, asked } = answers(
      ok()
        .address(Buffer.of(127, 0, 0, 1), 443)
        .address(six, 443, 7, 9),
    );
    runs(({ call, memory }) => {
      memory().write("name:443", BUFFER);
      expect(call("networking.resolve", BUFFER, 8, 1500n, OUT)).toBe(0);
      const id = u64At(memory(), OUT);
      memory().fill(0xee, 2000, 2100);
      expect(call("networking.resolve_next", id, 2000, 2004, 2020, 2024, 2028)).toBe(0);
      expect(memory().readUInt32LE(2000)).toBe(4);
      expect([...memory().subarray(2004, 2009)]).toEqual([127, 0, 0, 1, 0xee]);
      expect(memory().readUInt32LE(2020)).toBe(0xeeee_01bb);
      expect(memory().readUInt32LE(2024)).toBe(0xeeee_eeee);
      expect(call("networking.resolve_next", id, 2000, 2004, 2020, 2024, 2028)).toBe(0);
      expect(memory().readUInt32LE(2000)).toBe(6);
      expect(memory().subarray(2004, 2020).equals(six)).toBe(true);
      expect([memory().readUInt32LE(2024), memory().readUInt32LE(2028)]).toEqual([7, 9]);
      expect(call("networking.resolve_next", id, 2000, 2004, 2020, 2024, 2028)).toBe(1);
      call("networking.drop_dns_iterator", id);
    }, main);
    expect(asked[0]?.op).toBe("resolve");
    expect([asked[0]?.payload.u64(), asked[0]?.payload.raw().toString()]).toEqual([1500n, "name:443"]);
  });

  it("writes 0 on a time-out, which is the error that is always there, and an error's id else", () => {
    const { main } = answers(timedOut, failed("no such name"));
    runs((guest) => {
      const { call, memory } = guest;
      memory().fill(0xee, OUT, OUT + 8);
      expect(call("networking.resolve", BUFFER, 4, 0n, OUT)).toBe(TIMED_OUT);
      expect(u64At(memory(), OUT)).toBe(0n);
      expect(errorText(guest, OUT)).toBe("timed out");
      expect(call("networking.resolve", BUFFER, 4, NEVER, OUT)).toBe(1);
      expect(errorText(guest, OUT)).toBe("no such name");
    }, main);
  });

  it("traps on a name that is too long or no text, and on unknown iterators", () => {
    expect(trapOf(({ call }) => call("networking.resolve", 0, 1025, NEVER, OUT))).toContain("a name of more than 1024");
    expect(
      trapOf(({ call, memory }) => {
        memory()[BUFFER] = 0xff;
        call("networking.resolve", BUFFER, 1, NEVER, OUT);
      }),
    ).toContain("not UTF-8");
    for (const name of ["drop_dns_iterator", "resolve_next"])
      expect(trapOf(({ call }) => call(`networking.${name}`, 0n, 0, 0, 0, 0, 0))).toBe("there is no DNS iterator 0");
  });
});

describe("binding and connecting", () => {
  it("sends the address as it was given and writes ids that count from 0 in each table", () => {
    const { main, asked } = answers(ok().u32(70), ok().u32(71), ok().u32(72));
    runs(({ call, memory }) => {
      memory().set([10, 1, 2, 3], IP);
      for (const id of [0n, 1n]) {
        expect(call("networking.tcp_bind", 4, IP, 65_535, 0, 0, OUT)).toBe(0);
        expect(u64At(memory(), OUT)).toBe(id);
      }
      memory().fill(0xfe, IP, IP + 16);
      expect(call("networking.tcp_connect", 6, IP, 80, 3, 4, 250n, OUT)).toBe(0);
      expect(u64At(memory(), OUT)).toBe(0n);
    }, main);
    const bound = asked[0]!.payload.address();
    expect([[...bound.octets], bound.port]).toEqual([[10, 1, 2, 3], 65_535]);
    const { payload } = asked[2]!;
    const connected = payload.address();
    expect([connected.octets.toString("hex"), connected.flow, connected.scope, payload.u64()]).toEqual([
      "fe".repeat(16),
      3,
      4,
      250n,
    ]);
  });

  it("writes nothing on a time-out", () => {
    const { main } = answers(timedOut);
    runs(({ call, memory }) => {
      memory().fill(0xee, OUT, OUT + 8);
      expect(call("networking.tcp_connect", 4, IP, 80, 0, 0, 1n, OUT)).toBe(TIMED_OUT);
      expect(memory().readUInt32LE(OUT)).toBe(0xeeee_eeee);
    }, main);
  });

  it.each([0, 5, -1])("traps on an address of type %i", (type) => {
    expect(trapOf(({ call }) => call("networking.tcp_bind", type, IP, 80, 0, 0, OUT))).toBe(
      `an address of type ${type >>> 0}: it is 4 or 6`,
    );
  });

  it("traps before it asks if the result cannot be written or the address not be read", () => {
    const { main, asked } = answers();
    const end = 2 * 65_536;
    for (const step of [
      ({ call }: Inside) => call("networking.tcp_bind", 4, IP, 80, 0, 0, end - 7),
      ({ call }: Inside) => call("networking.tcp_bind", 6, end - 15, 80, 0, 0, OUT),
      ({ call }: Inside) => call("networking.udp_bind", 4, -1, 80, 0, 0, OUT),
    ])
      expect(trapOf(step, main)).toContain("out of bounds");
    expect(asked).toEqual([]);
  });

  it("by TLS wants one certificate and one key of PKCS#8, and sends roots", () => {
    const { main } = answers();
    const bind = (certificate: string, key: string) =>
      trapOf(({ call, memory }) => {
        memory().write(certificate, 2048);
        memory().write(key, 3072);
        call("networking.tls_bind", 4, IP, 80, 0, 0, OUT, 2048, certificate.length, 3072, key.length);
      }, main);
    const certificate = "-----BEGIN CERTIFICATE-----";
    const key = "-----BEGIN PRIVATE KEY-----";
    expect(bind(certificate + certificate, key)).toBe("tls_bind needs PEM text with one CERTIFICATE, and this has 2");
    expect(bind("", key)).toContain("this has 0");
    expect(bind(certificate, "-----BEGIN RSA PRIVATE KEY-----")).toContain("one PRIVATE KEY, and this has 0");
  });

  it("by TLS reads the roots itself, PEM or DER, and sends them as DER", () => {
    const [pem = ""] = rootCertificates;
    const { raw: der } = new X509Certificate(pem);
    const connecting = answers(ok().u32(1));
    const connect = ({ call, memory }: Inside, roots: readonly (string | Buffer)[]): unknown => {
      memory().write("host", BUFFER);
      let at = 8_192;
      for (const [i, root] of roots.entries()) {
        const bytes = Buffer.from(root);
        memory().set(bytes, at);
        memory().writeUInt32LE(at, 3000 + i * 8);
        memory().writeUInt32LE(bytes.length, 3004 + i * 8);
        at += bytes.length;
      }
      return call("networking.tls_connect", BUFFER, 4, 443, NEVER, OUT, 3000, roots.length);
    };
    runs((inside) => {
      expect(connect(inside, [pem, der])).toBe(0);
      expect(connect(inside, [pem, "no certificate"])).toBe(1);
      expect(errorText(inside, OUT)).toContain("a root certificate cannot be used");
    }, connecting.main);
    expect(connecting.asked.length).toBe(1);
    const { payload } = connecting.asked[0]!;
    expect([payload.u16(), payload.u64(), payload.raw(payload.u16()).toString()]).toEqual([
      443,
      2n ** 64n - 1n,
      "host",
    ]);
    for (let i = 0; i < 2; i++) expect(payload.raw(payload.u32())).toEqual(der);
    expect(payload.remaining).toBe(0);
  });
});

describe("a stream", () => {
  it("is accepted with its peer, and an error leaves no iterator", () => {
    const { guest, main, asked } = withSockets(
      (each) => {
        const { call, memory } = each;
        for (const kind of ["tcp", "tls"]) {
          memory().fill(0xee, OUT, OUT + 16);
          expect(call(`networking.${kind}_accept`, 0n, OUT, OUT2)).toBe(0);
          expect(u64At(memory(), OUT)).toBe(1n); // the connected one is 0
          expect(call("networking.resolve_next", u64At(memory(), OUT2), 2000, 2004, 2020, 2024, 2028)).toBe(0);
          expect(memory().readUInt16LE(2020)).toBe(8080);
          memory().fill(0xee, OUT, OUT + 16);
          expect(call(`networking.${kind}_accept`, 0n, OUT, OUT2)).toBe(1);
          expect(u64At(memory(), OUT2)).toBe(0n);
          expect(errorText(each, OUT)).toBe("the TLS handshake failed");
        }
      },
      ok()
        .u32(9)
        .address(Buffer.of(127, 0, 0, 1), 8080),
      failed("the TLS handshake failed"),
      ok()
        .u32(10)
        .address(Buffer.of(127, 0, 0, 1), 8080),
      failed("the TLS handshake failed"),
    );
    runs(guest, main);
    expect(asked.map(({ op, payload }) => [op, payload.u32()])).toEqual([
      ["accept", 1],
      ["accept", 1],
      ["accept", 2],
      ["accept", 2],
    ]);
  });

  it("reads and peeks what there is, at most 64 KiB, and tells end, time-out and error apart", () => {
    const { guest, main, asked } = withSockets(
      (each) => {
        const { call, memory } = each;
        expect(call("networking.tcp_read", 0n, BUFFER, 100, OUT)).toBe(0);
        expect(memory().toString("utf8", BUFFER, BUFFER + Number(u64At(memory(), OUT)))).toBe("some bytes");
        expect(call("networking.tls_read", 0n, 0, 100_000, OUT)).toBe(0);
        expect(u64At(memory(), OUT)).toBe(0n);
        memory().fill(0xee, OUT, OUT + 8);
        expect(call("networking.tcp_peek", 0n, BUFFER, 100, OUT)).toBe(TIMED_OUT);
        expect(memory().readUInt32LE(OUT)).toBe(0xeeee_eeee);
        expect(call("networking.tcp_read", 0n, BUFFER, 0, OUT)).toBe(1);
        expect(errorText(each, OUT)).toBe("read ECONNRESET");
      },
      ok().raw(Buffer.from("some bytes")),
      ok(),
      timedOut,
      failed("read ECONNRESET"),
    );
    runs(guest, main);
    expect(asked.map(({ op, payload }) => [op, payload.u32(), payload.u32()])).toEqual([
      ["read", 3, 100],
      ["read", 4, 65_536],
      ["peek", 3, 100],
      ["read", 3, 0],
    ]);
  });

  it("writes what its vectors have, at most 64 KiB of it", () => {
    const { guest, main, asked } = withSockets(
      ({ call, memory }) => {
        memory().write("onetwo", BUFFER);
        const vectors = [BUFFER, 3, 0, 0, BUFFER + 3, 3, 0, 65_530, 0, 65_530];
        for (const [at, value] of vectors.entries()) memory().writeUInt32LE(value, 4096 + at * 4);
        expect(call("networking.tcp_write_vectored", 0n, 4096, 3, OUT)).toBe(0);
        expect(u64At(memory(), OUT)).toBe(6n);
        expect(call("networking.tls_write_vectored", 0n, 4096, 5, OUT)).toBe(0);
        expect(u64At(memory(), OUT)).toBe(65_536n);
        memory().fill(0xee, OUT, OUT + 8);
        expect(call("networking.tcp_flush", 0n, OUT)).toBe(0);
        expect(u64At(memory(), OUT)).toBe(0n);
      },
      ok().u32(6),
      ok().u32(65_536),
      ok(),
    );
    runs(guest, main);
    expect([asked[0]?.payload.u32(), asked[0]?.payload.raw().toString()]).toEqual([3, "onetwo"]);
    expect(asked[1]?.payload.remaining).toBe(4 + 65_536);
  });

  it("has time-outs of 64 bits", () => {
    const { guest, main, asked } = withSockets(
      ({ call }) => {
        call("networking.set_read_timeout", 0n, 5n);
        call("networking.set_write_timeout", 0n, NEVER);
        call("networking.set_peek_timeout", 0n, 6n);
        call("networking.set_tls_read_timeout", 0n, 7n);
        call("networking.set_tls_write_timeout", 0n, 8n);
        expect(call("networking.get_read_timeout", 0n)).toBe(NEVER);
        expect(call("networking.get_write_timeout", 0n)).toBe(1n);
        expect(call("networking.get_peek_timeout", 0n)).toBe(2n);
        expect(call("networking.get_tls_read_timeout", 0n)).toBe(3n);
        expect(call("networking.get_tls_write_timeout", 0n)).toBe(4n);
      },
      ...[
        ok(),
        ok(),
        ok(),
        ok(),
        ok(),
        ok().u64(2n ** 64n - 1n),
        ok().u64(1n),
        ok().u64(2n),
        ok().u64(3n),
        ok().u64(4n),
      ],
    );
    runs(guest, main);
    const { read, write, peek } = TIMEOUT;
    expect(asked.slice(0, 5).map(({ payload }) => [payload.u32(), payload.u32(), payload.u64()])).toEqual([
      [3, read, 5n],
      [3, write, 2n ** 64n - 1n],
      [3, peek, 6n],
      [4, read, 7n],
      [4, write, 8n],
    ]);
    expect(asked.slice(5).map(({ payload }) => [payload.u32(), payload.u32()])).toEqual([
      [3, read],
      [3, write],
      [3, peek],
      [4, read],
      [4, write],
    ]);
  });

  it("is cloned and dropped by id, and unknown after", () => {
    for (const [kind, functions] of [
      ["TCP stream", ["clone_tcp_stream", "drop_tcp_stream"]],
      ["TLS stream", ["clone_tls_stream", "drop_tls_stream"]],
      ["UDP socket", ["clone_udp_socket", "drop_udp_socket"]],
    ] as const) {
      const { guest, main, asked } = withSockets(
        ({ call }) => {
          expect(call(`networking.${functions[0]}`, 0n)).toBe(1n);
          call(`networking.${functions[1]}`, 0n);
          call(`networking.${functions[1]}`, 1n);
          call(`networking.${functions[0]}`, 0n);
        },
        ok().u32(99),
        ok(),
        ok(),
      );
      expect(trapOf(guest, main)).toBe(`there is no ${kind} 0`);
      const own = { "TCP stream": 3, "TLS stream": 4, "UDP socket": 5 }[kind];
      expect(asked.map(({ op, payload }) => [op, payload.u32()])).toEqual([
        ["clone", own],
        ["drop", own],
        ["drop", 99],
      ]);
    }
  });

  it("has addresses as iterators of one element", () => {
    const { guest, main, asked } = withSockets(
      ({ call, memory }) => {
        const names = ["tcp_local_addr", "tls_local_addr", "tcp_peer_addr", "udp_local_addr", "udp_peer_addr"];
        for (const name of names) {
          expect(call(`networking.${name}`, 0n, OUT)).toBe(0);
          const id = u64At(memory(), OUT);
          expect(call("networking.resolve_next", id, 2000, 2004, 2020, 2024, 2028)).toBe(0);
          expect(call("networking.resolve_next", id, 2000, 2004, 2020, 2024, 2028)).toBe(1);
        }
      },
      four(),
      four(),
      four(),
      four(),
      four(),
    );
    runs(guest, main);
    expect(asked.map(({ op, payload }) => [op, payload.u32()])).toEqual([
      ["localAddress", 1],
      ["localAddress", 2],
      ["peerAddress", 3],
      ["localAddress", 5],
      ["peerAddress", 5],
    ]);
  });

  it("beyond 1,024 of a kind ends the process", () => {
    const text = trapOf(
      ({ call }) => {
        for (let i = 0; i < 1_025; i++) call("networking.tcp_connect", 4, IP, 80, 0, 0, NEVER, OUT);
      },
      () => ok().u32(1).bytes,
    );
    expect(text).toBe("it has too many entries of the kind TCP stream");
  });
});

describe("a UDP socket", () => {
  it("sends and receives, with and without an address", () => {
    const { guest, main, asked } = withSockets(
      (each) => {
        const { call, memory } = each;
        memory().write("datagram", BUFFER);
        expect(call("networking.udp_send_to", 0n, BUFFER, 8, 4, IP, 53, 0, 0, OUT)).toBe(0);
        expect(u64At(memory(), OUT)).toBe(8n);
        expect(call("networking.udp_connect", 0n, 4, IP, 53, 0, 0, 5n, OUT)).toBe(0);
        expect(call("networking.udp_send", 0n, BUFFER, 4, OUT)).toBe(0);
        expect(call("networking.udp_receive", 0n, BUFFER, 5, OUT)).toBe(0);
        expect(memory().toString("utf8", BUFFER, BUFFER + 8)).toBe("helloram");
        expect(call("networking.udp_receive_from", 0n, BUFFER, 5, OUT, OUT2)).toBe(0);
        expect(call("networking.resolve_next", u64At(memory(), OUT2), 2000, 2004, 2020, 2024, 2028)).toBe(0);
        memory().fill(0xee, OUT2, OUT2 + 8);
        expect(call("networking.udp_receive_from", 0n, BUFFER, 5, OUT, OUT2)).toBe(1);
        expect(errorText(each, OUT)).toBe("the socket is closed");
        expect(memory().readUInt32LE(OUT2)).toBe(0xeeee_eeee);
        expect(call("networking.udp_peer_addr", 0n, OUT)).toBe(1);
        expect(errorText(each, OUT)).toBe("the socket is not connected");
        expect(call("networking.udp_peer_addr", 0n, OUT)).toBe(2);
        expect(errorText(each, OUT)).toBe("the socket is closed");
      },
      ok().u32(8),
      ok(),
      ok().u32(4),
      four().raw(Buffer.from("hello")),
      four().raw(Buffer.from("again")),
      failed("the socket is closed"),
      ok(),
      failed("the socket is closed"),
    );
    runs(guest, main);
    const { payload } = asked[0]!;
    expect(payload.u32()).toBe(5);
    expect(payload.address().port).toBe(53);
    expect(payload.raw().toString()).toBe("datagram");
  });

  it("has options, whose errors trap", () => {
    const { guest, main, asked } = withSockets(
      ({ call }) => {
        call("networking.set_udp_socket_broadcast", 0n, 1);
        expect(call("networking.get_udp_socket_broadcast", 0n)).toBe(1);
        expect(call("networking.get_udp_socket_ttl", 0n)).toBe(64);
        call("networking.set_udp_socket_ttl", 0n, 300);
      },
      ok(),
      ok().u32(1),
      ok().u32(64),
      failed("setTTL EINVAL"),
    );
    expect(trapOf(guest, main)).toBe("setTTL EINVAL");
    expect(asked.map(({ payload }) => [payload.u32(), payload.u32()])).toEqual([
      [5, OPTION.broadcast],
      [5, OPTION.broadcast],
      [5, OPTION.ttl],
      [5, OPTION.ttl],
    ]);
  });
});

describe("a socket in a message", () => {
  it("leaves the process when it is put in, and comes back when it is taken out, once", () => {
    for (const [name, table, handle] of [
      ["tcp_stream", "TCP stream", 3],
      ["tls_stream", "TLS stream", 4],
      ["udp_socket", "UDP socket", 5],
    ] as const) {
      const { guest, main, asked } = withSockets(
        ({ call }) => {
          call("message.create_data", 5n, 0n);
          expect(call(`message.push_${name}`, 0n)).toBe(0n);
          expect(call(`message.take_${name}`, 0n)).toBe(1n);
          call(`message.take_${name}`, 0n);
        },
        ok(),
        ok(),
      );
      expect(trapOf(guest, main)).toBe(`the message has no ${table} at 0`);
      expect(asked.map(({ op, payload }) => [op, payload.u32()])).toEqual([
        ["give", handle],
        ["take", handle],
      ]);
    }
  });

  it("is taken as what it is only, and needs a message", () => {
    const wrong = withSockets(({ call }) => {
      call("message.create_data", 5n, 0n);
      call("message.push_tcp_stream", 0n);
      call("message.take_udp_socket", 0n);
    }, ok());
    expect(trapOf(wrong.guest, wrong.main)).toBe("the message has no UDP socket at 0");
    const gone = withSockets(({ call }) => {
      call("message.create_data", 5n, 0n);
      call("message.push_tcp_stream", 0n);
      call("message.push_tcp_stream", 0n);
    }, ok());
    expect(trapOf(gone.guest, gone.main)).toBe("there is no TCP stream 0");
    expect(trapOf(({ call }) => call("message.push_tcp_stream", 0n))).toContain("push_tcp_stream without a message");
  });
});

describe("an unknown id", () => {
  const calls: [string, string, ...(number | bigint)[]][] = [
    ["tcp_local_addr", "TCP listener", OUT],
    ["tcp_accept", "TCP listener", OUT, OUT2],
    ["drop_tcp_listener", "TCP listener"],
    ["tcp_peer_addr", "TCP stream", OUT],
    ["clone_tcp_stream", "TCP stream"],
    ["drop_tcp_stream", "TCP stream"],
    ["tcp_read", "TCP stream", BUFFER, 1, OUT],
    ["tcp_peek", "TCP stream", BUFFER, 1, OUT],
    ["tcp_write_vectored", "TCP stream", BUFFER, 1, OUT],
    ["tcp_flush", "TCP stream", OUT],
    ["set_read_timeout", "TCP stream", 1n],
    ["get_peek_timeout", "TCP stream"],
    ["tls_local_addr", "TLS listener", OUT],
    ["tls_accept", "TLS listener", OUT, OUT2],
    ["drop_tls_listener", "TLS listener"],
    ["drop_tls_stream", "TLS stream"],
    ["clone_tls_stream", "TLS stream"],
    ["tls_read", "TLS stream", BUFFER, 1, OUT],
    ["tls_write_vectored", "TLS stream", BUFFER, 1, OUT],
    ["tls_flush", "TLS stream", OUT],
    ["get_tls_read_timeout", "TLS stream"],
    ["udp_local_addr", "UDP socket", OUT],
    ["udp_peer_addr", "UDP socket", OUT],
    ["udp_connect", "UDP socket", 4, IP, 1, 0, 0, NEVER, OUT],
    ["udp_send", "UDP socket", BUFFER, 1, OUT],
    ["udp_send_to", "UDP socket", BUFFER, 1, 4, IP, 1, 0, 0, OUT],
    ["udp_receive", "UDP socket", BUFFER, 1, OUT],
    ["udp_receive_from", "UDP socket", BUFFER, 1, OUT, OUT2],
    ["drop_udp_socket", "UDP socket"],
    ["clone_udp_socket", "UDP socket"],
    ["set_udp_socket_ttl", "UDP socket", 1],
    ["get_udp_socket_broadcast", "UDP socket"],
  ];
  it.each(calls)("traps in %s", (name, table, ...rest) => {
    expect(trapOf(({ call }) => call(`networking.${name}`, 7n, ...rest))).toBe(`there is no ${table} 7`);
  });
});
