// A TCP or TLS listener of a guest: connections wait here, in bounded number, until they are accepted.
import { createServer, type Server, type Socket } from "node:net";
import { type SecureContext, TLSSocket } from "node:tls";
import { after } from "../timer.ts";
import { type Endpoint, octetsOf } from "./address-text.ts";
import { type Call, NetworkError, ok } from "./call.ts";
import { Connection } from "./connection.ts";
import type { Handles, Held } from "./handles.ts";
import { HANDSHAKE_MS, type Handshakes } from "./handshakes.ts";
import { WaitingCalls } from "./waiting-calls.ts";

/** Connections of a listener that wait to be accepted, as tokio's backlog; further ones are closed at once. */
const PENDING_MAX = 1_024;

/** What a TLS listener shakes hands with. */
export interface ListenerTls {
  readonly context: SecureContext;
  readonly handshakes: Handshakes;
}

/** What an accept gets: a connection with its peer, or why a handshake failed. */
type Arrived = { readonly connection: Connection; readonly peer: Endpoint } | NetworkError;

export class Listener implements Held {
  readonly kind = "listener";
  holders = 0;
  readonly #environment: number;
  readonly #handles: Handles;
  readonly #server: Server;
  readonly #tls: ListenerTls | null;
  readonly #arrived: Arrived[] = [];
  readonly #handshakes = new Set<Socket>();
  readonly #accepts: WaitingCalls<null>;
  #failure: NetworkError | null = null;

  private constructor(environment: number, handles: Handles, tls: ListenerTls | null) {
    this.#environment = environment;
    this.#handles = handles;
    this.#tls = tls;
    this.#accepts = new WaitingCalls((_, call) => this.#accept(call));
    this.#server = createServer({ pauseOnConnect: true, allowHalfOpen: true }, (socket) => this.#connected(socket));
  }

  /**
   * Binds and listens. The environment's sockets must have room for one already.
   * @param tls null: plain TCP
   * @throws NetworkError
   */
  static bind(environment: number, handles: Handles, at: Endpoint, tls: ListenerTls | null): Promise<Listener> {
    const listener = new Listener(environment, handles, tls);
    const server = listener.#server;
    return new Promise((resolve, reject) => {
      server.once("error", (error) => reject(new NetworkError(error.message)));
      server.listen({ host: at.address, port: at.port, exclusive: true }, () => {
        server.removeAllListeners("error");
        server.on("error", (error) => listener.#fail(error.message));
        resolve(listener);
      });
    });
  }

  get localAddress(): Endpoint | null {
    const address = this.#server.address();
    return address === null || typeof address === "string" ? null : address;
  }

  /** Waits for a connection. A failed handshake fails one accept, and nothing else. */
  accept(call: Call): Buffer | Promise<Buffer> {
    return this.#accepts.add(call, null, Number.POSITIVE_INFINITY);
  }

  close(): void {
    this.#server.close();
    this.#fail("the listener is closed");
    for (const socket of this.#handshakes) socket.destroy();
    for (const arrived of this.#arrived.splice(0)) this.#discard(arrived);
  }

  #connected(socket: Socket): void {
    const pending = this.#arrived.length + this.#handshakes.size;
    if (this.#failure !== null || pending >= PENDING_MAX || !this.#handles.reserve(this.#environment)) {
      socket.destroy();
      return;
    }
    if (this.#tls === null) this.#arrive(socket);
    else this.#shakeHands(socket, this.#tls);
  }

  /**
   * Begun once a client has said something and its turn comes, so that a slow one keeps no other waiting. What it has
   * said stays in the socket, where TLS finds it.
   */
  #shakeHands(socket: Socket, { context, handshakes }: ListenerTls): void {
    const stop = new AbortController();
    /** The socket, and once it is begun the stream over it. */
    const streams = [socket];
    const end = (arrive: () => void): void => {
      if (!this.#handshakes.delete(socket)) return;
      timer.cancel();
      stop.abort(new Error("it is over"));
      for (const stream of streams) {
        stream.off("error", fail).off("end", closed).off("close", closed);
        // What is destroyed may have an error to tell yet.
        stream.on("error", () => {});
      }
      if (this.#failure === null) arrive();
      else {
        socket.destroy();
        this.#handles.release(this.#environment);
      }
    };
    const fail = (error: Error): void =>
      end(() => {
        this.#handles.release(this.#environment);
        for (const stream of streams) stream.destroy();
        this.#push(new NetworkError(`the TLS handshake failed: ${error.message}`));
      });
    const closed = (): void => fail(new Error("the connection was closed"));
    const watch = (stream: Socket): void => void stream.on("error", fail).on("end", closed).on("close", closed);
    const begin = (): void => {
      if (!this.#handshakes.has(socket)) return;
      const secure = new TLSSocket(socket, { isServer: true, secureContext: context });
      streams.push(secure);
      watch(secure);
      secure.once("secure", () => end(() => this.#arrive(secure)));
    };
    const timer = after(HANDSHAKE_MS, () => fail(new Error(`it took more than ${HANDSHAKE_MS} ms`)));
    this.#handshakes.add(socket);
    watch(socket);
    socket.once("readable", () => {
      handshakes.serve(this.#environment, stop.signal, begin).catch(fail);
    });
  }

  #arrive(socket: Socket): void {
    const { remoteAddress, remotePort } = socket;
    if (remoteAddress === undefined || remotePort === undefined) {
      // It has been reset already.
      socket.destroy();
      this.#handles.release(this.#environment);
      return;
    }
    this.#push({ connection: new Connection(socket), peer: { address: remoteAddress, port: remotePort } });
  }

  #push(arrived: Arrived): void {
    this.#arrived.push(arrived);
    this.#accepts.serve();
  }

  #accept(call: Call): Buffer | undefined {
    const arrived = this.#arrived.shift();
    if (arrived instanceof NetworkError) throw arrived;
    if (arrived !== undefined) {
      const handle = this.#handles.add(call, arrived.connection);
      return ok().u32(handle).address(octetsOf(arrived.peer.address), arrived.peer.port).bytes;
    }
    if (this.#failure !== null) throw this.#failure;
    return undefined;
  }

  #discard(arrived: Arrived): void {
    if (arrived instanceof NetworkError) return;
    arrived.connection.close();
    this.#handles.release(this.#environment);
  }

  #fail(text: string): void {
    this.#failure ??= new NetworkError(text);
    this.#accepts.serve();
  }
}
