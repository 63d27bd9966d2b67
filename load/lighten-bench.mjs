// `npm run bench -- lighten [FILE…]`: what the rewrite for light processes costs: its time, the size of what it makes,
// and how much longer that runs when nothing is suspended. Options: --json, --rounds N. FILEs are rewritten only.
//
// The rewrite runs as in the node (dist/lighten-worker.js), the guests in this process under the node's V8 flags.
import { execFileSync, fork } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { loadavg } from "node:os";
import { basename, join, resolve } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { setFlagsFromString } from "node:v8";
import esbuild from "esbuild";
import { optionsOf } from "./options.mjs";

setFlagsFromString("--no-wasm-dynamic-tiering");
const root = resolve(import.meta.dirname, "..");
const cache = join(root, "node_modules/.cache/frenezulo");
const TICKS = 100; // a second, in /proc/PID/stat

/** The exports of compute.c and an argument that takes some milliseconds. */
const loops = { fib: 24, sort: 20_000, hash: 2_000, tight: 1_000_000, sum: 20, calls: 300_000, indirect: 300_000 };
const REQUESTS = 300;

const { values: options, positionals: others } = optionsOf("npm run bench -- lighten [FILE.wasm…]", {
  allowPositionals: true,
  options: { json: { type: "boolean" }, rounds: { type: "string", default: "30" } },
});

/** @returns the light module and the seconds it took, or why there is none */
async function rewrite(bytes) {
  const child = fork(join(root, "dist/lighten-worker.js"), { serialization: "advanced", execArgv: [], env: {} });
  const began = performance.now();
  const answered = new Promise((done, fail) => child.once("message", done).once("exit", fail).once("error", fail));
  child.send(bytes);
  const answer = await answered;
  const seconds = (performance.now() - began) / 1000;
  const [, after] = readFileSync(`/proc/${child.pid}/stat`, "utf8").split(") ");
  const fields = after.split(" ");
  const cpuSeconds = (Number(fields[11]) + Number(fields[12])) / TICKS;
  const peak = /VmHWM:\s*(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))?.[1] ?? 0;
  child.kill("SIGKILL");
  if (answer.why !== undefined) throw new Error(`it cannot be light: ${answer.why}`);
  return { light: answer.bytes, seconds, cpuSeconds, mebibytes: Math.round(peak / 1024) };
}

function compiled() {
  const out = join(cache, "compute.wasm");
  const args = ["--target=wasm32", "-O2", "-nostdlib", "-ffreestanding", "-fno-builtin", "-Wl,--no-entry"];
  const job = { compiler: "clang", args: [...args, "compute.c"], files: [join(root, "load/compute.c")], out };
  execFileSync(process.execPath, [join(root, "services/compile.mjs")], {
    input: JSON.stringify([job]),
    stdio: ["pipe", "ignore", "inherit"],
  });
  return readFileSync(out);
}

const light = { "frenezulo:light": { yield: () => undefined, check: () => undefined } };
const refill = (exports) => {
  if (exports["frenezulo:reductions"] !== undefined) exports["frenezulo:reductions"].value = 2 ** 31 - 1;
};

/** By name: what makes ready and returns the function to be timed. */
function loopsOf(bytes) {
  const imports = { "lunatic::message": { receive: () => 0 }, ...light };
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), imports);
  const ready = ([name, argument]) => {
    refill(exports);
    return () => exports[name](argument);
  };
  return Object.fromEntries(Object.entries(loops).map((loop) => [loop[0], () => ready(loop)]));
}

/** The same of a service: many requests, one after the other, to an instance that is new (some never free memory). */
function requestsOf(bytes, { MinimalHost, requestMessage }) {
  const first = new MinimalHost(bytes, light); // keeps V8's code for all that follow
  const request = requestMessage({ headers: new Map([["accept", ["*/*"]]]) });
  const ready = () => {
    const host = new MinimalHost(bytes, light);
    refill(host.instance.exports);
    return () => {
      for (let i = 0; i < REQUESTS; i++) host.run(request);
      return first;
    };
  };
  return { [`${REQUESTS} requests`]: ready };
}

/** Shortest time of each run, in ms: the two sides in turns, so that the machine's other work meets both. */
async function compare(plain, made) {
  await new Promise((done) => setTimeout(done, 1000)); // V8 compiles in the background
  const figures = {};
  for (const name of Object.keys(plain)) {
    const best = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
    for (let round = 0; round < Number(options.rounds); round++) {
      for (const [side, runs] of [plain, made].entries()) {
        const run = runs[name]();
        const began = performance.now();
        run();
        best[side] = Math.min(best[side], performance.now() - began);
      }
    }
    figures[name] = { plainMs: best[0], lightMs: best[1], times: best[1] / best[0] };
  }
  return figures;
}

const outfile = join(cache, "minimal-host.mjs");
mkdirSync(cache, { recursive: true });
await esbuild.build({
  entryPoints: [join(root, "test/guests/minimal-host.ts")],
  outfile,
  bundle: true,
  platform: "node",
  format: "esm",
  packages: "external",
});
await esbuild.stop();
const host = await import(pathToFileURL(outfile).href);

const services = ["services/build/hello.wasm", "test/guests/build/rust-frenezulo.wasm", "services/build/hello-go.wasm"];
const subjects = [
  { name: "compute.c", bytes: compiled(), start: loopsOf },
  ...services.map((file) => ({ name: basename(file), file: join(root, file), start: (of) => requestsOf(of, host) })),
  ...others.map((file) => ({ name: basename(file), file: resolve(file) })),
];
const rows = [];
for (const { name, file, bytes = existsSync(file) ? readFileSync(file) : null, start } of subjects) {
  if (bytes === null) {
    console.log(`${name}: not built here`);
    continue;
  }
  const load = loadavg()[0];
  const { light: made, ...took } = await rewrite(bytes);
  const size = { plainBytes: bytes.length, lightBytes: made.length, times: made.length / bytes.length };
  const row = { name, load, rewrite: took, size, runs: start ? await compare(start(bytes), start(made)) : {} };
  rows.push(row);
  if (options.json) continue;
  console.log(
    `${name}: ${bytes.length} → ${made.length} bytes (× ${size.times.toFixed(2)}); ` +
      `rewritten in ${took.seconds.toFixed(1)} s (CPU ${took.cpuSeconds.toFixed(1)} s, ${took.mebibytes} MiB; load ${load.toFixed(1)})`,
  );
  for (const [run, { plainMs, lightMs, times }] of Object.entries(row.runs))
    console.log(`  ${run.padEnd(14)} ${plainMs.toFixed(2)} ms → ${lightMs.toFixed(2)} ms (× ${times.toFixed(2)})`);
}
if (options.json) writeFileSync(1, `${JSON.stringify(rows)}\n`);
