// The node's listeners: the public one, and one for admin where it has its own address.
import type { Acceptor, AcceptorOptions, Front, MakeAcceptor } from "../acceptor/contract.ts";
import { makeNodeAcceptor } from "../acceptor/node-http.ts";
import { makeUwsAcceptor } from "../acceptor/uws.ts";
import type { Listener } from "../admin/contract.ts";
import type { NodeConfig } from "../config/config.ts";
import { FrenezuloError } from "../errors.ts";
import type { Log } from "../log/log.ts";
import { type Room, roomOf } from "./room.ts";

export interface ListenersParts {
  readonly config: Pick<NodeConfig, "listen" | "admin" | "limits">;
  readonly makeFront: (listener: Listener, room: Room) => Front;
  readonly log: Log;
}

export class Listeners {
  /** As they were bound. */
  readonly addresses: { listen: string; admin: string | null } = { listen: "", admin: null };
  readonly #config: Pick<NodeConfig, "listen" | "admin" | "limits">;
  /** For bodies and answers, on all of them together. */
  readonly room: Room;
  readonly #makeFront: ListenersParts["makeFront"];
  readonly #log: Log;
  readonly #acceptors: Acceptor[] = [];

  constructor({ config, makeFront, log }: ListenersParts) {
    this.#config = config;
    this.room = roomOf(config.limits);
    this.#makeFront = makeFront;
    this.#log = log;
  }

  /** Open connections of all listeners. */
  get connections(): number {
    return this.#acceptors.reduce((sum, { connections }) => sum + connections, 0);
  }

  /** @throws cannot_listen; then none listens */
  async open(): Promise<void> {
    const { listen, admin } = this.#config;
    const { cert, key } = listen.tls;
    const tls = cert === undefined || key === undefined ? {} : { tls: { certPath: cert, keyPath: key } };
    try {
      this.addresses.listen = await this.#open("public", { ...this.#options(listen.address), ...tls });
      if (admin.listen !== undefined) this.addresses.admin = await this.#open("admin", this.#options(admin.listen));
    } catch (thrown) {
      await this.close();
      throw thrown;
    }
  }

  /** Takes no new connections; those there are go on. */
  stopListening(): void {
    for (const acceptor of this.#acceptors) acceptor.stopListening();
  }

  async close(): Promise<void> {
    await Promise.all(this.#acceptors.splice(0).map((acceptor) => acceptor.close()));
  }

  #options(address: string): AcceptorOptions {
    const { listen } = this.#config;
    return {
      address,
      connectionsMax: listen.connections,
      idleMs: listen.idle_timeout,
      writePace: { idleMs: listen.write_idle, rateMin: listen.rate_min, totalMs: listen.write_timeout },
      bodyPace: { idleMs: listen.body_idle, rateMin: listen.rate_min, totalMs: listen.body_timeout },
      ...this.room,
    };
  }

  async #open(listener: Listener, options: AcceptorOptions): Promise<string> {
    const acceptor = this.#make(options, this.#makeFront(listener, this.room));
    this.#acceptors.push(acceptor);
    return acceptor.listen();
  }

  #make(...[options, front]: Parameters<MakeAcceptor>): Acceptor {
    if (this.#config.listen.http === "node") return makeNodeAcceptor(options, front);
    try {
      return makeUwsAcceptor(options, front);
    } catch (thrown) {
      if (!(thrown instanceof FrenezuloError) || thrown.code !== "bad_platform") throw thrown;
      this.#log.warn({ why: thrown.message }, "uWebSockets.js does not run here: serving with node:http, slower");
      return makeNodeAcceptor(options, front);
    }
  }
}
