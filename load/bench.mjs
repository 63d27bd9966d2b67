// `npm run bench`: hello by us beside hello by raw uWebSockets.js, node:http and wasm in the acceptor's thread, under
// wrk.
// Options: --quick (2 rounds), --rounds N, --seconds N (each run), --only WORD, --json,
// --figures-only (a ratio that is too big is no failure), --against FOLDER (another checkout, built).
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { loadavg } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import esbuild from "esbuild";
import { optionsOf } from "./options.mjs";
import { freePort, guest, putService, ready, startNode, startProgram } from "./program.mjs";
import { findWrk, wrk } from "./wrk.mjs";

const root = resolve(import.meta.dirname, "..");
const peersFolder = join(root, "node_modules/.cache/frenezulo/peers");
const helloPath = "services/build/hello.wasm";
const childrenPath = "test/guests/build/children.wasm";
const CONNECTIONS = 64;
/** Light processes that wait beside hello. */
const IDLE = 1000;
const MAKE_MS = 60_000;

const { values: options } = optionsOf("npm run bench --", {
  options: {
    quick: { type: "boolean", default: false },
    rounds: { type: "string" },
    seconds: { type: "string" },
    only: { type: "string", default: "" },
    json: { type: "boolean", default: false },
    "figures-only": { type: "boolean", default: false },
    against: { type: "string" },
  },
});
const rounds = Number(options.rounds ?? (options.quick ? 2 : 5));
const seconds = Number(options.seconds ?? (options.quick ? 3 : 6));

const contenders = [
  { name: "raw uWebSockets.js", start: () => peer("raw-uws") },
  { name: "node:http", start: () => peer("node-http") },
  { name: "uWS + wasm in thread, shared", start: () => peer("in-thread", "shared", helloPath) },
  { name: "uWS + wasm in thread, fresh", start: () => peer("in-thread", "fresh", helloPath) },
  { name: "frenezulo kept, uws", start: () => us("uws", "kept") },
  { name: "frenezulo fresh, uws", start: () => us("uws", "fresh") },
  { name: "frenezulo kept, node", start: () => us("node", "kept") },
  { name: "frenezulo fresh, node", start: () => us("node", "fresh") },
  ...(existsSync(join(root, childrenPath))
    ? [{ name: `frenezulo kept, uws, beside ${IDLE} processes`, start: besideProcesses }]
    : []),
  ...(options.against === undefined
    ? []
    : [
        { name: "the other kept, uws", start: () => us("uws", "kept", resolve(options.against)) },
        { name: "the other fresh, uws", start: () => us("uws", "fresh", resolve(options.against)) },
      ]),
].filter(({ name }) => name.includes(options.only));

/** Measured value ÷ the other's value, medians. What processes and another checkout may cost is the noise. */
const bounds = [
  {
    text: "CPU a request, kept ÷ raw",
    of: "frenezulo kept, uws",
    by: "raw uWebSockets.js",
    key: "cpuMicros",
    max: 2.5,
  },
  { text: "CPU a request, kept ÷ node:http", of: "frenezulo kept, uws", by: "node:http", key: "cpuMicros", max: 1 },
  {
    text: "CPU a request, fresh ÷ kept",
    of: "frenezulo fresh, uws",
    by: "frenezulo kept, uws",
    key: "cpuMicros",
    max: 1.4,
  },
  {
    text: "p50 of one client, kept ÷ raw",
    of: "frenezulo kept, uws",
    by: "raw uWebSockets.js",
    key: "oneP50Ms",
    max: 2,
  },
  { text: "p50 of one client, kept, ms", of: "frenezulo kept, uws", key: "oneP50Ms", max: 0.5 },
  ...[
    [`frenezulo kept, uws, beside ${IDLE} processes`, "frenezulo kept, uws"],
    ["frenezulo kept, uws", "the other kept, uws"],
    ["frenezulo fresh, uws", "the other fresh, uws"],
  ].flatMap(([of, by]) => [
    { text: `CPU a request, ${of} ÷ ${by}`, of, by, key: "cpuMicros", max: 1.05 },
    { text: `p50 of one client, ${of} ÷ ${by}`, of, by, key: "oneP50Ms", max: 1.05 },
  ]),
];

async function main() {
  findWrk();
  await esbuild.build({
    entryPoints: ["raw-uws", "node-http", "in-thread"].map((name) => join(import.meta.dirname, "peers", `${name}.ts`)),
    outdir: peersFolder,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    packages: "external",
  });
  const running = [];
  try {
    for (const { name, start } of contenders) {
      say(`starting ${name}`);
      running.push({ name, samples: [], ...(await start()) });
    }
    for (const each of running) await wrk(each.url, { connections: CONNECTIONS, seconds: 3 });
    for (let round = 0; round < rounds; round++) {
      // Each round begins with the next one, so that nobody always runs first or behind the same neighbour.
      for (let i = 0; i < running.length; i++) {
        const each = running[(i + round) % running.length];
        const sample = await measure(each);
        each.samples.push(sample);
        say(`round ${round + 1}/${rounds} ${each.name}: ${format(sample)}`);
      }
    }
  } finally {
    for (const each of running) await each.stop();
  }
  report(running);
}

async function peer(name, ...args) {
  const port = await freePort();
  const started = await startProgram(process.execPath, [join(peersFolder, `${name}.mjs`), String(port), ...args]);
  const url = `http://127.0.0.1:${port}/hello`;
  await ready(started, url);
  return { ...started, url };
}

/** Our own node; hello as `kept` or `fresh`, over either acceptor. */
async function us(acceptor, state, checkout = root) {
  const node = await startNode({ config: `[listen]\nhttp = "${acceptor}"\n`, checkout });
  await putService(node.url, "hello", guest(helloPath), { state });
  return { ...node, url: `${node.url}/hello` };
}

/** Ours, and light processes of another service that wait for ever. */
async function besideProcesses() {
  const node = await us("uws", "kept");
  const base = new URL(node.url).origin;
  await putService(base, "children", guest(childrenPath), { placement: "dedicated", limits: { deadline: "30s" } });
  // Until the module has been rewritten there is a thread for each, so only a few.
  for (let made = 0, until = Date.now() + MAKE_MS; made < IDLE; await sleep(50)) {
    const answer = await fetch(`${base}/children?do=fill&n=${IDLE - made}`);
    const text = await answer.text();
    if (answer.ok) made += Number.parseInt(text, 10);
    if (made < IDLE && Date.now() > until) throw new Error(`${made} processes were made, not ${IDLE}: ${text}`);
  }
  return node;
}

async function measure({ url, pid }) {
  await wrk(url, { connections: CONNECTIONS, seconds: 1 });
  const load = loadavg()[0];
  const before = cpuMicros(pid);
  const many = await wrk(url, { connections: CONNECTIONS, seconds });
  const used = cpuMicros(pid) - before;
  const one = await wrk(url, { connections: 1, seconds: Math.max(2, seconds / 2) });
  return {
    perSecond: many.perSecond,
    p50Ms: many.p50Ms,
    p99Ms: many.p99Ms,
    cpuMicros: used / many.requests,
    oneP50Ms: one.p50Ms,
    oneP99Ms: one.p99Ms,
    load,
  };
}

const ticksPerSecond = Number(spawnSync("getconf", ["CLK_TCK"], { encoding: "utf8" }).stdout);

/** User and system time of all threads of a process so far, µs (proc(5): fields 14 and 15 of stat). */
function cpuMicros(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return ((Number(fields[11]) + Number(fields[12])) * 1e6) / ticksPerSecond;
}

function report(running) {
  const results = running.map(({ name, samples }) => ({ name, median: medians(samples), samples }));
  const checks = bounds.flatMap((bound) => {
    const of = results.find(({ name }) => name === bound.of)?.median;
    const by = bound.by === undefined ? { [bound.key]: 1 } : results.find(({ name }) => name === bound.by)?.median;
    if (of === undefined || by === undefined) return [];
    const value = of[bound.key] / by[bound.key];
    return [{ text: bound.text, value, max: bound.max, holds: value <= bound.max }];
  });
  if (options.json) console.log(JSON.stringify({ rounds, seconds, node: process.version, results, checks }, null, 2));
  else {
    console.log(
      `\n${CONNECTIONS} connections and one, ${rounds} rounds of ${seconds} s, medians; Node ${process.version}`,
    );
    printTable(results);
    for (const { text, value, max, holds } of checks) {
      console.log(`${holds ? "holds  " : "TOO BIG"}  ${text}: ${value.toFixed(2)} (at most ${max})`);
    }
  }
  process.exitCode = options["figures-only"] || checks.every(({ holds }) => holds) ? 0 : 1;
}

function printTable(results) {
  const rows = [["", "requests/s", "p50 ms", "p99 ms", "CPU µs/request", "(from–to)", "one: p50 ms", "p99 ms", "load"]];
  for (const { name, median, samples } of results) {
    const cpu = samples.map((sample) => sample.cpuMicros);
    rows.push([
      name,
      median.perSecond.toFixed(0),
      median.p50Ms.toFixed(2),
      median.p99Ms.toFixed(2),
      median.cpuMicros.toFixed(1),
      `${Math.min(...cpu).toFixed(1)}–${Math.max(...cpu).toFixed(1)}`,
      median.oneP50Ms.toFixed(3),
      median.oneP99Ms.toFixed(3),
      median.load.toFixed(1),
    ]);
  }
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const cell = (text, column) => (column === 0 ? text.padEnd(widths[0]) : text.padStart(widths[column]));
  for (const row of rows) console.log(row.map(cell).join("  "));
}

function medians(samples) {
  const median = (key) => {
    const sorted = samples.map((sample) => sample[key]).sort((a, b) => a - b);
    const middle = sorted.length >> 1;
    return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  };
  return Object.fromEntries(Object.keys(samples[0]).map((key) => [key, median(key)]));
}

function format({ perSecond, p50Ms, cpuMicros: cpu, oneP50Ms, load }) {
  const figures = [`${perSecond.toFixed(0)}/s`, `p50 ${p50Ms.toFixed(2)} ms`, `${cpu.toFixed(1)} µs`];
  return [...figures, `one client ${oneP50Ms.toFixed(3)} ms`, `load ${load.toFixed(1)}`].join(", ");
}

function say(text) {
  console.error(text);
}

main().catch((error) => {
  console.error(`bench: ${error.message}`);
  process.exit(1);
});
