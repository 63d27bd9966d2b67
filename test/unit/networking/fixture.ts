// A process that asks the main side of networking, as a carrier would, with nothing between.
import { createServer, type Server, Socket } from "node:net";
import { octetsOf, textOf } from "../../../src/networking/address-text.ts";
import { Networking, type NetworkingOptions } from "../../../src/networking/networking.ts";
import type { NetworkSettings } from "../../../src/networking/policy.ts";
import { NETWORK, PayloadReader, PayloadWriter, STATUS, TIMEOUT } from "../../../wire/network.ts";

export const NEVER = 0xffff_ffff_ffff_ffffn;
export const ENVIRONMENT = 1;
export const loopback: NetworkSettings = {
  connect: ["127.0.0.1:*"],
  listen: ["127.0.0.1:*"],
  sockets: 64,
  handshakes: 100,
};

/** What the guest would see: the reader of what follows ok, an error text, or a time-out. */
export type Answer =
  | { readonly kind: "ok"; readonly payload: PayloadReader }
  | { readonly kind: "failed"; readonly text: string }
  | { readonly kind: "timed_out" };

let nextPid = 1;

export function networking(settings: Partial<NetworkSettings> = {}, options: NetworkingOptions = {}): Networking {
  const made = new Networking(options);
  made.openEnvironment(ENVIRONMENT, { ...loopback, ...settings });
  return made;
}

export class Asking {
  readonly pid: number;
  readonly slot: number;
  readonly environment: number;
  readonly #networking: Networking;

  constructor(networking: Networking, { environment = ENVIRONMENT, slot = 1 } = {}) {
    this.#networking = networking;
    this.environment = environment;
    this.slot = slot;
    this.pid = nextPid++ * 1024 + slot;
  }

  async ask(op: number, payload: PayloadWriter = new PayloadWriter()): Promise<Answer> {
    const bytes = Buffer.from(payload.bytes);
    const answered = this.#networking.answer(op, this, bytes);
    // The dispatcher's memory is used again at once.
    bytes.fill(0xee);
    const answer = new PayloadReader(await answered);
    switch (answer.u8()) {
      case STATUS.ok:
        return { kind: "ok", payload: answer };
      case STATUS.timedOut:
        return { kind: "timed_out" };
      default:
        return { kind: "failed", text: answer.raw().toString() };
    }
  }

  /** What follows ok. @throws Error with the failure's text, or "timed out" */
  async must(op: number, payload?: PayloadWriter): Promise<PayloadReader> {
    const answer = await this.ask(op, payload);
    if (answer.kind === "ok") return answer.payload;
    throw new Error(answer.kind === "failed" ? answer.text : "timed out");
  }

  async bind(address = "127.0.0.1", port = 0): Promise<{ handle: number; port: number }> {
    const handle = (await this.must(NETWORK.tcpBind, at(address, port))).u32();
    return { handle, port: (await this.must(NETWORK.localAddress, of(handle))).address().port };
  }

  async connect(port: number, address = "127.0.0.1", ms = NEVER): Promise<number> {
    return (await this.must(NETWORK.tcpConnect, at(address, port).u64(ms))).u32();
  }

  async accept(listener: number): Promise<{ handle: number; peer: string; peerPort: number }> {
    const answer = await this.must(NETWORK.accept, of(listener));
    const handle = answer.u32();
    const { octets, port } = answer.address();
    return { handle, peer: textOf(octets), peerPort: port };
  }

  async read(handle: number, bytesMax = 65_536): Promise<Buffer> {
    return (await this.must(NETWORK.read, of(handle).u32(bytesMax))).raw();
  }

  async peek(handle: number, bytesMax = 65_536): Promise<Buffer> {
    return (await this.must(NETWORK.peek, of(handle).u32(bytesMax))).raw();
  }

  async write(handle: number, bytes: string | Uint8Array): Promise<number> {
    return (await this.must(NETWORK.write, of(handle).raw(Buffer.from(bytes)))).u32();
  }

  async writeAll(handle: number, bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; ) at += await this.write(handle, bytes.subarray(at, at + 65_536));
  }

  /** Reads until there are so many bytes. */
  async readSome(handle: number, length: number): Promise<Buffer> {
    let got = Buffer.alloc(0);
    while (got.length < length) {
      const part = await this.read(handle, length - got.length);
      if (part.length === 0) break;
      got = Buffer.concat([got, part]);
    }
    return got;
  }

  async readAll(handle: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    for (;;) {
      const part = await this.read(handle);
      if (part.length === 0) return Buffer.concat(parts);
      parts.push(part);
    }
  }

  async setTimeout(handle: number, which: keyof typeof TIMEOUT, ms: bigint): Promise<void> {
    await this.must(NETWORK.setTimeout, of(handle).u32(TIMEOUT[which]).u64(ms));
  }

  async drop(handle: number): Promise<void> {
    await this.must(NETWORK.drop, of(handle));
  }
}

/** A payload that begins with an address. */
export function at(address: string, port: number): PayloadWriter {
  return new PayloadWriter().address(octetsOf(address), port);
}

/** A payload that begins with a handle. */
export function of(handle: number): PayloadWriter {
  return new PayloadWriter().u32(handle);
}

/** A server of Node's own on 127.0.0.1, and its port. */
export async function serve(connected: (socket: Socket) => void): Promise<{ port: number; server: Server }> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => {});
    connected(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  return { port: address.port, server };
}

/** A client of Node's own, connected. */
export function client(port: number): Promise<Socket> {
  const socket = new Socket({ allowHalfOpen: true });
  socket.on("error", () => {});
  return new Promise((resolve, reject) => {
    socket.once("error", reject);
    socket.connect(port, "127.0.0.1", () => resolve(socket));
  });
}

/** Resolves as soon as the test is true. */
export async function until(test: () => boolean): Promise<void> {
  while (!test()) await new Promise((resolve) => setTimeout(resolve, 2));
}
