// Who may use the admin routes, and from where: addresses, the token (DECISIONS 7.1), Host and Origin (reliability.md
// §3.8).
import { createHash, timingSafeEqual } from "node:crypto";
import { BlockList, isIP, isIPv4 } from "node:net";
import { assertToken, TOKEN_BYTES_MAX, TOKEN_BYTES_MIN } from "../config/token-file.ts";
import { FrenezuloError } from "../errors.ts";
import type { AdminHead, AdminLog, Listener } from "./contract.ts";
import { Throttle } from "./throttle.ts";

export interface ListenAddress {
  /** "127.0.0.1:3000", "[::1]:0", "unix:/run/x.sock". */
  readonly address: string;
  /** Mode bits of the socket file; a unix socket counts as loopback only if they let in nobody but its owner. */
  readonly unixMode?: number | undefined;
}

export interface AuthOptions {
  /** Visible ASCII, at least 32 bytes. Undefined: those on a loopback listener need none. */
  readonly token: string | undefined;
  readonly listen: ListenAddress;
  /** The admin routes' own listener, if they have one. */
  readonly adminListen?: ListenAddress | undefined;
  /** The setting admin.public: the admin routes are served on a public listener that is not loopback, too. */
  readonly isPublic: boolean;
}

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8, "ipv4"); // catches ::ffff:127.0.0.1, too
loopback.addAddress("::1", "ipv6");

/** True if only this machine (TCP) or only this user (unix socket with mode 0600) can connect to the address. */
export function isLoopback({ address, unixMode }: ListenAddress): boolean {
  if (address.startsWith("unix:")) return unixMode !== undefined && (unixMode & 0o077) === 0;
  const [, bracketed, plain] = /^(?:\[([^\]]*)\]|([^:]*)):\d+$/.exec(address) ?? [];
  const host = bracketed ?? plain ?? "";
  if (host.toLowerCase() === "localhost") return true;
  return isIP(host) !== 0 && loopback.check(host, isIPv4(host) ? "ipv4" : "ipv6");
}

/**
 * Refuses to go on where the admin routes could be used by strangers.
 * @throws token_needed if the token is unfit, or missing where the admin routes are not on loopback
 */
export function assertAdminAddress(options: AuthOptions): void {
  if (options.token !== undefined) {
    assertToken(options.token);
    return;
  }
  const how = `Set FRENEZULO_ADMIN_TOKEN to at least ${TOKEN_BYTES_MIN} random bytes (openssl rand -hex 32)`;
  if (options.adminListen !== undefined && !isLoopback(options.adminListen)) {
    throw new FrenezuloError("token_needed", {
      why:
        `The admin address ${options.adminListen.address} is not loopback, so the admin routes need a token. ` +
        `${how}, or listen for admin on 127.0.0.1 or on a unix socket with mode 0600.`,
    });
  }
  if (options.isPublic && !isLoopback(options.listen)) {
    throw new FrenezuloError("token_needed", {
      why:
        `admin.public = true serves the admin routes on ${options.listen.address}, which is not loopback, ` +
        `so they need a token. ${how}, or set admin.public = false.`,
    });
  }
}

/** Decides of each head whether it may come in. */
export class Door {
  readonly #options: AuthOptions;
  readonly #log: AdminLog;
  readonly #throttle: Throttle;
  readonly #digest: Buffer | undefined;

  /** @throws token_needed */
  constructor(options: AuthOptions, log: AdminLog, now: () => number) {
    assertAdminAddress(options);
    this.#options = options;
    this.#log = log;
    this.#throttle = new Throttle(now);
    this.#digest = options.token === undefined ? undefined : sha256(options.token);
  }

  /** True if the admin routes exist on this listener at all (health exists on both; not asked here). */
  isOpenOn(listener: Listener): boolean {
    const { listen, adminListen, isPublic, token } = this.#options;
    if (listener === "admin") return adminListen !== undefined;
    if (adminListen !== undefined) return false;
    return isLoopback(listen) || (isPublic && token !== undefined);
  }

  /**
   * Lets the head pass or throws: with a token configured the head must carry it; without one the listener is loopback
   * (the constructor saw to it) and the head must be one that no web page and no proxy made. The right token passes
   * whatever else came from its address.
   * @throws unauthorized, too_many_attempts, forbidden_origin
   */
  admit(head: AdminHead): void {
    if (this.#digest === undefined) {
      assertLocal(head);
      return;
    }
    const values = head.headers.get("authorization") ?? [];
    // Nothing presented is nothing guessed: it is refused, but does not count against the source.
    if (values.length === 0) throw new FrenezuloError("unauthorized");
    const presented = values.length === 1 ? /^bearer +([\x21-\x7e]+)$/i.exec(values[0] ?? "")?.[1] : undefined;
    // Digests have one length, so the comparison takes as long for any token.
    if (
      presented !== undefined &&
      presented.length <= TOKEN_BYTES_MAX &&
      timingSafeEqual(sha256(presented), this.#digest)
    ) {
      return;
    }
    const { isThrottled, isBlockBegin, delayMs } = this.#throttle.fail(head.remoteAddress);
    if (isThrottled) throw new TooManyAttempts(delayMs);
    this.#log.warn(
      { remoteAddress: head.remoteAddress, requestId: head.requestId, path: head.path.slice(0, 256) },
      isBlockBegin ? "admin: wrong token; further wrong ones of this source wait a second" : "admin: wrong token",
    );
    throw new FrenezuloError("unauthorized");
  }
}

/** Thrown for a wrong token whose answer is to wait. */
export class TooManyAttempts extends FrenezuloError {
  readonly delayMs: number;

  constructor(delayMs: number) {
    super("too_many_attempts", {}, { retryAfterSeconds: 1 });
    this.delayMs = delayMs;
  }
}

function sha256(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

/** Headers that proxies add. Whoever is behind one is not on this machine, whatever the peer's address says. */
const PROXY_HEADERS = ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via"];

/** @throws forbidden_origin */
function assertLocal({ headers }: AdminHead): void {
  const refuse = (why: string): never => {
    throw new FrenezuloError("forbidden_origin", { why });
  };
  // A name other than these may be a web page's own, pointed at 127.0.0.1 (DNS rebinding).
  const hosts = headers.get("host") ?? [];
  if (hosts.length !== 1 || !isLoopbackHost(hosts[0] ?? "")) {
    refuse("the Host must be localhost, 127.x.x.x or [::1]");
  }
  if (headers.has("origin")) refuse("it has an Origin, so a web page sent it");
  // A page of a service on this very origin sends no Origin with a GET, but browsers say where it comes from.
  if ((headers.get("sec-fetch-site") ?? []).some((site) => site !== "none")) {
    refuse("its Sec-Fetch-Site says that a web page sent it");
  }
  const proxied = PROXY_HEADERS.find((name) => headers.has(name));
  if (proxied !== undefined) refuse(`it came through a proxy (${proxied}); set a token`);
}

function isLoopbackHost(host: string): boolean {
  const name = host.replace(/:\d{1,5}$/, "").toLowerCase();
  return name === "localhost" || name === "[::1]" || (isIPv4(name) && name.startsWith("127."));
}
