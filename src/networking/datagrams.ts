// A UDP socket of a guest: datagrams wait here, in bounded number, and are dropped beyond it as UDP does.
import { createSocket, type Socket } from "node:dgram";
import { isIPv6 } from "node:net";
import { type Endpoint, endpointText, octetsOf } from "./address-text.ts";
import { type Call, NetworkError, ok } from "./call.ts";
import type { Held } from "./handles.ts";
import type { NetworkPolicy } from "./policy.ts";
import { WaitingCalls } from "./waiting-calls.ts";

const WAITING_MAX = 256;
const WAITING_BYTES_MAX = 262_144;
/** Senders that a listening socket may answer: the latest. */
const PEERS_MAX = 1_024;
/** What Linux begins with (ip(7)). */
const TTL_FIRST = 64;

interface Datagram {
  readonly bytes: Buffer;
  readonly from: Endpoint;
}

/**
 * Under an entry of `listen` it hears everybody and may answer whom it heard. Without one, bound to port 0, it is a
 * client: it hears and reaches what `connect` allows.
 */
export class Datagrams implements Held {
  readonly kind = "datagrams";
  holders = 0;
  readonly #socket: Socket;
  readonly #policy: NetworkPolicy;
  readonly #isListening: boolean;
  readonly #isSix: boolean;
  readonly #waiting: Datagram[] = [];
  #waitingBytes = 0;
  readonly #receives: WaitingCalls<number>;
  readonly #peers = new Set<string>();
  #peer: Endpoint | null = null;
  #broadcast = false;
  #ttl = TTL_FIRST;
  #isClosed = false;

  private constructor(socket: Socket, policy: NetworkPolicy, isListening: boolean) {
    this.#socket = socket;
    this.#isSix = isIPv6(socket.address().address);
    this.#policy = policy;
    this.#isListening = isListening;
    this.#receives = new WaitingCalls((bytesMax) => this.#receive(bytesMax));
    socket.on("message", (bytes, { address, port }) => this.#arrived(bytes, { address: textOfPeer(address), port }));
    // An answer of ICMP to an earlier datagram: UDP promises nothing.
    socket.on("error", () => {});
  }

  /** @throws NetworkError, also for what the policy does not allow */
  static bind(policy: NetworkPolicy, at: Endpoint): Promise<Datagrams> {
    const isListening = policy.mayListen(at);
    if (!isListening && !(at.port === 0 && policy.canConnect)) policy.checkListen(at);
    const type = isIPv6(at.address) ? "udp6" : "udp4";
    const socket = createSocket({ type, lookup: (address, _, callback) => callback(null, address, 0) });
    return new Promise((resolve, reject) => {
      socket.once("error", (error) => {
        reject(new NetworkError(error.message));
        socket.close();
      });
      socket.bind({ address: at.address, port: at.port, exclusive: true }, () => {
        socket.removeAllListeners("error");
        resolve(new Datagrams(socket, policy, isListening));
      });
    });
  }

  get localAddress(): Endpoint {
    return this.#socket.address();
  }

  get peerAddress(): Endpoint | null {
    return this.#peer;
  }

  get broadcast(): boolean {
    return this.#broadcast;
  }

  set broadcast(on: boolean) {
    this.#socket.setBroadcast(on);
    this.#broadcast = on;
  }

  get ttl(): number {
    return this.#ttl;
  }

  /** @throws Error from the system for what is not 1 to 255 */
  set ttl(hops: number) {
    this.#socket.setTTL(hops);
    this.#ttl = hops;
  }

  /**
   * From then on it hears nobody else, and `send` needs no address. It is this host that filters: the system cannot
   * connect a socket anew without giving its port away.
   */
  connect(to: Endpoint): void {
    this.#check(to);
    this.#peer = to;
  }

  /** @param to null: whom it is connected to. @returns bytes sent */
  async send(bytes: Buffer, to: Endpoint | null): Promise<number> {
    const target = to ?? this.#peer;
    if (target === null) throw new NetworkError("the socket is not connected");
    this.#check(target);
    const copy = Buffer.from(bytes);
    return new Promise((resolve, reject) => {
      this.#socket.send(copy, target.port, this.#target(target), (error) => {
        if (error === null) resolve(copy.length);
        else reject(new NetworkError(error.message));
      });
    });
  }

  receive(call: Call, bytesMax: number): Buffer | Promise<Buffer> {
    return this.#receives.add(call, bytesMax, Number.POSITIVE_INFINITY);
  }

  close(): void {
    this.#isClosed = true;
    this.#socket.close();
    this.#receives.serve();
  }

  /** A socket of IPv6 reaches IPv4 by mapped addresses. */
  #target({ address }: Endpoint): string {
    return this.#isSix && !isIPv6(address) ? `::ffff:${address}` : address;
  }

  #check(to: Endpoint): void {
    if (to === this.#peer || (this.#isListening && this.#peers.has(endpointText(to)))) return;
    this.#policy.checkConnect(to);
  }

  #arrived(bytes: Buffer, from: Endpoint): void {
    if (this.#peer !== null && endpointText(from) !== endpointText(this.#peer)) return;
    if (!this.#isListening && !this.#policy.mayConnect(from)) return;
    if (this.#waiting.length >= WAITING_MAX || this.#waitingBytes + bytes.length > WAITING_BYTES_MAX) return;
    if (this.#isListening) this.#remember(endpointText(from));
    this.#waiting.push({ bytes, from });
    this.#waitingBytes += bytes.length;
    this.#receives.serve();
  }

  #remember(peer: string): void {
    this.#peers.delete(peer);
    this.#peers.add(peer);
    if (this.#peers.size <= PEERS_MAX) return;
    for (const oldest of this.#peers) {
      this.#peers.delete(oldest);
      return;
    }
  }

  /** What of a datagram the buffer has no room for is lost, as recvfrom(2) does. */
  #receive(bytesMax: number): Buffer | undefined {
    const datagram = this.#waiting.shift();
    if (datagram !== undefined) {
      const { bytes, from } = datagram;
      this.#waitingBytes -= bytes.length;
      const answer = ok(32 + bytes.length).address(octetsOf(from.address), from.port);
      return answer.raw(bytes.subarray(0, bytesMax)).bytes;
    }
    if (this.#isClosed) throw new NetworkError("the socket is closed");
    return undefined;
  }
}

/** Dual-stack sockets hear IPv4 as ::ffff:192.0.2.1. */
function textOfPeer(address: string): string {
  return address.toLowerCase().startsWith("::ffff:") && address.includes(".") ? address.slice(7) : address;
}
