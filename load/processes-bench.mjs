// `npm run bench:processes`: light processes by `frenezulo run` beside the same program on worker threads with
// postMessage, and beside the lunatic runtime where LUNATIC is the path of its binary.
// Options: --quick (1 round), --rounds N, --only WORD (measures with this in their name), --json, --figures-only.
//
// load/processes.c is the program, load/peers/processes-threads.mjs the one on threads, where fewer of them must do;
// the memory is judged on the Rust guest of test/guests where that is built. The load average stands beside each
// figure.
import { execFileSync, spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { loadavg } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { clangArgs } from "../services/build.mjs";
import { optionsOf } from "./options.mjs";

const root = resolve(import.meta.dirname, "..");
const program = join(root, "node_modules/.cache/frenezulo/processes.wasm");
const rust = join(root, "test/guests/build/rust-bench.wasm");
const RUN_MS = 180_000;
/** How long `idle` leaves its processes alone, and then is alone itself: V8 gives memory back after some seconds. ms */
const IDLE_MS = 12_000;

const { values: options } = optionsOf("npm run bench:processes --", {
  options: {
    quick: { type: "boolean", default: false },
    rounds: { type: "string" },
    only: { type: "string", default: "" },
    json: { type: "boolean", default: false },
    "figures-only": { type: "boolean", default: false },
  },
});
const rounds = Number(options.rounds ?? (options.quick ? 1 : 3));

/** What runs: name, and the command for a measure's arguments. lunatic's are those of the light processes. */
const lunatic = process.env.LUNATIC;
const contenders = [
  { name: "light", command: (args) => [process.execPath, join(root, "dist/main.js"), "run", program, ...args] },
  {
    name: "threads",
    command: (args) => [process.execPath, join(root, "load/peers/processes-threads.mjs"), ...args],
  },
  ...(lunatic === undefined ? [] : [{ name: "lunatic", command: (args) => [lunatic, "run", program, ...args] }]),
];

/** Arguments by contender; `key` of the line is the figure, times `scale`; `more`: larger is better. */
const measures = [
  { name: "spawn to exit", unit: "µs", light: "exit 5000", threads: "exit 20", key: "median_ns", scale: 1e-3 },
  {
    name: "spawn to answer, 100 live",
    unit: "µs",
    light: "alive 100 5000",
    threads: "alive 100 20",
    key: "median_ns",
    scale: 1e-3,
    bound: { max: 200 },
  },
  {
    name: "spawn to answer, 5,000 live",
    unit: "µs",
    light: "alive 5000 2000",
    threads: null,
    key: "median_ns",
    scale: 1e-3,
    bound: { max: 1000 },
  },
  {
    name: "ping-pong, one carrier",
    unit: "messages/s",
    light: "ping 300000",
    threads: "ping 20000",
    key: "per_second",
    bound: { min: 300_000, times: 10 },
  },
  {
    name: "ping-pong, two carriers",
    unit: "messages/s",
    light: "across 20000",
    threads: "ping 20000",
    key: "per_second",
  },
  {
    name: "ring of 1,000 (threads: 100)",
    unit: "messages/s",
    light: "ring 1000 100",
    threads: "ring 100 100",
    key: "per_second",
    bound: { min: 100_000, times: 10 },
  },
  {
    name: "skynet of 10,000 (threads: 100)",
    unit: "leaves/s",
    light: "skynet 10000",
    threads: "skynet 100",
    key: "per_second",
  },
  {
    name: "100 and a looper: p99 answer",
    unit: "ms",
    light: "looper 100 4000",
    threads: "looper 100 4000",
    key: "p99_ns",
    scale: 1e-6,
    bound: { max: 50 },
  },
  {
    name: "100 and a looper: kill",
    unit: "ms",
    light: "looper 100 1000",
    threads: "looper 100 1000",
    key: "kill_us",
    scale: 1e-3,
    bound: { max: 100 },
  },
].filter(({ name }) => name.includes(options.only));

/** Runs a program to its end. @param onLine told of each line as it comes. @returns its lines of JSON */
function run([command, ...args], onLine = () => {}) {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "inherit"] });
  const late = setTimeout(() => child.kill("SIGKILL"), RUN_MS);
  const lines = [];
  let rest = "";
  child.stdout.setEncoding("utf8").on("data", (text) => {
    const parts = (rest + text).split("\n");
    rest = parts.pop();
    for (const line of parts) {
      if (line.startsWith("{")) lines.push(JSON.parse(line));
      onLine(line, child.pid);
    }
  });
  return new Promise((done, fail) => {
    child.once("error", fail).once("close", (code, signal) => {
      clearTimeout(late);
      if (code === 0) done(lines);
      else fail(new Error(`${[command, ...args].join(" ")} ended with ${code ?? signal}`));
    });
  });
}

function build() {
  const files = [join(root, "load/processes.c"), join(root, "test/guests/lunatic/lunatic.h")];
  const args = [...clangArgs, "-Wno-unused-function", "processes.c"];
  execFileSync(process.execPath, [join(root, "services/compile.mjs")], {
    input: JSON.stringify([{ compiler: "clang", args, files, out: program }]),
    stdio: ["pipe", "ignore", "inherit"],
  });
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** One measure, its contenders in turns. @returns the medians by contender */
async function measure({ name, unit, key, scale = 1, ...by }) {
  const samples = new Map(contenders.map((each) => [each.name, []]));
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < contenders.length; i++) {
      const { name: who, command } = contenders[(i + round) % contenders.length];
      const args = who === "threads" ? by.threads : by.light;
      if (args === null) continue;
      const [line] = await run(command(args.split(" ")));
      if (line?.lost > 0) throw new Error(`${name}: ${line.lost} other processes are lost`);
      const value = line?.[key] === undefined ? Number.NaN : line[key] * scale;
      samples.get(who).push(value);
      say(`round ${round + 1}/${rounds} ${name}, ${who}: ${round1(value)} ${unit}, load ${loadavg()[0].toFixed(1)}`);
    }
  }
  const medians = {};
  for (const [who, values] of samples) if (values.length > 0) medians[who] = median(values);
  return { name, unit, medians, checks: by.bound === undefined ? [] : [check(name, medians, by.bound)] };
}

function check(name, { light, threads }, { max, min, times }) {
  if (max !== undefined) return { text: `${name}: ${round1(light)}, at most ${max}`, holds: light <= max };
  const isTimes = threads !== undefined && light >= times * threads;
  const text = `${name}: ${round1(light)}, at least ${min}, or ${times} times the threads' (${round1(light / threads)})`;
  return { text, holds: light >= min || isTimes };
}

/** Resident memory of a process and all its threads, KiB. */
const residentOf = (pid) => Number(/VmRSS:\s*(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]);

/**
 * @returns resident memory, KiB, with so many idle processes, with as many made of what those left (their instances'
 * pool), and after their end; and what the program said
 */
async function idle(file, count) {
  const resident = { ready: [], gone: [] };
  const waits = [];
  const lines = await run(
    [process.execPath, join(root, "dist/main.js"), "run", file, "idle", String(count), String(IDLE_MS)],
    (line, pid) => {
      if (line !== "ready" && line !== "gone") return;
      const look = async () => {
        await sleep(IDLE_MS - 1500);
        resident[line].push(residentOf(pid));
      };
      waits.push(look());
    },
  );
  await Promise.all(waits);
  return { resident, lines };
}

async function memory() {
  const file = existsSync(rust) ? rust : program;
  const count = 10_000;
  const without = await idle(file, 0);
  const { resident, lines } = await idle(file, count);
  const [made, answered, killed, , answeredAgain] = lines;
  const seconds = (made.us ?? made.ms * 1000) / 1e6;
  const [base] = without.resident.ready;
  const [first, again] = resident.ready;
  const [each, eachAgain] = [(first - base) / count, (again - base) / count];
  const left = (resident.gone[0] - base) / (again - base);
  const guest = file === rust ? "Rust" : "C";
  const figures = { guest, seconds, each, eachAgain, left, base, ...resident, answered, killed, load: loadavg()[0] };
  say(`10,000 idle, ${guest}: ${JSON.stringify(figures)}`);
  return {
    name: `10,000 idle, ${guest}`,
    unit: "KiB each",
    medians: { light: each },
    figures,
    checks: [
      { text: `10,000 idle: made in ${round1(seconds)} s, at most 10`, holds: seconds <= 10 },
      { text: `10,000 idle: ${round1(each)} KiB each, at most 66`, holds: each <= 66 },
      { text: `10,000 idle, of a used pool: ${round1(eachAgain)} KiB each, at most 66`, holds: eachAgain <= 66 },
      { text: `10,000 idle: all answered (${answered.count})`, holds: answered.count === count },
      { text: `10,000 idle, of a used pool: all answered`, holds: answeredAgain.count === count },
      { text: `10,000 idle: ${round1(left * 100)} % of it left after the end, at most 10`, holds: left <= 0.1 },
    ],
  };
}

const round1 = (value) => (value >= 100 ? String(Math.round(value)) : value.toFixed(1));
const say = (text) => console.error(text);

async function main() {
  build();
  const results = [];
  for (const each of measures) results.push(await measure(each));
  if ("10,000 idle".includes(options.only)) results.push(await memory());
  const checks = results.flatMap((result) => result.checks);
  if (options.json) console.log(JSON.stringify({ rounds, node: process.version, load: loadavg(), results }, null, 2));
  else {
    console.log(`\nmedians of ${rounds} rounds; Node ${process.version}; load ${loadavg()[0].toFixed(1)}`);
    const cell = (value) => (value === undefined ? "" : round1(value)).padStart(12);
    const names = contenders.map((each) => each.name);
    console.log(["".padEnd(34), ...names.map((name) => name.padStart(12))].join(""));
    for (const { name, unit, medians } of results) {
      console.log([name.padEnd(34), ...names.map((who) => cell(medians[who])), `  ${unit}`].join(""));
    }
    for (const { text, holds } of checks) console.log(`${holds ? "holds " : "FAILS "} ${text}`);
  }
  process.exitCode = options["figures-only"] || checks.every(({ holds }) => holds) ? 0 : 1;
}

main().catch((error) => {
  console.error(`bench: ${error.message}`);
  process.exit(1);
});
