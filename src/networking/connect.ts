// Outgoing connections of guests: TCP to an address, TLS to a name.
import { createPrivateKey, X509Certificate } from "node:crypto";
import { connect as connectTcp, isIP, type Socket } from "node:net";
import { checkServerIdentity, connect as connectTls, createSecureContext, type SecureContext } from "node:tls";
import { after } from "../timer.ts";
import type { Endpoint } from "./address-text.ts";
import { Abandoned, type Call, NetworkError, TimedOut } from "./call.ts";

/**
 * A connected socket, paused.
 * @param ms until it must be connected. @throws NetworkError, TimedOut, Abandoned
 */
export function openTcp(call: Call, to: Endpoint, ms: number): Promise<Socket> {
  const socket = connectTcp({ host: to.address, port: to.port, allowHalfOpen: true });
  return opened(call, socket, "connect", ms);
}

/**
 * A TLS stream over a connected socket; whom it talks to has shown a certificate for `host`.
 * @param roots certificates (PEM or DER) to trust instead of Node's own list; empty: that list
 * @throws NetworkError, TimedOut, Abandoned
 */
export function openTls(
  call: Call,
  socket: Socket,
  host: string,
  roots: readonly Buffer[],
  ms: number,
): Promise<Socket> {
  const secure = connectTls({
    socket,
    rejectUnauthorized: true,
    // An address is no server name (RFC 6066 §3), and is looked for in the certificate all the same.
    ...(isIP(host) === 0 ? { servername: host } : {}),
    checkServerIdentity: (_, certificate) => checkServerIdentity(host, certificate),
    ...(roots.length > 0 ? { ca: roots.map(pemOf) } : {}),
  });
  return opened(call, secure, "secureConnect", ms);
}

/** Keys of listeners: each handshake signs with one on the main thread, and 16,384 bits take most of a second. */
const KEY_BITS_MAX = 4_096;
const keyTypes: ReadonlySet<string | undefined> = new Set(["rsa", "rsa-pss", "ec", "ed25519", "ed448"]);

/**
 * The certificate and key of a listener.
 * @throws NetworkError for what is not PEM, does not fit together, or is a key that takes long to sign with
 */
export function serverContext(certificate: Buffer, key: Buffer): SecureContext {
  try {
    const { asymmetricKeyType, asymmetricKeyDetails } = createPrivateKey(key);
    if (!keyTypes.has(asymmetricKeyType) || (asymmetricKeyDetails?.modulusLength ?? 0) > KEY_BITS_MAX) {
      throw new Error(`a key is RSA of at most ${KEY_BITS_MAX} bits, or of an elliptic curve`);
    }
    return createSecureContext({ cert: certificate, key });
  } catch (thrown) {
    throw new NetworkError(`the certificate and key cannot be used: ${(thrown as Error).message}`);
  }
}

function pemOf(certificate: Buffer): string {
  try {
    return new X509Certificate(certificate).toString();
  } catch (thrown) {
    throw new NetworkError(`a root certificate cannot be used: ${(thrown as Error).message}`);
  }
}

function opened(call: Call, socket: Socket, event: "connect" | "secureConnect", ms: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      timer.cancel();
      call.onEnd(null);
      socket.off(event, connected);
      socket.off("error", failed);
    };
    const connected = (): void => {
      settle();
      resolve(socket);
    };
    const failed = (error: Error): void => {
      settle();
      // What is destroyed may have an error to tell yet.
      socket.on("error", () => {});
      socket.destroy();
      reject(error instanceof TimedOut || error instanceof Abandoned ? error : new NetworkError(error.message));
    };
    const timer = after(ms, () => failed(new TimedOut()));
    call.onEnd(() => failed(new Abandoned()));
    socket.once(event, connected);
    socket.on("error", failed);
  });
}
