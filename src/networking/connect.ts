// Outgoing connections of guests: TCP to an address, TLS to a name.
import { createPrivateKey } from "node:crypto";
import { connect as connectTcp, isIP, type Socket } from "node:net";
import { checkServerIdentity, connect as connectTls, createSecureContext, type SecureContext } from "node:tls";
import { after } from "../timer.ts";
import type { Endpoint } from "./address-text.ts";
import { Abandoned, type Call, NetworkError, TimedOut } from "./call.ts";
import { HANDSHAKE_MS } from "./handshakes.ts";
import { ONE_HANDSHAKE } from "./roots.ts";

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
 * @param context has the certificates to trust
 * @param ms for the handshake, which takes 10 s at most. @throws NetworkError, TimedOut, Abandoned
 */
export async function openTls(
  call: Call,
  socket: Socket,
  { host, context, ms }: { readonly host: string; readonly context: SecureContext; readonly ms: number },
): Promise<Socket> {
  const secure = connectTls({
    socket,
    secureContext: context,
    rejectUnauthorized: true,
    // An address is no server name (RFC 6066 §3), and is looked for in the certificate all the same.
    ...(isIP(host) === 0 ? { servername: host } : {}),
    checkServerIdentity: (_, certificate) => checkServerIdentity(host, certificate),
  });
  try {
    return await opened(call, secure, "secureConnect", Math.min(ms, HANDSHAKE_MS));
  } catch (thrown) {
    if (!(thrown instanceof TimedOut) || ms <= HANDSHAKE_MS) throw thrown;
    throw new NetworkError(`no TLS handshake within ${HANDSHAKE_MS} ms`);
  }
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
    return createSecureContext({ cert: certificate, key, secureOptions: ONE_HANDSHAKE });
  } catch (thrown) {
    throw new NetworkError(`the certificate and key cannot be used: ${(thrown as Error).message}`);
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
