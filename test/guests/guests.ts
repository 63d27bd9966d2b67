// The test guests: what each is for, and its bytes.
// Sources lie beside this file; the first line of each says what it does.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

/**
 * serves: answers requests, however badly · fails_to_start: compiles, but a first instance never comes to life ·
 * refused: must not be taken in · unclear: valid wasm that serves nothing useful, refusing or failing it are both
 * right.
 */
export type GuestKind = "serves" | "fails_to_start" | "refused" | "unclear";

export const guests = {
  // Behaviour, chosen by the query: see the first lines of each source
  "echo-raw": "serves",
  status: "serves",
  slow: "serves",
  bytes: "serves",
  log: "serves",
  env: "serves",
  tags: "serves",
  network: "serves",
  replies: "serves",
  ledger: "serves",
  children: "serves",
  "entry-start": "serves",
  "entry-main": "serves",
  "old-service": "serves",
  "serve-files": "serves",
  rows: "serves",
  metrics: "serves",
  cat: "serves", // a program: its standard input
  crowd: "serves", // a program
  files: "serves", // a program: what its arguments say
  "files-rust": "serves", // as files, where .ci/toolchains.sh has run
  "rust-frenezulo": "serves", // only where .ci/toolchains.sh has run
  // State, for "fresh is exact": see stateCommands
  "state-globals": "serves",
  "state-start": "serves",
  "state-entropy": "serves",
  "state-table": "serves",
  "state-segments": "serves",
  "state-refs": "serves",
  // Hostile
  hostile: "serves",
  thief: "serves",
  hoard: "serves", // makes the host keep things
  "catch-all": "serves",
  hog: "serves",
  "loop-bulk": "serves",
  recursion: "serves",
  "table-bomb": "serves",
  "start-loop": "fails_to_start",
  "start-loop-bulk": "fails_to_start",
  "init-loop": "fails_to_start",
  "start-trap": "fails_to_start",
  "init-trap": "fails_to_start",
  "init-exit": "fails_to_start",
  "init-receive": "fails_to_start",
  "segment-trap": "fails_to_start",
  "table-section": "refused",
  "memory-section": "refused",
  "unknown-import": "refused",
  "imported-memory": "refused",
  "imported-global": "refused",
  "wrong-type": "refused",
  "no-entry": "refused",
  "entry-with-parameter": "refused",
  "extended-const": "refused",
  "multi-memory": "refused",
  memory64: "refused",
  "shared-memory": "unclear",
  "no-memory": "unclear",
} as const satisfies Record<string, GuestKind>;

export type GuestName = keyof typeof guests;

const guestFolder = join(import.meta.dirname, "build");
const serviceFolder = join(import.meta.dirname, "../../services/build");

function built(path: string): string {
  if (!existsSync(path)) throw new Error(`${path} is not built: run npm run build`);
  return path;
}

export const guestPath = (name: GuestName): string => built(join(guestFolder, `${name}.wasm`));

/** The bytes of a test guest. @throws if it was not built */
export const guest = (name: GuestName): Uint8Array<ArrayBuffer> => new Uint8Array(readFileSync(guestPath(name)));

export type ServiceName =
  | "hello"
  | "echo"
  | "counter"
  | "fan-out"
  | "supervisor"
  | "ring"
  | "hello-c"
  | "hello-rust"
  | "hello-go"
  | "hello-zig";

export const servicePath = (name: ServiceName): string => built(join(serviceFolder, `${name}.wasm`));

/** The bytes of an example service of services/. @throws if it was not built */
export const service = (name: ServiceName): Uint8Array<ArrayBuffer> => new Uint8Array(readFileSync(servicePath(name)));

/** Why a guest or service could not be built on this machine, or undefined if it could. */
export function whySkipped(name: GuestName | ServiceName | `rust-${string}`): string | undefined {
  for (const folder of [guestFolder, serviceFolder]) {
    const list: { name: string; why: string }[] = JSON.parse(readFileSync(built(join(folder, "skipped.json")), "utf8"));
    const found = list.find((step) => step.name.endsWith(`/${name}`));
    if (found !== undefined) return found.why;
  }
  return undefined;
}

const bytes = (...values: number[]): Uint8Array<ArrayBuffer> => Uint8Array.from(values);
const header = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00] as const;

/** Byte strings that are no modules. */
export const notModules = {
  empty: bytes(),
  text: new Uint8Array(Buffer.from("this is not wasm at all")),
  html: new Uint8Array(Buffer.from("<!doctype html><title>404</title>")),
  "half a magic": bytes(0x00, 0x61, 0x73),
  "version 2": bytes(0x00, 0x61, 0x73, 0x6d, 0x02, 0x00, 0x00, 0x00),
  component: bytes(0x00, 0x61, 0x73, 0x6d, 0x0d, 0x00, 0x01, 0x00),
  "section longer than the file": bytes(...header, 0x01, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x00),
  "section length without an end": bytes(...header, 0x01, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80),
  "unknown section": bytes(...header, 0x3f, 0x01, 0x00),
  "sections out of order": bytes(...header, 0x03, 0x01, 0x00, 0x01, 0x01, 0x00),
} as const;

/** One command for a state-* guest; operations and arguments are explained in state.wat and in each guest. */
export interface StateCommand {
  readonly operation: number;
  readonly a: number;
  readonly b: number;
}

/** A request body for a state-* guest. At most about 1,000 commands fit into its buffer. */
export function stateCommands(commands: readonly StateCommand[]): Uint8Array<ArrayBuffer> {
  const words = commands.flatMap(({ operation, a, b }) => [operation, a, b]);
  return new Uint8Array(Uint32Array.from(words).buffer);
}

/** What a state-* guest replied: digests of all it could see before and after the commands. */
export function stateDigests(body: Uint8Array): { before: bigint; after: bigint } {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  return { before: view.getBigUint64(0, true), after: view.getBigUint64(8, true) };
}
