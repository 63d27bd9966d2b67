// The default acceptor, on uWebSockets.js; the only file that loads it.
//
// What uWS does by itself, before its handler runs or beside it (measured with the pinned file for Node 20; each is in
// test/harness/framing-probes.ts or test/integration/acceptor*.test.ts):
// - anything but HTTP/1.1 and origin-form → 505 with a page of HTML; also a request line that comes in two segments
//   (uNetworking/uWebSockets#1776); both Content-Length and Transfer-Encoding, a Content-Length that is no number, a
//   bad chunk size → 400 likewise; a head in several segments above HEAD_BUFFER_BYTES → 431.
// - a malformed header line, a name with other characters than letters, digits and "-", no Host, more than 98 headers →
//   nothing, until its idle time-out.
// - bytes above 0x7f at either end of a header value are trimmed as if blank (x64); headers behind one without a name
//   are not shown to anyone.
// - `Expect: 100-continue` gets its 100 before the handler runs.
// - a request that comes while another is being answered closes the connection: pipelined requests are never served.
// - trailers end in 505; chunk extensions are read as a longer chunk, so the body never gets whole (408). Its chunk
//   parser is lax, which is why the connection is closed after each chunked request.
// - idle connections and heads that come slowly are closed after 8 to 14 s, whatever `idleMs` says: there is no setting
//   for that. So would bodies be below 16 KiB/s, and answers that are taken slowly, but for uws-transfers.ts.

import type { HttpRequest, HttpResponse, TemplatedApp, us_listen_socket } from "uWebSockets.js";
import { createHash } from "node:crypto";
import { readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { FrenezuloError, reasonOf } from "../errors.ts";
import { claimSocketPath, formatAddress, parseAddress, whyNotBindable, withSocketUmask } from "./address.ts";
import {
  type Acceptor,
  type AcceptorOptions,
  type Front,
  HEAD_BYTES_MAX,
  Head,
  type MakeAcceptor,
} from "./contract.ts";
import { judge } from "./gate.ts";
import { guarded, UwsExchange, type UwsResponse } from "./uws-exchange.ts";
import { nativeFile, supportedPlatforms } from "./uws-platform.ts";
import { Transfers } from "./uws-transfers.ts";

/** uWS keeps a head that arrives in pieces in a buffer of this size (its default of 4 KiB is below our limit). */
const HEAD_BUFFER_BYTES = 2 * HEAD_BYTES_MAX;

/** What the types of the package leave out or say otherwise. */
interface Uws {
  App(): App;
  SSLApp(options: { cert_file_name: string; key_file_name: string }): App;
  us_listen_socket_close(socket: us_listen_socket): void;
  us_socket_local_port(socket: us_listen_socket): number;
  readonly LIBUS_LISTEN_EXCLUSIVE_PORT: number;
  _cfg(key: string): void;
}

interface App extends Omit<TemplatedApp, "listen" | "filter"> {
  /** Called at each connection with 1, at its end with -1. */
  filter(count: (res: HttpResponse, change: number) => void): App;
  listen(host: string, port: number, options: number, done: (socket: us_listen_socket | false) => void): App;
}

let loaded: Uws | undefined;

/** Loads the native file after checking its sha256. @throws bad_platform */
export function loadUws(): Uws {
  if (loaded) return loaded;
  const { platform, arch, versions } = process;
  const refuse = (why: string, cause?: unknown): FrenezuloError =>
    new FrenezuloError("bad_platform", { why: `${why}; uWebSockets.js runs on ${supportedPlatforms}` }, { cause });
  const file = nativeFile(platform, arch, versions.modules);
  if (!file) throw refuse(`there is no file for ${platform} ${arch} with Node ${versions.node}`);
  const require = createRequire(import.meta.url);
  let path: string;
  let bytes: Buffer;
  try {
    path = join(dirname(require.resolve("uWebSockets.js/package.json")), file.name);
    bytes = readFileSync(path);
  } catch (thrown) {
    throw refuse(`${file.name} is not installed (${reasonOf(thrown)})`, thrown);
  }
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  if (sha256 !== file.sha256) throw refuse(`${path} has sha256 ${sha256}, not the ${file.sha256} that is pinned`);
  process.env.UWS_HTTP_MAX_HEADERS_SIZE = String(HEAD_BUFFER_BYTES); // read once, when the file is loaded
  try {
    loaded = require(path) as Uws;
  } catch (thrown) {
    throw refuse(`${file.name} does not load (${reasonOf(thrown)})`, thrown);
  }
  loaded._cfg("silent"); // no header that names the server
  return loaded;
}

/** @throws bad_platform, cannot_listen (the address, certificate or key is not usable) */
export const makeUwsAcceptor: MakeAcceptor = (options, front) => new UwsAcceptor(options, front);

class UwsAcceptor implements Acceptor {
  connections = 0;
  readonly #uws: Uws;
  readonly #app: App;
  readonly #options: AcceptorOptions;
  readonly #front: Front;
  readonly #head = new Head();
  readonly #transfers = new Transfers();
  readonly #addHeader = (name: string, value: string): void => this.#head.add(name, value);
  #listenSocket: us_listen_socket | null = null;
  /** Of the unix socket that this acceptor made. */
  #socketPath: string | null = null;

  constructor(options: AcceptorOptions, front: Front) {
    this.#options = options;
    this.#front = front;
    this.#uws = loadUws();
    this.#app = this.#makeApp();
    const count = (res: HttpResponse, change: number): void => {
      this.connections += change;
      if (change > 0 && this.connections > options.connectionsMax) res.close();
    };
    this.#app.filter(count);
    this.#app.any("/*", (res, req) => this.#serve(res, req));
  }

  async listen(): Promise<string> {
    const address = parseAddress(this.#options.address);
    if (address.kind === "unix") {
      await claimSocketPath(address.path);
      this.#listenSocket = await new Promise<us_listen_socket | null>((resolve) => {
        withSocketUmask(() => this.#app.listen_unix((socket) => resolve(socket || null), address.path));
      });
      if (!this.#listenSocket) throw this.#cannotListen("the socket cannot be made there");
      this.#socketPath = address.path;
      return formatAddress(address, 0);
    }
    const { host, port } = address;
    // Without this flag two nodes share a port silently (SO_REUSEPORT).
    const exclusive = this.#uws.LIBUS_LISTEN_EXCLUSIVE_PORT;
    const socket = await new Promise<us_listen_socket | false>((resolve) => {
      this.#app.listen(host, port, exclusive, resolve);
    });
    if (!socket) throw this.#cannotListen(await whyNotBindable(host, port));
    this.#listenSocket = socket;
    return formatAddress(address, this.#uws.us_socket_local_port(socket));
  }

  stopListening(): void {
    if (this.#listenSocket) this.#uws.us_listen_socket_close(this.#listenSocket);
    this.#listenSocket = null;
    // Now and not later: the path may soon be another node's.
    if (this.#socketPath) rmSync(this.#socketPath, { force: true });
    this.#socketPath = null;
  }

  async close(): Promise<void> {
    this.stopListening();
    this.#app.close();
  }

  #makeApp(): App {
    const { tls } = this.#options;
    if (!tls) return this.#uws.App();
    try {
      return this.#uws.SSLApp({ cert_file_name: tls.certPath, key_file_name: tls.keyPath });
    } catch (thrown) {
      const why = `the certificate ${tls.certPath} or its key ${tls.keyPath} cannot be used`;
      throw new FrenezuloError("cannot_listen", { address: this.#options.address, why }, { cause: thrown });
    }
  }

  #cannotListen(why: string): FrenezuloError {
    return new FrenezuloError("cannot_listen", { address: this.#options.address, why });
  }

  /** uWS's handler. `req` dies when it returns. */
  #serve(res: HttpResponse, req: HttpRequest): void {
    const exchange = new UwsExchange(res as UwsResponse, this.#options, this.#front, this.#transfers);
    res.onAborted(() => exchange.aborted());
    guarded(exchange, () => {
      const head = this.#head;
      head.reset();
      head.method = req.getCaseSensitiveMethod();
      head.path = req.getUrl();
      head.query = req.getQuery() ?? "";
      req.forEach(this.#addHeader);
      exchange.isHead = head.method === "HEAD";
      const refusal = judge(head);
      exchange.closes = refusal !== null || head.wantsClose || head.bodyBytes < 0;
      // uWS looks at the length only.
      if (exchange.closes) exchange.uwsCloses = head.get("connection")?.length === 5;
      if (refusal) {
        this.#front.refuse(refusal, exchange);
        return;
      }
      if (head.bodyBytes !== 0) exchange.expectBody(head.bodyBytes);
      this.#front.head(head, exchange);
    });
  }
}
