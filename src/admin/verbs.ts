// What admin and the command line can ask of a running node, and the views they get. Types only.
import type { Policy } from "../config/config.ts";

export interface VersionView {
  /** Counts from 1 for each prefix. */
  readonly version: number;
  /** sha256 of the module as it was given, hex. */
  readonly sha256: string;
  readonly bytes: number;
  /** ISO 8601. */
  readonly addedAt: string;
  readonly current: boolean;
}

export interface ServiceView {
  readonly prefix: string;
  readonly origin: "api" | "config";
  /** "file:line" for origin config. */
  readonly where?: string;
  readonly version: number;
  readonly sha256: string;
  /** cold: no actor; warm: an actor runs; broken: the breaker is open. */
  readonly status: "cold" | "warm" | "broken";
  readonly inFlight: number;
  readonly queued: number;
  readonly actors: readonly ActorView[];
  readonly counts: { readonly requests: number; readonly failures: number; readonly restarts: number };
}

/** Which part of the services is asked for; all of them where nothing is said. */
export interface PageOptions {
  /** At most so many. */
  readonly limit?: number | undefined;
  /** `next` of the page before. */
  readonly cursor?: string | undefined;
}

export interface ServicePage {
  /** Made while they are read, so that reading can be cut into slices; in the order in which they came. */
  readonly services: Iterable<ServiceView>;
  /** Cursor of the next page, null after the last; not there where no page was asked for. */
  readonly next?: string | null;
}

export interface ActorView {
  readonly pid: number;
  readonly version: number;
  readonly carrier: number;
  readonly state: "starting" | "idle" | "busy" | "stopping";
  readonly requests: number;
}

export interface ServiceDetail extends ServiceView {
  readonly versions: readonly VersionView[];
  readonly policy: Policy;
}

export interface AddOptions {
  readonly prefix: string;
  /** The module itself, or where it comes from: http(s) URL or file: URL under the configured folder. */
  readonly source:
    | { readonly kind: "bytes"; readonly bytes: Uint8Array }
    | { readonly kind: "url"; readonly url: string };
  /** Expected sha256 of the module, hex. */
  readonly sha256?: string;
  /** Part of a policy as the user wrote it; the rest is the default. Validated by config/policy.ts. */
  readonly policy?: unknown;
  readonly env?: Readonly<Record<string, string>>;
}

export interface AddResult {
  readonly prefix: string;
  readonly version: number;
  readonly sha256: string;
  /** False if the same digest with the same policy was already being served. */
  readonly changed: boolean;
}

/** A supervisor of the tree and all below it. */
export interface TreeView {
  readonly id: string;
  readonly strategy: "one_for_one" | "one_for_all" | "rest_for_one";
  /** starting, running, stopping, ended */
  readonly phase: string;
  /** Prefix of the service it supervises, or null. */
  readonly service: string | null;
  /** Restarts within the window that count against max_restarts (null: it never gives up), as of the last one. */
  readonly recent_restarts: number;
  readonly max_restarts: number | null;
  readonly max_seconds: number;
  readonly children: readonly TreeChild[];
}

export interface TreeChild {
  readonly id: string;
  readonly type: "supervisor" | "worker";
  readonly restart: "permanent" | "transient" | "temporary";
  /** down, waiting (for its backoff), starting, running, exited, stopping */
  readonly state: string;
  /** Since the node started. */
  readonly restarts: number;
  readonly last_exit: { readonly reason: string; readonly text: string } | null;
  /** Of an actor that runs: where, and how many requests are in its mailbox, the running one included. */
  readonly actor: { readonly pid: number; readonly carrier: number; readonly depth: number } | null;
  /** Of a supervisor: what is below it. */
  readonly supervisor: TreeView | null;
}

/** A tree whose children are made while they are read, so that reading can be cut into slices. */
export interface TreeSource extends Omit<TreeView, "children"> {
  readonly children: Iterable<TreeChildSource>;
}

export interface TreeChildSource extends Omit<TreeChild, "supervisor"> {
  readonly supervisor: TreeSource | null;
}

/** What a reload of the config changed. */
export interface ReloadResult {
  /** Prefixes of services. */
  readonly added: readonly string[];
  readonly changed: readonly string[];
  readonly removed: readonly string[];
  /** Names of supervisors that were added, changed or removed. */
  readonly supervisors: readonly string[];
  /** Settings that changed in the file but need a restart of the node. */
  readonly restart_needed: readonly string[];
}

/**
 * What admin and the command line can ask of a running node. All reject with a FrenezuloError and then change nothing.
 */
export interface Verbs {
  /** Adds or replaces; resolves after the first instance ran and the store has it (DECISIONS 6.2). */
  add(options: AddOptions): Promise<AddResult>;
  remove(prefix: string): Promise<void>;
  rollback(prefix: string, version: number): Promise<AddResult>;
  /** @throws bad_json for a cursor that is not of this run of the node */
  list(page: PageOptions): ServicePage;
  /** @throws unknown_service */
  describe(prefix: string): ServiceDetail;
  /** The supervision tree; each supervisor and child as it is when it is read. */
  tree(): TreeSource;
  /** Reads the config again and applies what changed. @throws bad_config; then nothing has changed */
  reload(): Promise<ReloadResult>;
  /** True when not draining, and a carrier is warm or can be made. */
  isReady(): boolean;
  /** Prometheus text. */
  metrics(): Promise<string>;
}
