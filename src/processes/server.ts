// What the main thread does for processes: names, spawns that need another carrier, ends that nobody else can bring.

import { setTimeout as sleep } from "node:timers/promises";
import { ANSWER, ASK, SPAWNED, type SpawnSpec } from "../../wire/asks.ts";
import type { BirthSpec } from "../../wire/control.ts";
import type { Exit } from "../../wire/exits.ts";
import { SIGNAL } from "../../wire/layout.ts";
import type { SignalHandler } from "../../wire/mesh-peer.ts";
import { pidBytes, slotOf } from "../../wire/pids.ts";
import type { Asker, AskServer } from "../carriers/answering.ts";
import type { Carrier } from "../carriers/carrier.ts";
import type { Carriers } from "../carriers/carriers.ts";
import { reasonOf } from "../errors.ts";
import type { Environments, MainEnvironment } from "./environments.ts";
import type { ProcessModule } from "./forms.ts";
import { ProcessHosts } from "./hosts.ts";

/** Before an operation's payload in an `ask` frame, and before an answer's own (wire/layout.ts, SIGNAL). */
const HEADER = 8;
/** A process that was killed and still runs so much later does not look at its signals: its carrier is ended. ms */
const KILL_MS = 100;
/** What is asked is taken in anew for the answer; smaller ones are not refused for want of memory. Bytes */
const ASK_TIMES = 2;
const SMALL_ASK_BYTES = 4096;

/** Between two looks whether a carrier that is being made is warm. ms */
const WARM_MS = 5;

/** What the processes of one environment may take of the carriers, where others want some (`limits.share`). */
export interface CarrierShare {
  /** Carriers of their own that they may have while others wait for one, or only one is left. */
  readonly max: number;
  /** True if actors wait for a carrier. */
  readonly isContended: () => boolean;
}

export interface ProcessServerParts {
  readonly carriers: Carriers;
  readonly environments: Environments;
  readonly asks: AskServer;
  /** Carriers for light processes alone, at most. */
  readonly hostsMax: number;
  /** null: there is nobody else. */
  readonly share: CarrierShare | null;
}

/** A process with a carrier of its own, or one whose end somebody waits for. */
interface Hosted {
  readonly carrier: Carrier;
  /** True if the carrier is its own, and free when it has ended. */
  readonly isAlone: boolean;
  /** Number of its environment: nobody else's processes may end it. */
  readonly environment: number;
  /** True once a process has killed it. */
  isToEnd: boolean;
  readonly onEnd: (exit: Exit) => void;
}

export class ProcessServer {
  readonly #environments: Environments;
  readonly #asks: AskServer;
  readonly #carriers: Carriers;
  readonly #hosted = new Map<number, Hosted>();
  /** Spawns that a carrier has not answered yet. */
  #spawning = 0;
  /** Ends that came while there were such: a process may be over before its pid is known here. */
  readonly #early = new Map<number, Exit>();
  readonly #hosts: ProcessHosts;
  readonly #share: CarrierShare | null;
  /** Carriers that belong to one process each, by environment. */
  readonly #own = new Map<number, number>();

  constructor({ carriers, environments, asks, hostsMax, share }: ProcessServerParts) {
    this.#carriers = carriers;
    this.#environments = environments;
    this.#asks = asks;
    this.#hosts = new ProcessHosts(environments, carriers, hostsMax);
    this.#share = share;
    this.#serve();
  }

  close(): void {
    this.#hosts.close();
  }

  /** A signal for the main thread. */
  readonly onSignal: SignalHandler = (kind, to, pid, environment, bytes, start, length) => {
    const from: Asker = { environment, pid, slot: slotOf(pid) };
    if (kind === SIGNAL.ask) void this.#answer(from, ownBytes(bytes, start, length));
    else if (kind === SIGNAL.kill) this.#kill(to, environment);
    else if (kind === SIGNAL.forget) {
      this.#environments.get(environment)?.names.ended(pid);
      this.#asks.forget(from);
    }
  };

  /**
   * Makes a process in a carrier that is kept for such, or in one of its own if it is not light.
   * @param host where it should live, if it is light
   * @returns its pid. @throws Error if there is no room for it
   */
  async spawn(
    environment: MainEnvironment,
    module: ProcessModule,
    request: Omit<SpawnSpec, "module">,
    onEnd: ((exit: Exit) => void) | null,
    host: Carrier | null = null,
  ): Promise<number> {
    const isAlone = module.why !== null;
    const carrier = isAlone ? await this.#takeOwn(module, environment) : (host ?? this.#hosts.least());
    this.#assertOpen(environment);
    const spec: BirthSpec = {
      ...request,
      module: module.key,
      environment: environment.spec,
      carrierModule: module.module,
      isReported: isAlone || onEnd !== null,
    };
    environment.carriers.add(carrier);
    environment.addHolder(module.key, carrier);
    environment.births.begin(request.root, carrier);
    this.#spawning++;
    this.#hosts.countBirth(carrier, 1);
    const born = await carrier.spawn(spec).catch(reasonOf);
    this.#hosts.countBirth(carrier, -1);
    this.#spawning--;
    const early = typeof born === "number" ? this.#early.get(born) : undefined;
    if (this.#spawning === 0) this.#early.clear();
    if (typeof born === "string") {
      environment.births.end(request.root, carrier, 1);
      if (isAlone) this.#giveBack(carrier, environment.spec.id);
      throw new Error(born);
    }
    if (spec.isReported) {
      const { id } = environment.spec;
      this.#hosted.set(born, { carrier, isAlone, environment: id, isToEnd: false, onEnd: onEnd ?? (() => {}) });
    }
    if (early !== undefined) this.exited(born, early);
    return born;
  }

  /** A process has ended. False if its end was not awaited. */
  exited(pid: number, exit: Exit): boolean {
    const hosted = this.#hosted.get(pid);
    if (hosted === undefined || !this.#hosted.delete(pid)) {
      if (this.#spawning > 0) this.#early.set(pid, exit);
      return false;
    }
    if (hosted.isAlone) this.#giveBack(hosted.carrier, hosted.environment);
    hosted.onEnd(exit);
    return true;
  }

  carrierGone(carrier: Carrier, why: string): void {
    this.#hosts.gone(carrier);
    this.#environments.carrierGone(carrier);
    this.#asks.forgetSlot(carrier.slot);
    for (const [pid, hosted] of this.#hosted) {
      if (hosted.carrier === carrier) this.exited(pid, { reason: "killed", text: why });
    }
  }

  #serve(): void {
    const asks = this.#asks;
    const names = ({ environment }: Asker) => this.#environment(environment).names;
    asks.on(ASK.name_put, (from, payload) => {
      const pid = Number(payload.readBigUInt64LE(0));
      // Its carrier tells of its end from now on: a name whose process's end nobody tells would never go.
      const { mesh } = this.#carriers;
      const isTold =
        slotOf(pid) === 0 || mesh.send(slotOf(pid), SIGNAL.named, pid, 0, from.environment, NO_BYTES, 0, 0);
      if (!isTold) throw new Error(`too many signals wait for the carrier of process ${pid}`);
      names(from).put(payload.toString("utf8", 8), pid);
      return NO_BYTES;
    });
    asks.on(ASK.name_get, async (from, payload) =>
      pidBytes(await names(from).get(payload.toString("utf8", 8), from.pid)),
    );
    asks.on(ASK.name_claim, async (from, payload) =>
      pidBytes(await names(from).claim(payload.toString("utf8", 8), from.pid)),
    );
    asks.on(ASK.name_unclaim, (from, payload) => {
      names(from).unclaim(payload.toString("utf8", 8), from.pid);
      return NO_BYTES;
    });
    asks.on(ASK.name_remove, (from, payload) => {
      names(from).remove(payload.toString("utf8", 8));
      return NO_BYTES;
    });
    asks.on(ASK.spawn, (from, payload) => this.#spawnFor(from, JSON.parse(payload.toString("utf8")) as SpawnSpec));
    asks.on(ASK.compile, async (from, payload) => {
      try {
        const key = await this.#environment(from.environment).parts.compile(new Uint8Array(payload));
        return Buffer.concat([Uint8Array.of(0), Buffer.from(key)]);
      } catch (thrown) {
        return Buffer.concat([Uint8Array.of(1), Buffer.from(reasonOf(thrown))]);
      }
    });
  }

  /** A process asks for one that its carrier could not make as it is. */
  async #spawnFor(from: Asker, spec: SpawnSpec): Promise<Uint8Array> {
    const environment = this.#environment(from.environment);
    const { load } = environment.parts;
    let module = await load(spec.module, spec.rights.maxMemory, false);
    // With a carrier to spare it gets its own at once; else it waits for the light form.
    const isScarce = this.#carriers.available <= 1 || this.#isSated(environment);
    if (module.why !== null && isScarce) module = await load(spec.module, spec.rights.maxMemory, true);
    environment.addForm(spec.module, module.key);
    const carrier = this.#carriers.bySlot(from.slot);
    if (carrier === undefined) throw new Error("its carrier has ended");
    const host = module.why === null ? this.#hosts.roomiest(carrier) : null;
    if (host === carrier) {
      environment.addHolder(module.key, carrier);
      carrier.sendModule(module.key, module.module);
      return Buffer.concat([Uint8Array.of(SPAWNED.here), Buffer.from(module.key)]);
    }
    const pid = await this.spawn(environment, module, spec, null, host);
    return Buffer.concat([Uint8Array.of(SPAWNED.made), pidBytes(pid)]);
  }

  /** A plain process may spin or block: what it does not look at, the end of its carrier brings. */
  #kill(pid: number, environment: number): void {
    const hosted = this.#hosted.get(pid);
    if (hosted === undefined || hosted.environment !== environment || !hosted.isAlone || hosted.isToEnd) return;
    hosted.isToEnd = true;
    setTimeout(() => {
      if (this.#hosted.get(pid) === hosted) this.#carriers.kill(hosted.carrier, `process ${pid} was killed`);
    }, KILL_MS).unref();
  }

  async #answer(from: Asker, frame: Buffer): Promise<void> {
    const answer = await this.#answerOf(from, frame);
    const bytes = Buffer.alloc(HEADER + answer.length - 1);
    frame.copy(bytes, 0, 0, 4);
    bytes[4] = answer[0] as number;
    answer.copy(bytes, HEADER, 1);
    const { mesh } = this.#carriers;
    mesh.send(from.slot, SIGNAL.answer, from.pid, 0, from.environment, bytes, 0, bytes.length);
  }

  /** What is asked counts in the environment's memory until it is answered. */
  async #answerOf(from: Asker, frame: Buffer): Promise<Buffer> {
    const environment = this.#environments.get(from.environment);
    if (frame.length > SMALL_ASK_BYTES && environment?.mayAsk(frame.length * ASK_TIMES) === false) {
      return Buffer.concat([Uint8Array.of(ANSWER.failed), Buffer.from(environment.limitText)]);
    }
    environment?.ask(frame.length * ASK_TIMES);
    try {
      return await this.#asks.answer(frame.readUInt16LE(4), from, frame.subarray(HEADER));
    } finally {
      environment?.ask(-frame.length * ASK_TIMES);
    }
  }

  #environment(id: number): MainEnvironment {
    const environment = this.#environments.get(id);
    if (environment === undefined) throw new Error("its environment has ended");
    return environment;
  }

  /** It may have ended while a module or a carrier was made: then nobody would ever end what is spawned into it. */
  #assertOpen({ spec }: MainEnvironment): void {
    this.#environment(spec.id);
  }

  /** A carrier, once one is warm: if none can be made, there is no room. */
  async #takeOwn({ why }: ProcessModule, environment: MainEnvironment): Promise<Carrier> {
    const { id } = environment.spec;
    const wants = `for a process that needs its own, because its module is not light: ${why}`;
    for (;;) {
      this.#assertOpen(environment);
      if (this.#isSated(environment)) throw new Error(`its service has its share of the carriers: no more ${wants}`);
      const carrier = this.#carriers.take();
      if (carrier !== null) {
        this.#own.set(id, (this.#own.get(id) ?? 0) + 1);
        return carrier;
      }
      if (this.#carriers.isExhausted) throw new Error(`no carrier is free ${wants}`);
      await sleep(WARM_MS);
    }
  }

  #giveBack(carrier: Carrier, environment: number): void {
    const left = (this.#own.get(environment) ?? 0) - 1;
    if (left > 0) this.#own.set(environment, left);
    else this.#own.delete(environment);
    this.#carriers.giveBack(carrier);
  }

  /** As for actors (placement.ts): it takes nothing from those who wait, and leaves the last to those who come. */
  #isSated({ spec }: MainEnvironment): boolean {
    if (this.#share === null || (this.#own.get(spec.id) ?? 0) < this.#share.max) return false;
    return this.#carriers.available <= 1 || this.#share.isContended();
  }
}

/** The bytes of a frame for longer than its signal: those of a ring are copied, a block that came beside it is ours. */
function ownBytes(bytes: Uint8Array, start: number, length: number): Buffer {
  const { buffer, byteOffset } = bytes;
  if (buffer instanceof SharedArrayBuffer) return Buffer.from(bytes.subarray(start, start + length));
  return Buffer.from(buffer as ArrayBuffer, byteOffset + start, length);
}

const NO_BYTES = new Uint8Array(0);
