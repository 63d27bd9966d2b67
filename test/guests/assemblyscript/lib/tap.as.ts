// Runs tests and prints a line for each: "ok 1 NAME" or "not ok 1 NAME: WHY". A program ends with `done`.
//
// test/integration/lunatic-programs.test.ts finds the names in the calls of `test`.
import { Config, catchLinks, Kind, log, Mailbox, spawnLinked } from "frenezulo";
import { errorDrop, errorSize, errorText } from "./host.as";
import { procExit } from "./wasi.as";

export const TIMED_OUT: u32 = 9027;
export const NEVER: u64 = u64.MAX_VALUE;
export const INHERIT: u64 = u64.MAX_VALUE;
/** Two 8-byte words for what the host writes. */
export const out = memory.data(16, 8);

const FATE: i64 = 0xfa7e;
const FATE_MS: i64 = 20_000;
let number = 0;
let failures = 0;
let why = "";

export function expect(holds: bool, what: string): void {
  if (!holds && why == "") why = what;
}

export function equal<T>(got: T, wanted: T, what: string): void {
  if (got != wanted) expect(false, `${what} is ${got}, not ${wanted}`);
}

export function test(name: string, run: () => void): void {
  why = "";
  run();
  number++;
  if (why != "") failures++;
  log(why == "" ? `ok ${number} ${name}` : `not ok ${number} ${name}: ${why}`);
}

export function done(): void {
  if (failures > 0) procExit(1);
}

/** True if a process that runs this ends as failed, false if it ends normally. Nothing else may come meanwhile. */
export function fails<A>(entry: (argument: A) => void, argument: A, config: Config | null = null): bool {
  catchLinks();
  const child = spawnLinked<bool, A>(entry, argument, FATE, config);
  child.monitor();
  let failed = false;
  while (true) {
    const mail = new Mailbox<bool>().next(FATE_MS);
    if (mail.kind == Kind.LinkDied && mail.tag == FATE) failed = true;
    else if (mail.kind == Kind.ProcessDied && mail.pid == child.pid) return failed;
    else if (mail.kind == Kind.TimedOut) throw new Error("a child did not end in time");
  }
}

/** UTF-8 of a text, for functions that take a place and a length. */
export class Text {
  readonly bytes: ArrayBuffer;

  constructor(text: string) {
    this.bytes = String.UTF8.encode(text);
  }

  get at(): usize {
    return changetype<usize>(this.bytes);
  }

  get length(): u32 {
    return this.bytes.byteLength;
  }
}

export function textAt(at: usize, length: u64): string {
  return String.UTF8.decodeUnsafe(at, <usize>length);
}

/** The text of an error, which is then dropped. */
export function takeError(id: u64): string {
  const bytes = new ArrayBuffer(errorSize(id));
  errorText(id, changetype<usize>(bytes));
  errorDrop(id);
  return String.UTF8.decode(bytes);
}
