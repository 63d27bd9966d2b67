// Runs those build steps whose inputs, arguments or tools changed since the last run, and records what was skipped.
//
// A step: { name, out, inputs, salt, job } or { …, command }, or { name, skipped }. `inputs` are files and folders
// whose contents
// count; `salt` is anything else that counts (versions, flags); `job` goes to compile.mjs, `command` is [program, args,
// options]
// and writes `out` itself, or `made` elsewhere; `skipped` says why the step cannot run here and how to make it run.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { writeWhole } from "./compile.mjs";

/** All files of a path, in a fixed order. */
function filesOf(path) {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path)
    .sort()
    .flatMap((name) => filesOf(join(path, name)));
}

function digestOf(step) {
  // Not a command's options: they hold the environment, which is another under npm.
  const hash = createHash("sha256").update(JSON.stringify([step.salt, step.job, step.command?.slice(0, 2)]));
  for (const file of step.inputs.flatMap(filesOf)) hash.update(file).update("\0").update(readFileSync(file));
  return hash.digest("hex");
}

/** Runs a program to its end. Its output is shown only if it fails. */
function run(program, args, options = {}, input = "") {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { ...options, stdio: ["pipe", "pipe", "pipe"] });
    const said = [];
    child.stdout.on("data", (chunk) => said.push(chunk));
    child.stderr.on("data", (chunk) => said.push(chunk));
    child.on("error", reject);
    child.on("close", (code) => {
      if (code === 0) resolve();
      else reject(new Error(`${program} ended with code ${code}\n${Buffer.concat(said)}`));
    });
    child.stdin.on("error", () => {}); // a child that ended early is reported by its code
    child.stdin.end(input);
  });
}

/** A program that writes `out`, or writes `made`, which is then copied there. */
async function runCommand(step) {
  await run(...step.command);
  if (step.made !== undefined) writeWhole(step.out, readFileSync(step.made));
}

/**
 * Runs the steps. Jobs of one compiler share a process; processes and commands run two at a time.
 * Writes `skipped.json` ([{name, why}]) and `stamps.json` into the folder, and one line for each built or skipped step.
 *
 * @returns the skipped steps
 * @throws the first failure, with the compiler's output
 */
export async function runSteps(folder, steps, say = (line) => process.stdout.write(`${line}\n`)) {
  mkdirSync(folder, { recursive: true });
  const stampsPath = join(folder, "stamps.json");
  const stamps = existsSync(stampsPath) ? JSON.parse(readFileSync(stampsPath, "utf8")) : {};
  const skipped = [];
  const due = [];
  for (const step of steps) {
    if (step.skipped === undefined) {
      step.digest = digestOf(step);
      if (stamps[step.name] !== step.digest || !existsSync(step.out)) due.push(step);
    } else {
      // A module of an earlier toolchain must not pass for one of these sources.
      rmSync(step.out, { force: true });
      delete stamps[step.name];
      skipped.push({ name: step.name, why: step.skipped });
      say(`skipped ${step.name}: ${step.skipped}`);
    }
  }

  const tasks = [];
  for (const compiler of ["clang", "asc", "wat"]) {
    const jobs = due.filter((step) => step.job?.compiler === compiler);
    if (jobs.length === 0) continue;
    const compile = join(import.meta.dirname, "compile.mjs");
    const input = JSON.stringify(jobs.map((step) => ({ ...step.job, out: step.out })));
    tasks.push({ built: jobs, start: () => run(process.execPath, [compile], {}, input) });
  }
  for (const step of due) {
    if (step.command !== undefined) tasks.push({ built: [step], start: () => runCommand(step) });
  }
  const worker = async () => {
    for (let task = tasks.shift(); task !== undefined; task = tasks.shift()) {
      const began = performance.now();
      await task.start();
      for (const step of task.built) stamps[step.name] = step.digest;
      say(`built ${task.built.map((step) => step.name).join(", ")} (${Math.round(performance.now() - began)} ms)`);
    }
  };
  try {
    const ends = await Promise.allSettled([worker(), worker()]);
    const failed = ends.find((end) => end.status === "rejected");
    if (failed !== undefined) throw failed.reason;
  } finally {
    writeWhole(stampsPath, `${JSON.stringify(stamps, null, 2)}\n`);
    writeWhole(join(folder, "skipped.json"), `${JSON.stringify(skipped, null, 2)}\n`);
  }
  return skipped;
}
