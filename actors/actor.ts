// An actor inside its carrier: one service version's instance and process, made, run, put back or made anew.

import type { Exit } from "../wire/exits.ts";
import type { Pids } from "../wire/pids.ts";
import type { ActorSpec } from "../wire/specs.ts";
import { NORMAL_EXIT, trapExit } from "./abi/guest-exit.ts";
import type { Host } from "./abi/host.ts";
import { GuestInstance } from "./instances/instance.ts";
import type { PristineImage } from "./instances/pristine.ts";
import type { ProcessLimits } from "./processes/limits.ts";
import { OutputSecond } from "./processes/output-second.ts";
import { Process } from "./processes/process.ts";

/** Host memory a guest may use besides the message it writes (DECISIONS 3.4, reliability.md §6). */
const SCRATCH_BYTES_OVER_REPLY = 64 * 1024;
const MAILBOX_MESSAGES = 1024;
const MAILBOX_BYTES = 1024 * 1024;
const RESOURCES = 1024;

/** The table of processes, where an actor's processes can be found by others. */
export interface Membership {
  join(process: Process): void;
  leave(process: Process, exit: Exit): void;
}

export class GuestActor {
  readonly spec: ActorSpec;
  /** The process that its next request runs in. */
  process: Process;
  /** Why it takes no more requests: its start failed. */
  failed: Exit | null = null;
  readonly outputSecond = new OutputSecond();
  readonly #host: Host;
  readonly #imports: WebAssembly.Imports;
  readonly #pids: Pids;
  readonly #limits: ProcessLimits;
  readonly #membership: Membership | null;
  #instance: GuestInstance | null = null;
  #image: PristineImage | null = null;
  #imageHasEntropy = false;

  /** @param membership null: nobody else can find its processes */
  constructor(
    spec: ActorSpec,
    host: Host,
    imports: WebAssembly.Imports,
    pids: Pids,
    membership: Membership | null = null,
  ) {
    this.spec = spec;
    this.#host = host;
    this.#imports = imports;
    this.#pids = pids;
    this.#membership = membership;
    const { environment } = spec;
    this.#limits = {
      scratchBytesMax: spec.replyBytesMax + SCRATCH_BYTES_OVER_REPLY,
      messagesMax: environment?.mailboxMessagesMax ?? MAILBOX_MESSAGES,
      mailboxBytesMax: environment?.mailboxBytesMax ?? MAILBOX_BYTES,
      resourcesMax: RESOURCES,
      sendTimeoutMs: environment?.sendTimeoutMs ?? 0,
    };
    this.process = this.#newProcess(pids.next()); // it says where it lives, which the actor's own pid does not
  }

  /** Its pid, under which its output goes to the log. */
  get outputPid(): number {
    return this.spec.pid;
  }

  /** True if the last request was replied to. */
  hasReplied = false;

  /** Its last process ends with it. */
  end(exit: Exit): void {
    this.process.closeAll();
    this.#membership?.leave(this.process, exit);
  }

  /** True while it has an instance that can take a request. */
  get isReady(): boolean {
    return this.spec.isLight || this.#instance !== null;
  }

  /** Makes a new instance and runs its start code. Guest code runs: the watchdog must be able to see it. */
  start(): Exit {
    // Each request of a light one makes its own instance, whose start code gives way as all of it does.
    if (this.spec.isLight) return NORMAL_EXIT;
    this.#instance = null;
    this.#host.entropyAsked = false;
    this.#host.pidAsked = false;
    const exit = this.#enter(null, () => {
      const instance = new GuestInstance(this.spec, this.#imports);
      this.#host.instance = instance;
      for (const call of instance.startCalls) call();
      this.#instance = instance;
    });
    if (exit.reason !== "normal" || this.#instance === null) {
      const isExit = exit.reason === "normal" || exit.reason === "exit";
      const why = isExit ? `its start code called proc_exit(${exit.text === "" ? 0 : exit.text})` : exit.text;
      this.failed = { reason: "start_failed", text: why };
      return this.failed;
    }
    this.#takeImage(this.#instance);
    return NORMAL_EXIT;
  }

  /** Runs the guest for one request, which is `length` bytes at `start` of the ring. */
  run(ring: Uint8Array, start: number, length: number, replyPid: number): Exit {
    const instance = this.#instance as GuestInstance;
    const process = this.process;
    process.beginRequest(ring, start, length, replyPid);
    const exit = this.#enter(instance, () => instance.call());
    this.hasReplied = process.replyPid === 0;
    process.endRequest(ring);
    return exit.reason === "trap" && instance.isNearMemoryLimit ? { ...exit, reason: "memory" } : exit;
  }

  /**
   * Makes it ready for the next request. `fresh`: a new process, in an instance put back where that is exact
   * (DECISIONS 5.1). `kept`: as it is, unless it did not return.
   * @returns false if it needs a new instance: call `start`
   */
  settle(exit: Exit): boolean {
    const returned = exit === NORMAL_EXIT;
    if (this.spec.state === "kept" && returned) return true;
    this.process.closeAll();
    this.#membership?.leave(this.process, exit);
    this.process = this.#newProcess(this.#pids.next(), this.process.builder);
    const isBack = returned && this.#image !== null && (this.#instance as GuestInstance).putBack(this.#image);
    if (!isBack) this.#instance = null;
    return isBack;
  }

  #newProcess(pid: number, builder?: Uint8Array): Process {
    const process = new Process(pid, this.#limits, builder, this.spec.environmentId);
    this.#membership?.join(process);
    return process;
  }

  #enter(instance: GuestInstance | null, run: () => void): Exit {
    try {
      this.#host.runAs(this.process, instance, this.spec, run);
      return this.process.dying ?? NORMAL_EXIT;
    } catch (thrown) {
      return this.process.dying ?? trapExit(thrown);
    }
  }

  #takeImage(instance: GuestInstance): void {
    const { spec } = this;
    if (spec.state === "kept" || spec.info.notResettable !== null) return;
    // What start code knows of its own process, or left in it, would be wrong or missing in the next one.
    const { scratch, mailbox, files, hasAttached } = this.process;
    if (this.#host.pidAsked || scratch !== null || mailbox.arrived > 0 || files?.isTouched || hasAttached) return;
    const hasEntropy = this.#host.entropyAsked;
    if (hasEntropy && !spec.snapshotEntropy) return;
    // Start code without entropy always ends the same: the first image serves every later instance.
    if (this.#image === null || this.#imageHasEntropy || hasEntropy) this.#image = instance.takeImage(spec.digest);
    this.#imageHasEntropy = hasEntropy;
  }
}
