// The measures of load/processes.c on Node's worker threads: a thread is a process, postMessage sends. The same lines.
//
//   node processes-threads.mjs exit N | alive K N | ping N | ring P R | idle N MS | skynet LEAVES | looper N MS
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { isMainThread, MessageChannel, parentPort, Worker, workerData } from "node:worker_threads";

const file = new URL(import.meta.url);
const options = { resourceLimits: { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 2, stackSizeMb: 1 } };

const start = (role, data = {}, transferList = []) => {
  const worker = new Worker(file, { ...options, workerData: { role, ...data }, transferList });
  worker.setMaxListeners(0);
  return worker;
};
const answer = async (worker) => (await once(worker, "message"))[0];
const print = (fields) => console.log(JSON.stringify(fields));

/** The middle, the 99th of a hundred and the longest of times in ms. */
function spread(times) {
  times.sort((a, b) => a - b);
  const at = (share) => Math.round(times[Math.min(times.length - 1, Math.floor(times.length * share))] * 1e6);
  return { median_ns: at(0.5), p99_ns: at(0.99), max_ns: at(1) };
}

function rate(count, began) {
  const ms = performance.now() - began;
  return { count, us: Math.round(ms * 1000), per_second: Math.round((count * 1000) / ms) };
}

async function timed(count, each) {
  const times = [];
  for (let i = 0; i < count; i++) {
    const began = performance.now();
    await each();
    times.push(performance.now() - began);
  }
  return spread(times);
}

async function started(count) {
  const workers = Array.from({ length: count }, () => start("echo"));
  await Promise.all(workers.map((worker) => once(worker, "online")));
  return workers;
}

const ended = (workers) => Promise.all(workers.map((worker) => worker.terminate()));

/** Sends each its number, and waits for all to come back. */
async function allAnswer(workers) {
  const answers = workers.map(answer);
  for (const [i, worker] of workers.entries()) worker.postMessage(i);
  await Promise.all(answers);
}

const measures = {
  exit: async (count) => print(await timed(count, () => once(start("ends"), "exit"))),
  async alive(others, count) {
    const workers = await started(others);
    print(await timed(count, () => answer(start("answers"))));
    await ended(workers);
  },
  async ping(count) {
    const [worker] = await started(1);
    const began = performance.now();
    await new Promise((done) => {
      worker.on("message", (i) => (i + 1 < count ? worker.postMessage(i + 1) : done()));
      worker.postMessage(0);
    });
    print(rate(2 * count, began));
    await worker.terminate();
  },
  async ring(size, rounds) {
    const channels = Array.from({ length: size }, () => new MessageChannel());
    const workers = channels.slice(1).map(({ port2: out }, i) => {
      const { port1: from } = channels[i];
      return start("passes", { from, out }, [from, out]);
    });
    const last = channels[size - 1].port1;
    const round = async () => {
      channels[0].port2.postMessage(1);
      await once(last, "message");
    };
    await round(); // all run
    const began = performance.now();
    for (let i = 0; i < rounds; i++) await round();
    print(rate(size * rounds, began));
    await ended(workers);
    last.close();
  },
  async idle(count, wait) {
    let began = performance.now();
    const workers = await started(count);
    print(rate(count, began));
    console.log("ready");
    await sleep(wait);
    began = performance.now();
    await allAnswer(workers);
    print(rate(count, began));
    began = performance.now();
    await ended(workers);
    print(rate(count, began));
    console.log("gone");
    await sleep(wait);
  },
  async skynet(leaves) {
    const began = performance.now();
    const sum = await answer(start("skynet", { first: 0, leaves }));
    if (sum !== (leaves * (leaves - 1)) / 2) throw new Error(`the sum is ${sum}`);
    print(rate(leaves, began));
  },
  async looper(count, ms) {
    const workers = await started(count);
    const spinner = start("spins");
    await once(spinner, "online");
    const times = [];
    const began = performance.now();
    for (let i = 0; performance.now() - began < ms; i = (i + 1) % count) {
      const asked = performance.now();
      workers[i].postMessage(i);
      await answer(workers[i]);
      times.push(performance.now() - asked);
    }
    const killed = performance.now();
    await spinner.terminate();
    print({ ...spread(times), kill_us: Math.round((performance.now() - killed) * 1000), lost: 0 });
    await ended(workers);
  },
};

const roles = {
  ends() {},
  answers: () => parentPort.postMessage(1),
  echo: () => parentPort.on("message", (message) => parentPort.postMessage(message)),
  passes: ({ from, out }) => from.on("message", (message) => out.postMessage(message)),
  spins() {
    for (;;);
  },
  async skynet({ first, leaves }) {
    if (leaves === 1) return parentPort.postMessage(first);
    const share = leaves / 10;
    const sums = Array.from({ length: 10 }, (_, i) =>
      answer(start("skynet", { first: first + i * share, leaves: share })),
    );
    parentPort.postMessage((await Promise.all(sums)).reduce((sum, each) => sum + each, 0));
  },
};

if (isMainThread) {
  const [what, ...numbers] = process.argv.slice(2);
  await measures[what](...numbers.map(Number));
} else await roles[workerData.role](workerData);
