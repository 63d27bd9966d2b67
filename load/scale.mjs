// `npm run bench -- scale`: what "Supervisors and scale" promises, measured: cold starts, a burst, a noisy neighbour,
// 10,000 services, an overload. Exit code 1 if a bound is broken.
// Options: --only NAME (cold, burst, noise, many, overload), --services N, --seconds N, --json, --figures-only.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { Agent, get } from "node:http";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { cacheFolder } from "../services/toolchains.mjs";
import { optionsOf } from "./options.mjs";
import { guest, putService, startNode } from "./program.mjs";
import { findWrk, wrk } from "./wrk.mjs";

const { values: options } = optionsOf("npm run bench -- scale", {
  options: {
    only: { type: "string", default: "" },
    services: { type: "string", default: "10000" },
    seconds: { type: "string", default: "10" },
    json: { type: "boolean", default: false },
    "figures-only": { type: "boolean", default: false },
  },
});
const seconds = Number(options.seconds);
const hello = guest("services/build/hello.wasm");
const slow = guest("test/guests/build/slow.wasm");
const hostile = guest("test/guests/build/hostile.wasm");

const parts = { cold, burst, noise, many, overload };

async function main() {
  const report = [];
  for (const [name, measure] of Object.entries(parts)) {
    if (!name.includes(options.only)) continue;
    const load = loadavg()[0];
    const result = await measure();
    report.push({ name, load, ...result });
    if (!options.json) print({ name, load, ...result });
  }
  const holds = report.every(({ checks }) => checks.every((check) => check.holds));
  if (options.json) console.log(JSON.stringify({ node: process.version, report, holds }, null, 2));
  process.exitCode = holds || options["figures-only"] ? 0 : 1;
}

/** A reaped service, warm carriers: the first request beside the median of those after it. */
async function cold() {
  return withNode("[limits]\ncarriers = 8\nspare = 2\n", async (node) => {
    const scale = { idle_timeout: "100ms", window: "100ms" };
    await putService(node.url, "hello", hello, { scale });
    const client = new Client(node.url, 1);
    const first = [];
    const warm = [];
    for (let round = 0; round < 60; round++) {
      for (let i = 0; i < 10; i++) {
        const { ms } = await client.answered("/hello");
        if (i === 0 && round > 0) first.push(ms);
        else if (i > 3) warm.push(ms);
      }
      await until(async () => (await (await fetch(`${node.url}/services/hello`)).json()).status === "cold");
    }
    client.close();
    const over = median(first) - median(warm);
    return {
      figures: { "cold p50 ms": median(first), "warm p50 ms": median(warm), "cold p99 ms": quantile(first, 0.99) },
      checks: [atMost("cold start over a warm request, p50, ms", over, 3)],
    };
  });
}

/** 256 requests at once to a service of 10 ms with max = 8, by a shallow and by a deep queue. */
async function burst() {
  return withNode("[limits]\ncarriers = 16\nspare = 2\n", async (node) => {
    const figures = {};
    const checks = [];
    for (const queue of [64, 256]) {
      const scale = { max: 8, idle_timeout: "500ms", window: "2s" };
      await putService(node.url, "slow", slow, { scale, limits: { queue } });
      await settled(node, 2);
      const client = new Client(node.url, 256);
      let most = 0;
      let isOver = false;
      const watching = (async () => {
        while (!isOver) {
          most = Math.max(most, actorsOf(await metrics(node)));
          await sleep(10);
        }
      })();
      const began = performance.now();
      const answers = await Promise.all(
        Array.from({ length: 256 }, () => client.request("/slow?do=spin&ms=10").catch(() => ({ status: 0 }))),
      );
      figures[`queue ${queue}: ms`] = performance.now() - began;
      isOver = true;
      await watching;
      client.close();
      const answered = answers.filter(({ status }) => status === 200).length;
      const shed = answers.filter(({ status, retryAfter }) => status === 429 && retryAfter >= 1).length;
      figures[`queue ${queue}: answered, shed`] = `${answered}, ${shed}`;
      figures[`queue ${queue}: most actors`] = most;
      checks.push(exactly(`queue ${queue}: lost or wrong`, 256 - answered - shed, 0));
      checks.push(atMost(`queue ${queue}: most actors`, most, 8));
      await until(async () => actorsOf(await metrics(node)) === 0, 20_000).catch(() => {});
      await sleep(3000); // surplus spares are kept for the next burst this long
      const after = await metrics(node);
      checks.push(exactly(`queue ${queue}: actors after the window`, actorsOf(after), 0));
      checks.push(exactly(`queue ${queue}: carriers after the window`, carriersOf(after), 2));
    }
    return { figures, checks };
  });
}

/** A service that loops for ever 50 times a second beside a quiet one, under k6. */
async function noise() {
  const k6 = findK6();
  if (k6 === undefined)
    return { figures: { skipped: "k6 is not here; load/README.md says where it is from" }, checks: [] };
  const figures = {};
  const checks = [];
  // By default the loops end their supervisor; the second neighbour is never given up: a thread dies for every loop.
  const neighbours = [
    { name: "as by default", policy: {}, isBound: true },
    { name: "never given up", policy: { max_restarts: 10_000, breaker: { failures: 1_000_000 } }, isBound: false },
  ];
  for (const { name, policy, isBound } of neighbours) {
    await withNode("", async (node) => {
      await putService(node.url, "quiet", hello);
      await putService(node.url, "noisy", hostile, { ...policy, limits: { deadline: "200ms" } });
      await runK6(k6, node.url, { NOISE: "0", SECONDS: "3" }); // warms up
      const alone = [];
      const beside = [];
      for (let round = 0; round < 3; round++) {
        alone.push(await runK6(k6, node.url, { NOISE: "0", SECONDS: String(seconds) }));
        beside.push(await runK6(k6, node.url, { NOISE: "50", SECONDS: String(seconds) }));
      }
      const [before, during] = [alone, beside].map((runs) => median(runs.map(({ p99Ms }) => p99Ms)));
      figures[`${name}: quiet p99 ms alone, beside`] = `${before.toFixed(2)}, ${during.toFixed(2)}`;
      figures[`${name}: quiet requests beside`] = sum(beside.map(({ requests }) => requests));
      const failures = exactly(`${name}: quiet failures beside`, sum(beside.map((run) => run.failures)), 0);
      const ratio = atMost(`${name}: quiet p99 beside ÷ alone`, during / before, 3);
      checks.push(failures);
      if (isBound) checks.push(ratio);
      else figures[ratio.text] = ratio.value;
    });
  }
  return { figures, checks };
}

/** Thousands of services over 100 modules; hello beside a node that has nothing else. */
async function many() {
  findWrk();
  const count = Number(options.services);
  const settings = "[limits]\ncarriers = 8\nspare = 2\n";
  return withNode(settings, (one) =>
    withNode(settings, async (node) => {
      const modules = Array.from({ length: 100 }, (_, i) =>
        Buffer.concat([hello, Buffer.from([0, 4, 1, 0x78, i & 0xff, i >> 8])]),
      );
      const figures = {};
      const empty = usage(node.pid).rssMb;
      let began = performance.now();
      await lanes(count, 16, (i) => putService(node.url, `s${i}`, modules[i % modules.length]));
      figures["added, s"] = (performance.now() - began) / 1000;
      await putService(node.url, "hello", hello);
      await putService(one.url, "hello", hello);
      const client = new Client(node.url, 16);
      began = performance.now();
      let wrong = 0;
      await lanes(count, 16, async (i) => {
        if ((await client.request(`/s${i}`)).status !== 200) wrong++;
      });
      figures["each answered once, s"] = (performance.now() - began) / 1000;
      client.close();
      figures["RSS MB empty"] = empty;
      const rss = usage(node.pid).rssMb;
      const cpu = { alone: [], among: [] };
      for (let round = 0; round < 6; round++) {
        for (const [key, each] of round % 2 === 0
          ? [
              ["alone", one],
              ["among", node],
            ]
          : [
              ["among", node],
              ["alone", one],
            ]) {
          await wrk(`${each.url}/hello`, { connections: 64, seconds: 1 });
          const before = cpuMicros(each.pid);
          const { requests } = await wrk(`${each.url}/hello`, { connections: 64, seconds: 3 });
          cpu[key].push((cpuMicros(each.pid) - before) / requests);
        }
      }
      figures["hello CPU µs a request alone, among them"] =
        `${median(cpu.alone).toFixed(1)}, ${median(cpu.among).toFixed(1)}`;
      return {
        figures,
        checks: [
          exactly(`wrong or missing answers of ${count}`, wrong, 0),
          atMost(`RSS of ${count} services, MB`, rss, 600),
          atMost("hello's CPU a request among them ÷ alone", median(cpu.among) / median(cpu.alone), 1.1),
        ],
      };
    }),
  );
}

/** Ten times what the node can do, for ten seconds; then it must be as before. */
async function overload() {
  return withNode("[limits]\ncarriers = 8\nspare = 2\n", async (node) => {
    await putService(node.url, "slow", slow, { scale: { max: 8, idle_timeout: "500ms", window: "2s" } });
    const path = "/slow?do=spin&ms=10";
    let client = new Client(node.url, 64);
    const storm = async (perSecond, ms) => {
      const counts = new Map();
      const pending = [];
      const began = performance.now();
      for (let sent = 0; performance.now() - began < ms; ) {
        for (; sent < ((performance.now() - began) / 1000) * perSecond; sent++) {
          const asked = client.request(path).catch(() => ({ status: 0 }));
          pending.push(asked.then(({ status }) => counts.set(status, (counts.get(status) ?? 0) + 1)));
        }
        await sleep(1);
      }
      await Promise.all(pending);
      return counts;
    };
    // Capacity: what 64 clients get answered. A first overload brings heaps and rings to the size that stays.
    let answered = 0;
    const end = performance.now() + 3000;
    await Promise.all(
      Array.from({ length: 64 }, async () => {
        while (performance.now() < end) if ((await client.request(path)).status === 200) answered++;
      }),
    );
    const capacity = answered / 3;
    client.close();
    client = new Client(node.url, 1000);
    await storm(10 * capacity, 3000);
    client.close();
    await settled(node, 2);
    const before = usage(node.pid);
    client = new Client(node.url, 1000);
    const counts = await storm(10 * capacity, 10_000);
    const first = await client.request(path);
    client.close();
    await settled(node, 2);
    const after = usage(node.pid);
    const refused = (counts.get(429) ?? 0) + (counts.get(503) ?? 0);
    const lost = sum(counts.values()) - refused - (counts.get(200) ?? 0);
    return {
      figures: {
        "capacity, requests a second": capacity,
        "answered, shed of": `${counts.get(200) ?? 0}, ${refused} of ${sum(counts.values())}`,
        "RSS MB, threads, descriptors before": `${before.rssMb.toFixed(0)}, ${before.threads}, ${before.descriptors}`,
        "RSS MB, threads, descriptors after": `${after.rssMb.toFixed(0)}, ${after.threads}, ${after.descriptors}`,
      },
      checks: [
        exactly("lost or wrong", lost, 0),
        exactly("status of the first request after", first.status, 200),
        ...["rssMb", "threads", "descriptors"].map((key) =>
          atMost(`${key} after ÷ before`, after[key] / before[key], 1.1),
        ),
      ],
    };
  });
}

// --- A node, and what it shows. ---

async function withNode(config, run) {
  const node = await startNode({ config });
  const result = await run(node).catch(async (error) => {
    await node.stop();
    throw error;
  });
  const end = await node.stop();
  if (end !== 0) throw new Error(`the node ended with ${end}, not 0`);
  return result;
}

async function metrics(node) {
  const text = await (await fetch(`${node.url}/services/-/metrics`)).text();
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(/\S+$/.exec(line)[0])]));
}

const total = (found, name) =>
  sum([...found].filter(([key]) => key.startsWith(`frenezulo_${name}{`)).map(([, v]) => v));
const actorsOf = (found) => total(found, "actors");
const carriersOf = (found) => total(found, "carriers");

/** Nothing runs, and the carriers are the spare ones; a while longer, for what ends in the background. */
async function settled(node, spares) {
  await until(async () => {
    const found = await metrics(node);
    return actorsOf(found) === 0 && carriersOf(found) === spares;
  }, 60_000);
  await sleep(2000);
}

function usage(pid) {
  const rssMb = (Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]) * 1024) / 1e6;
  const counted = (folder) => readdirSync(`/proc/${pid}/${folder}`).length;
  return { rssMb, threads: counted("task"), descriptors: counted("fd") };
}

const ticksPerSecond = Number(spawnSync("getconf", ["CLK_TCK"], { encoding: "utf8" }).stdout);

/** User and system time of all threads of a process so far, µs (proc(5): fields 14 and 15 of stat). */
function cpuMicros(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return ((Number(fields[11]) + Number(fields[12])) * 1e6) / ticksPerSecond;
}

/** A client with at most so many kept connections. */
class Client {
  constructor(url, connections) {
    this.url = url;
    this.agent = new Agent({ keepAlive: true, maxSockets: connections });
  }

  request(path) {
    return new Promise((resolve, reject) => {
      const began = performance.now();
      const asked = get(this.url + path, { agent: this.agent, timeout: 60_000 }, (answer) => {
        answer.resume();
        answer.once("error", reject);
        answer.once("end", () => {
          const retryAfter = Number(answer.headers["retry-after"]);
          resolve({ status: answer.statusCode, retryAfter, ms: performance.now() - began });
        });
      });
      asked.once("timeout", () => asked.destroy(new Error("no answer in 60 s")));
      asked.once("error", reject);
    });
  }

  async answered(path) {
    const answer = await this.request(path);
    if (answer.status !== 200) throw new Error(`${path} answered ${answer.status}`);
    return answer;
  }

  close() {
    this.agent.destroy();
  }
}

// --- k6. ---

function findK6() {
  const places = [process.env.K6, "k6", join(cacheFolder, "bin/k6")].filter((place) => place !== undefined);
  return places.find(
    (place) => (!place.includes("/") || existsSync(place)) && spawnSync(place, ["version"]).status === 0,
  );
}

async function runK6(k6, url, env) {
  const folder = mkdtempSync(join(tmpdir(), "frenezulo-k6-"));
  const summary = join(folder, "summary.json");
  const script = join(import.meta.dirname, "noise.js");
  const child = spawn(k6, ["run", "--quiet", "--summary-export", summary, script], {
    env: { ...process.env, ...env, BASE_URL: url, K6_NO_USAGE_REPORT: "true" },
    stdio: ["ignore", "ignore", "inherit"],
  });
  const code = await new Promise((resolved) => child.once("close", resolved));
  try {
    if (code !== 0) throw new Error(`k6 ended with ${code}`);
    const { metrics: found } = JSON.parse(readFileSync(summary, "utf8"));
    const checks = found["checks{scenario:quiet}"];
    return {
      p99Ms: found["http_req_duration{scenario:quiet}"]["p(99)"],
      requests: checks.passes + checks.fails,
      failures: checks.fails,
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

// --- Figures. ---

const sum = (values) => [...values].reduce((all, value) => all + value, 0);
const median = (values) => quantile(values, 0.5);
const atMost = (text, value, max) => ({ text, value, max, holds: value <= max });
const exactly = (text, value, wanted) => ({ text, value, max: wanted, holds: value === wanted });

function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}

/** Runs `each` for 0 … count − 1, so many at once. */
async function lanes(count, width, each) {
  let next = 0;
  const lane = async () => {
    while (next < count) await each(next++);
  };
  await Promise.all(Array.from({ length: width }, lane));
}

async function until(holds, ms = 30_000) {
  const end = performance.now() + ms;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`still not after ${ms} ms: ${holds}`);
    await sleep(10);
  }
}

function print({ name, load, figures, checks }) {
  console.log(`\n${name} (load average before: ${load.toFixed(1)}; Node ${process.version})`);
  const shown = (value) => (typeof value === "number" && !Number.isInteger(value) ? value.toFixed(2) : String(value));
  for (const [text, value] of Object.entries(figures)) console.log(`         ${text}: ${shown(value)}`);
  for (const { text, value, max, holds } of checks) {
    console.log(`${holds ? "holds  " : "BROKEN "}  ${text}: ${shown(value)} (bound ${max})`);
  }
}

main().catch((error) => {
  console.error(`scale: ${error.message}`);
  process.exit(1);
});
