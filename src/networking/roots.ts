// Sets of root certificates that guests trust: the context of each set is made once, a certificate at a time.
//
// A context of 64 certificates takes the main thread some 10 ms (M), and cannot be made elsewhere. That they are
// certificates is checked by who asks, in its carrier.
import { constants, createHash } from "node:crypto";
import { createSecureContext, type SecureContext } from "node:tls";
import { nobodyOf, type Slices } from "../carriers/slices.ts";

/** A peer that has TLS 1.2 negotiated anew has all of a handshake computed each time, as often as it likes. */
export const ONE_HANDSHAKE = constants.SSL_OP_NO_RENEGOTIATION;
/** Sets that are kept, each with some 10 KB a certificate. */
const SETS_MAX = 64;

interface RootSet {
  /** Who brought it. */
  readonly environment: number;
  readonly context: Promise<SecureContext>;
}

/** What Node's own contexts can do and do not say: one certificate more. */
interface Native {
  addCACert(pem: string): void;
}

export class Roots {
  readonly #slices: Slices;
  readonly #setsMax: number;
  /** By digest, the least recently used first. */
  readonly #sets = new Map<string, RootSet>();
  #own: SecureContext | null = null;

  constructor(slices: Slices, setsMax = SETS_MAX) {
    this.#slices = slices;
    this.#setsMax = setsMax;
  }

  /** Sets that are kept. */
  get size(): number {
    return this.#sets.size;
  }

  /** @param roots certificates in DER; none: Node's own list is trusted */
  async of(environment: number, roots: readonly Buffer[]): Promise<SecureContext> {
    if (roots.length === 0) {
      this.#own ??= createSecureContext({ secureOptions: ONE_HANDSHAKE });
      return this.#own;
    }
    const key = digestOf(roots);
    const known = this.#sets.get(key);
    const set = known ?? { environment, context: this.#make(environment, roots) };
    if (known === undefined) set.context.catch(() => this.#sets.delete(key));
    this.#sets.delete(key);
    this.#sets.set(key, set);
    if (this.#sets.size > this.#setsMax) this.#dropOne();
    return set.context;
  }

  /** It goes on if who asked for it ends: others may wait for the same set. */
  async #make(environment: number, roots: readonly Buffer[]): Promise<SecureContext> {
    const owner = nobodyOf(environment);
    const made = await this.#slices.run(owner, () => createSecureContext({ ca: [], secureOptions: ONE_HANDSHAKE }));
    const native = made.context as Native;
    for (const root of roots) await this.#slices.run(owner, () => native.addCACert(pemOf(root)));
    return made;
  }

  /** The least recently used of the environment that has brought the most: nobody's sets go for another's many. */
  #dropOne(): void {
    const counts = new Map<number, number>();
    for (const { environment } of this.#sets.values()) counts.set(environment, (counts.get(environment) ?? 0) + 1);
    const most = Math.max(...counts.values());
    for (const [key, { environment }] of this.#sets) {
      if (counts.get(environment) !== most) continue;
      this.#sets.delete(key);
      return;
    }
  }
}

function digestOf(roots: readonly Buffer[]): string {
  const hash = createHash("sha256");
  const length = Buffer.alloc(4);
  for (const root of roots) {
    length.writeUInt32LE(root.length);
    hash.update(length).update(root);
  }
  return hash.digest("base64");
}

/** Without an empty line at the end, where OpenSSL would stop and know no certificate. */
export function pemOf(der: Buffer): string {
  const lines = der.toString("base64").match(/.{1,64}/g) ?? [];
  return ["-----BEGIN CERTIFICATE-----", ...lines, "-----END CERTIFICATE-----", ""].join("\n");
}
