// Where an acceptor listens: text ↔ host and port or path of a unix socket, and claiming that path.
import { lstat, rm } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { FrenezuloError } from "../errors.ts";

export type Address =
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  | { readonly kind: "unix"; readonly path: string };

/** Rights of a unix socket: its owner only, which is why it counts as loopback (DECISIONS 7.1). */
const SOCKET_UMASK = 0o177;

/** "127.0.0.1:3000", "[::1]:0", "localhost:80" or "unix:/run/x.sock". @throws cannot_listen */
export function parseAddress(address: string): Address {
  if (address.startsWith("unix:")) {
    const path = address.slice("unix:".length);
    // The kernel's sun_path has 108 bytes with its final NUL.
    if (path.length === 0 || Buffer.byteLength(path) > 107) {
      throw new FrenezuloError("cannot_listen", { address, why: "the path of a unix socket has 1 to 107 bytes" });
    }
    return { kind: "unix", path };
  }
  const found = /^(?:\[([0-9A-Fa-f:.%]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(address);
  const port = Number(found?.[3]);
  if (!found || port > 65_535) {
    throw new FrenezuloError("cannot_listen", {
      address,
      why: "it is not HOST:PORT, [IPV6]:PORT or unix:PATH with a port of 0 to 65535",
    });
  }
  return { kind: "tcp", host: found[1] ?? found[2]!, port };
}

/** The text of an address as it was bound. */
export function formatAddress(address: Address, port: number): string {
  if (address.kind === "unix") return `unix:${address.path}`;
  return address.host.includes(":") ? `[${address.host}]:${port}` : `${address.host}:${port}`;
}

/**
 * Makes the path of a unix socket free: a socket that nobody answers on is removed, anything else is left alone.
 * @throws cannot_listen if a process answers there or the path is something else
 */
export async function claimSocketPath(path: string): Promise<void> {
  const address = `unix:${path}`;
  const there = await lstat(path).catch(() => null);
  if (!there) return;
  if (!there.isSocket())
    throw new FrenezuloError("cannot_listen", { address, why: "a file that is no socket is there" });
  const isAnswered = await new Promise<boolean>((resolve) => {
    const probe = connect(path);
    probe.on("connect", () => {
      probe.destroy();
      resolve(true);
    });
    probe.on("error", (error: NodeJS.ErrnoException) => resolve(error.code !== "ECONNREFUSED"));
  });
  if (isAnswered)
    throw new FrenezuloError("cannot_listen", { address, why: "the socket is in use by another process" });
  await rm(path, { force: true });
}

/** Runs a bind so that the socket's file has mode 0600 from its first moment. */
export function withSocketUmask<T>(bind: () => T): T {
  const before = process.umask(SOCKET_UMASK);
  try {
    return bind();
  } finally {
    process.umask(before);
  }
}

/** Why a TCP address cannot be bound, from a bind of Node's own (uWebSockets.js tells only that it failed). */
export function whyNotBindable(host: string, port: number): Promise<string> {
  return new Promise((resolve) => {
    const server = createServer();
    server.on("error", (error: NodeJS.ErrnoException) => resolve(describeBindError(error)));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve("the bind failed")));
  });
}

/** A bind error in words. */
export function describeBindError(error: NodeJS.ErrnoException): string {
  switch (error.code) {
    case "EADDRINUSE":
      return "the address is in use by another process";
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
      return "this machine has no such address";
    case "EACCES":
      return "this user may not bind it (ports below 1024 need a privilege)";
    default:
      return error.message;
  }
}
