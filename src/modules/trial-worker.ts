// The process that compiles functions on trial; src/modules/trials.ts starts it, one for each module, with limits of
// memory and processor time that the kernel holds. Bundled to dist/trial-worker.js.
//
// It reads the module (trial.ts) from its standard input and writes a line for each step to its standard output: the
// place of a body before that is compiled, and at last "done". It dies at the one that is too much.
import { writeSync } from "node:fs";
import process from "node:process";
import { setFlagsFromString } from "node:v8";
import { keptBodies, withOnly } from "./trial.ts";

/**
 * Processor time for a function's baseline code: a carrier makes it at the first call and cannot be ended meanwhile.
 * ms. M: 20 MB/s and more; V8 takes no function of more than 7.6 MB.
 */
const BASELINE_MS = 1_000;
/** Compilations at most: each compiles the emptied functions, too, at 11 µs each (M). */
const GROUPS_MAX = 16;

/** All at once, and each time anew. */
const flags = ["--no-wasm-lazy-compilation", "--no-wasm-native-module-cache-enabled"];
for (const flag of flags) setFlagsFromString(flag);

const say = (line: string): void => void writeSync(1, `${line}\n`);

function compile(bytes: Uint8Array<ArrayBuffer>, tier: "baseline" | "top"): number {
  setFlagsFromString(tier === "top" ? "--no-liftoff" : "--liftoff");
  setFlagsFromString(tier === "top" ? "--wasm-tier-up" : "--no-wasm-tier-up");
  const before = process.cpuUsage();
  new WebAssembly.Module(bytes);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

const pieces: Buffer[] = [];
for await (const piece of process.stdin) pieces.push(piece as Buffer);
const module = Buffer.concat(pieces);
const bodies = keptBodies(module);
const size = Math.ceil(bodies.length / GROUPS_MAX);
for (let first = 0; first < bodies.length; first += size) {
  const bytes = withOnly(module, new Set(bodies.slice(first, first + size)));
  say(String(bodies[first]));
  if (compile(bytes, "baseline") > BASELINE_MS * size) process.exit(1);
  compile(bytes, "top");
  globalThis.gc?.(); // else the machine code of all is kept
}
say("done");
process.exit(0);
