// The portable acceptor, on node:http and its strict parser; also the oracle for the gate.
//
// Differences from uWebSockets.js that a client can see: trailers and chunk extensions are understood; malformed
// requests get their status with the node's JSON body; `Expect: 100-continue` gets its 100 only when the body is
// wanted; `idleMs` is honoured. As there, a request that comes while another is being answered closes the connection.
import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerOptions, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { type AddressInfo, Server as NetServer, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { FrenezuloError, reasonOf } from "../errors.ts";
import { claimSocketPath, describeBindError, formatAddress, parseAddress, withSocketUmask } from "./address.ts";
import {
  type Acceptor,
  type AcceptorOptions,
  type Front,
  HEAD_BYTES_MAX,
  Head,
  type MakeAcceptor,
  type Refusal,
} from "./contract.ts";
import { judge } from "./gate.ts";
import { NodeExchange } from "./node-exchange.ts";
import { SocketExchange } from "./socket-exchange.ts";

/** How often Node looks for connections whose head is late. */
const CHECK_MS_MAX = 1000;
const TIMEOUT_MS_MAX = 2 ** 31 - 1;

/** @throws cannot_listen (the address, certificate or key is not usable) */
export const makeNodeAcceptor: MakeAcceptor = (options, front) => new NodeAcceptor(options, front);

class NodeAcceptor implements Acceptor {
  readonly #options: AcceptorOptions;
  readonly #front: Front;
  readonly #server: Server;
  readonly #head = new Head();
  readonly #sockets = new Set<Socket>();
  /** What is being answered on a connection. */
  readonly #exchanges = new WeakMap<Duplex, NodeExchange | SocketExchange>();

  constructor(options: AcceptorOptions, front: Front) {
    this.#options = options;
    this.#front = front;
    this.#server = this.#makeServer();
    this.#server.maxConnections = options.connectionsMax;
    this.#server.maxHeadersCount = 0; // above a limit Node drops headers silently; the gate refuses the request
    this.#server.timeout = 0;
    this.#server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
    });
    this.#server.on("request", (req, res) => this.#serve(req, res, false));
    this.#server.on("checkContinue", (req, res) => this.#serve(req, res, true));
    // Any other expectation is ignored (RFC 9110 §10.1.1 allows 417, and uWS does not look).
    this.#server.on("checkExpectation", (req, res) => this.#serve(req, res, false));
    this.#server.on("connect", (_req, socket) => {
      this.#refuseSocket(socket, { code: "method_not_implemented", details: { method: "CONNECT" } });
    });
    this.#server.on("clientError", (error: NodeJS.ErrnoException, socket) => this.#failed(error, socket));
    this.#server.on("tlsClientError", (_error, socket) => socket.destroy());
  }

  get connections(): number {
    return this.#sockets.size;
  }

  async listen(): Promise<string> {
    const address = parseAddress(this.#options.address);
    if (address.kind === "unix") await claimSocketPath(address.path);
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", (error) => {
        const details = { address: this.#options.address, why: describeBindError(error) };
        reject(new FrenezuloError("cannot_listen", details, { cause: error }));
      });
      if (address.kind === "unix") withSocketUmask(() => this.#server.listen({ path: address.path }, resolve));
      else this.#server.listen({ host: address.host, port: address.port, exclusive: true }, resolve);
    });
    const bound = this.#server.address() as AddressInfo | string;
    return formatAddress(address, typeof bound === "string" ? 0 : bound.port);
  }

  stopListening(): void {
    // Not http.Server's own close, which also ends the connections that are idle.
    NetServer.prototype.close.call(this.#server);
  }

  async close(): Promise<void> {
    const closed = [...this.#sockets].map(
      (socket) => new Promise<void>((resolve) => socket.once("close", () => resolve())),
    );
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(closed);
  }

  #makeServer(): Server {
    const { tls, idleMs, address } = this.#options;
    // 0 is "never" to Node, and it cuts what is longer than its timers short.
    const headMs = idleMs > TIMEOUT_MS_MAX ? 0 : Math.max(1, Math.ceil(idleMs));
    const options: ServerOptions = {
      insecureHTTPParser: false,
      maxHeaderSize: HEAD_BYTES_MAX,
      requireHostHeader: false, // the gate's, with its own answer
      keepAliveTimeout: headMs,
      headersTimeout: headMs,
      requestTimeout: 0, // bodies have a deadline of their own
      connectionsCheckingInterval: Math.min(CHECK_MS_MAX, headMs || CHECK_MS_MAX),
    };
    if (!tls) return createServer(options);
    try {
      return createTlsServer({ ...options, cert: readFileSync(tls.certPath), key: readFileSync(tls.keyPath) });
    } catch (thrown) {
      const why = `the certificate ${tls.certPath} or its key ${tls.keyPath} cannot be used (${reasonOf(thrown)})`;
      throw new FrenezuloError("cannot_listen", { address, why }, { cause: thrown });
    }
  }

  #serve(req: IncomingMessage, res: ServerResponse, expectsContinue: boolean): void {
    const { socket } = req;
    const before = this.#exchanges.get(socket);
    if (before?.isUnfinished) {
      before.abandon(); // pipelined
      return;
    }
    const head = this.#head;
    fill(head, req);
    const exchange = new NodeExchange(req, res, this.#options, this.#front);
    this.#exchanges.set(socket, exchange);
    exchange.inHandler(() => {
      const refusal =
        req.httpVersion === "1.1" ? judge(head) : ({ code: "version_not_supported", details: {} } satisfies Refusal);
      exchange.closes = refusal !== null || head.wantsClose || head.bodyBytes < 0;
      exchange.isRefused = refusal !== null;
      if (refusal) {
        this.#front.refuse(refusal, exchange);
      } else {
        if (head.bodyBytes !== 0) exchange.expectBody(head.bodyBytes, expectsContinue);
        this.#front.head(head, exchange);
      }
      exchange.discardUnread();
    });
  }

  /** A parser error or a time-out of the head; Node leaves the socket to us. */
  #failed(error: NodeJS.ErrnoException, socket: Duplex): void {
    if (error.code === "ECONNRESET" || error.code === "HPE_INVALID_EOF_STATE" || !socket.writable) {
      socket.destroy(); // the client left in the middle of a request
      return;
    }
    const exchange = this.#exchanges.get(socket);
    if (exchange?.isUnfinished) {
      // In the body: an answer can still say so. After it: garbage behind a request closes, as on uWS.
      if (!exchange.bodyBroken()) exchange.abandon();
      return;
    }
    if ((socket as Socket).bytesRead === 0) socket.destroy();
    else this.#refuseSocket(socket, refusalFor(error));
  }

  /** For what never became a request of Node's: the front writes its error as for any other. */
  #refuseSocket(socket: Duplex, refusal: Refusal): void {
    const exchange = new SocketExchange(socket as Socket, this.#options, this.#front);
    this.#exchanges.set(socket, exchange);
    exchange.inHandler(() => this.#front.refuse(refusal, exchange));
  }
}

function fill(head: Head, req: IncomingMessage): void {
  head.reset();
  const target = req.url!;
  const queryAt = target.indexOf("?");
  head.method = req.method!;
  head.path = queryAt < 0 ? target : target.slice(0, queryAt);
  head.query = queryAt < 0 ? "" : target.slice(queryAt + 1);
  const { rawHeaders } = req;
  for (let i = 0; i < rawHeaders.length; i += 2) head.add(rawHeaders[i]!.toLowerCase(), asUtf8(rawHeaders[i + 1]!));
}

/**
 * Node reads header bytes as latin1, uWS as UTF-8 with U+FFFD for what is none: the gate refuses it (DECISIONS 4.5).
 */
function asUtf8(value: string): string {
  for (let i = 0; i < value.length; i++) {
    if (value.charCodeAt(i) >= 0x80) return Buffer.from(value, "latin1").toString("utf8");
  }
  return value;
}

/** The table's row for an error of Node's HTTP parser or of its time-outs. */
function refusalFor(error: NodeJS.ErrnoException): Refusal {
  const why = reasonOf(error);
  switch (error.code) {
    case "HPE_HEADER_OVERFLOW":
      return { code: "headers_too_large", details: { why: `more than ${HEAD_BYTES_MAX} bytes` } };
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return { code: "request_timeout", details: {} };
    case "HPE_INVALID_VERSION":
      return { code: "version_not_supported", details: {} };
    case "HPE_INVALID_CONTENT_LENGTH":
    case "HPE_UNEXPECTED_CONTENT_LENGTH":
    case "HPE_INVALID_TRANSFER_ENCODING":
    case "HPE_INVALID_CHUNK_SIZE":
      return { code: "bad_framing", details: { why } };
    case "HPE_INVALID_HEADER_TOKEN":
      return { code: "bad_header", details: { why } };
    default:
      return { code: "bad_request_line", details: { why } };
  }
}
