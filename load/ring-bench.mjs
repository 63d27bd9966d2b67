// `npm run bench -- ring`: the ring beside postMessage, between the main thread and a worker: one-way rate and
// ping-pong.
// Options: --quick (2 rounds), --rounds N, --json. The machine's load stands beside it; only the ratios mean something.
import { mkdirSync } from "node:fs";
import { loadavg } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import esbuild from "esbuild";
import { optionsOf } from "./options.mjs";

const root = resolve(import.meta.dirname, "..");
const bundle = join(root, "node_modules/.cache/frenezulo/ring.mjs");
const RING_BYTES = 256 * 1024; // as a carrier's
const sizes = [64, 1024, 16 * 1024];
const PINGS = 3000;
const BYTES_ONE_WAY = 64 << 20;
const MESSAGES_ONE_WAY_MAX = 100_000;
const ways = ["ring", "postMessage"];

const oneWayCount = (size) => Math.min(MESSAGES_ONE_WAY_MAX, Math.floor(BYTES_ONE_WAY / size));
const turn = () => new Promise((done) => setImmediate(done));

/** Both ends of a pair of rings with their bells; `there` is the side that this thread writes to. */
async function ringEnds({ rings, bells }, there) {
  const { Bell, RingReader, RingWriter } = await import(pathToFileURL(bundle).href);
  const words = new Int32Array(bells);
  const here = 1 - there;
  const [theirBell, ownBell] = [new Bell(words, there * 16), new Bell(words, here * 16)];
  const reader = new RingReader(rings[here], () => theirBell.ring());
  const writer = new RingWriter(rings[there]);
  const hasNext = () => reader.hasNext;
  return {
    /** Writes one payload, without blocking. */
    async send(payload) {
      let at = writer.reserve(payload.length);
      while (at < 0) {
        theirBell.ring();
        writer.starve();
        const room = () => {
          at = writer.reserve(payload.length);
          return at >= 0;
        };
        await ownBell.sleep(room);
      }
      writer.bytes.set(payload, at);
      writer.commit(1, 1, 1, 1, payload.length);
      theirBell.ring();
    },
    /** Takes one frame's payload as a view, or null; then `release`. */
    take: () => (reader.next() ? reader.bytes.subarray(reader.offset, reader.offset + reader.length) : null),
    release: () => reader.release(),
    /** Until there is something: in the event loop, and before that blocked for `hotMs`, as a carrier does. */
    async wait(hotMs) {
      if (hotMs > 0) ownBell.block(hasNext, hotMs);
      if (!reader.hasNext) await (ownBell.sleep(hasNext) ?? turn());
    },
  };
}

/** The worker: takes `oneWay` messages and says so by one; then echoes every further one. */
async function worker() {
  const { way, oneWay } = workerData;
  let taken = 0;
  if (way === "postMessage") {
    parentPort.on("message", (payload) => {
      if (++taken > oneWay) parentPort.postMessage(payload);
      else if (taken === oneWay) parentPort.postMessage("all");
    });
    parentPort.postMessage("ready");
    return;
  }
  const alive = setInterval(() => {}, 1 << 30); // a promise of Atomics.waitAsync does not keep the loop alive
  const ends = await ringEnds(workerData, 0);
  parentPort.postMessage("ready");
  for (;;) {
    for (let view = ends.take(); view !== null; view = ends.take()) {
      taken++;
      if (taken > oneWay) await ends.send(view);
      else if (taken === oneWay) await ends.send(Buffer.of(1));
      ends.release();
      if (taken === oneWay + PINGS) return clearInterval(alive);
    }
    await ends.wait(2);
  }
}

/** One run of one way. @returns messages a second one way, and the ping-pong's latencies in µs */
async function measure(way, size) {
  const { makeRing } = await import(pathToFileURL(bundle).href);
  const oneWay = oneWayCount(size);
  const shared = { rings: [makeRing(RING_BYTES), makeRing(RING_BYTES)], bells: new SharedArrayBuffer(128) };
  const thread = new Worker(fileURLToPath(import.meta.url), { workerData: { way, oneWay, ...shared } });
  await new Promise((done) => thread.once("message", done));
  const pair = way === "ring" ? await ringPair(shared) : messagePair(thread);
  const payload = Buffer.alloc(size, 7);
  const load = loadavg()[0];

  const began = performance.now();
  for (let i = 0; i < oneWay; i++) await pair.send(payload);
  await pair.receive();
  const perSecond = (oneWay / (performance.now() - began)) * 1000;

  const latencies = new Float64Array(PINGS);
  for (let i = 0; i < PINGS; i++) {
    const from = performance.now();
    await pair.send(payload);
    await pair.receive();
    latencies[i] = (performance.now() - from) * 1000;
  }
  latencies.sort();
  await thread.terminate();
  return { perSecond, p50: latencies[PINGS >> 1], p99: latencies[Math.floor(PINGS * 0.99)], load };
}

async function ringPair(shared) {
  const ends = await ringEnds(shared, 1);
  // The worker writes where we read: the rings' sides are seen from it.
  return {
    send: ends.send,
    async receive() {
      while (ends.take() === null) await ends.wait(0);
      ends.release();
    },
  };
}

/** A message is a copy of the payload, as a copy of its bytes is in the ring. */
function messagePair(thread) {
  let arrived = 0;
  let wake = () => {};
  thread.on("message", () => {
    arrived++;
    wake();
  });
  return {
    send: (payload) => thread.postMessage(payload),
    async receive() {
      if (arrived === 0) {
        await new Promise((done) => {
          wake = done;
        });
      }
      arrived--;
    },
  };
}

async function main() {
  const { values: options } = optionsOf("npm run bench -- ring", {
    options: {
      quick: { type: "boolean", default: false },
      rounds: { type: "string" },
      json: { type: "boolean", default: false },
    },
  });
  const rounds = Number(options.rounds ?? (options.quick ? 2 : 5));
  mkdirSync(join(bundle, ".."), { recursive: true });
  await esbuild.build({
    stdin: { contents: 'export * from "./ring.ts"; export * from "./bell.ts";', resolveDir: join(root, "actors") },
    outfile: bundle,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
  });
  await esbuild.stop();
  const samples = new Map();
  for (let round = 0; round < rounds; round++) {
    for (const size of sizes) {
      // The two take turns in who runs first.
      for (const way of round % 2 === 0 ? ways : ways.toReversed()) {
        const sample = await measure(way, size);
        const key = `${way} ${size}`;
        samples.set(key, [...(samples.get(key) ?? []), sample]);
        console.error(`round ${round + 1}/${rounds} ${size} bytes, ${way}: ${format(sample)}`);
      }
    }
  }
  report(samples, rounds, options.json);
}

function report(samples, rounds, asJson) {
  const results = sizes.map((bytes) => {
    const [ring, post] = ways.map((way) => medians(samples.get(`${way} ${bytes}`)));
    const ratios = { perSecond: ring.perSecond / post.perSecond, p50: ring.p50 / post.p50, p99: ring.p99 / post.p99 };
    return { bytes, ring, postMessage: post, ratios };
  });
  if (asJson) return console.log(JSON.stringify({ rounds, node: process.version, results }, null, 2));
  console.log(`\nmain thread to worker and back, ${rounds} rounds, medians; Node ${process.version}`);
  for (const { bytes, ring, postMessage, ratios } of results) {
    console.log(`${bytes} bytes\n  ring         ${format(ring)}\n  postMessage  ${format(postMessage)}`);
    const { perSecond, p50, p99 } = ratios;
    const text = `rate ${perSecond.toFixed(2)}, ping-pong p50 ${p50.toFixed(2)}, p99 ${p99.toFixed(2)}`;
    console.log(`  ring ÷ postMessage: ${text}`);
  }
}

function medians(samples) {
  const median = (key) => samples.map((sample) => sample[key]).sort((a, b) => a - b)[samples.length >> 1];
  return Object.fromEntries(Object.keys(samples[0]).map((key) => [key, median(key)]));
}

function format({ perSecond, p50, p99, load }) {
  const rate = `${perSecond.toFixed(0).padStart(8)}/s one way`;
  return `${rate}, ping-pong p50 ${p50.toFixed(0)} µs, p99 ${p99.toFixed(0)} µs (load ${load.toFixed(1)})`;
}

if (isMainThread) await main();
else await worker();
