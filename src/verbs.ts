// What admin and the command line can ask of a running node, and the views they get. Types only.
import type { Policy } from "./config.ts";

/** Where a service's definition comes from; decides who may change it (DECISIONS 6.1). */
export type Origin = { readonly kind: "api" } | { readonly kind: "config"; readonly where: string };

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
  /** Part of a policy as the user wrote it; the rest is the default. Validated by config.ts (parsePolicy). */
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

/** What admin and the command line can ask of a running node. All reject with a FrenezuloError and then change nothing. */
export interface Verbs {
  /** Adds or replaces; resolves after the first instance ran and the store has it (DECISIONS 6.2). */
  add(options: AddOptions): Promise<AddResult>;
  remove(prefix: string): Promise<void>;
  rollback(prefix: string, version: number): Promise<AddResult>;
  list(): readonly ServiceView[];
  /** @throws unknown_service */
  describe(prefix: string): ServiceDetail;
  /** True when not draining and at least one carrier is warm. */
  isReady(): boolean;
  /** Prometheus text. */
  metrics(): Promise<string>;
}
