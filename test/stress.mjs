#!/usr/bin/env node
// Runs a command beside busy loops, which it starts and stops: shows that nothing depends on the machine's speed.
//
//   node test/stress.mjs                                 `npm test` beside four busy loops
//   node test/stress.mjs --loops 8 --times 3 -- COMMAND  a command beside eight, three times in a row or until it fails
import { spawn } from "node:child_process";
import { availableParallelism, loadavg } from "node:os";
import process from "node:process";
import { parseArgs } from "node:util";

const usage = "Usage: node test/stress.mjs [--loops 4] [--times 1] [-- COMMAND ARGUMENT…]";
/** A loop ends by itself once its parent is gone, however that ended. */
const busy = `
  const parent = process.ppid;
  for (;;) {
    const untilMs = Date.now() + 1000;
    while (Date.now() < untilMs);
    if (process.ppid !== parent) process.exit(0);
  }`;

const loops = [];
let running = null;
let signalled = null;

async function main() {
  const { loopCount, times, command } = options();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => interrupt(signal));
  process.once("exit", stopLoops);
  say(`${loopCount} busy loops on ${availableParallelism()} cores beside: ${command.join(" ")}; ${load()}`);
  for (let i = 0; i < loopCount; i++) loops.push(spawn(process.execPath, ["-e", busy], { stdio: "ignore" }));
  let code = 0;
  for (let run = 1; run <= times && code === 0 && signalled === null; run++) {
    const began = Date.now();
    code = await ended(command);
    say(`run ${run} of ${times}: exit code ${code} after ${Math.round((Date.now() - began) / 1000)} s; ${load()}`);
  }
  stopLoops();
  process.exitCode = code;
}

function options() {
  try {
    const { values, positionals } = parseArgs({
      options: { loops: { type: "string", default: "4" }, times: { type: "string", default: "1" } },
      allowPositionals: true,
    });
    const [loopCount, times] = [Number(values.loops), Number(values.times)];
    if (!Number.isInteger(loopCount) || loopCount < 0) throw new Error(`--loops is ${values.loops}, not a number`);
    if (!Number.isInteger(times) || times < 1) throw new Error(`--times is ${values.times}, not a number from 1`);
    return { loopCount, times, command: positionals.length > 0 ? positionals : ["npm", "test"] };
  } catch (error) {
    console.error(`${error.message}\n${usage}`);
    process.exit(2);
  }
}

/** The command's exit code; 128 + n for signal n, as a shell has it. */
function ended([program, ...args]) {
  return new Promise((resolve) => {
    running = spawn(program, args, { stdio: "inherit" });
    running.once("error", (error) => {
      console.error(`cannot run ${program}: ${error.message}`);
      resolve(127);
    });
    running.once("exit", (code, signal) => resolve(code ?? 128 + (signal === "SIGINT" ? 2 : 15)));
  });
}

/** The command gets the signal, too, and its end is ours: unless a terminal has sent it to both already. */
function interrupt(signal) {
  signalled = signal;
  stopLoops();
  if (running === null || running.exitCode !== null || running.signalCode !== null) process.exit(1);
  if (signal !== "SIGINT" || !process.stdin.isTTY) running.kill(signal);
}

function stopLoops() {
  for (const loop of loops.splice(0)) loop.kill("SIGKILL");
}

function load() {
  return `load average ${loadavg()
    .map((each) => each.toFixed(1))
    .join(" ")}`;
}

function say(text) {
  console.log(`stress: ${text}`);
}

await main();
