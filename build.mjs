#!/usr/bin/env node
// The build and its verbs: start, build, check, test, dev, load, bench and so on. Needs only Node; it installs the
// rest.
import { spawn } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  utimesSync,
  watch,
  writeFileSync,
} from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const NODE_MIN = [20, 18];
const biome = "node_modules/@biomejs/biome/bin/biome";
/** What tests print is shown of those that fail. */
const quiet = "--silent=passed-only";
const root = dirname(fileURLToPath(import.meta.url));

/**
 * What is bundled: entry → file in dist. Packages stay outside, but for the carrier: a thread must start fast. SQLite,
 * which few need, stays outside there, too.
 */
const bundles = [
  { entry: "src/main.ts", file: "main.js", packages: "external", banner: "#!/usr/bin/env node" },
  { entry: "actors/carrier.ts", file: "carrier.js", packages: "bundle", banner: "" },
  { entry: "src/modules/compile-worker.ts", file: "compile-worker.js", packages: "bundle", banner: "" },
  { entry: "src/modules/lighten-worker.ts", file: "lighten-worker.js", packages: "external", banner: "" },
];

const verbs = {
  start: "install and build what is missing, then `frenezulo up --config frenezulo.toml`; arguments go on to it",
  build: "bundle into dist/ and build the example services",
  check: "types, lint and structure; a warning fails",
  fix: "what `check` would have otherwise: biome rewrites what it can",
  test: "build, build the test guests and run vitest; arguments go on to it",
  "test-unit": "test/unit alone, or the test files that are named in part; builds only what is older than its sources",
  "test-watch": "vitest that runs again what a change concerns; arguments go on to it",
  "test-long": "test with TEST_LONG=1: long sizes of the stress and fuzz tests",
  dev: "start, and again whenever a source changes",
  load: "a k6 script against the built node: smoke, load, soak, stress, hold, replace",
  bench: "beside raw uWebSockets.js and node:http, by wrk; `bench ring`, `scale`, `lighten`, `processes`: parts",
  docs: "write the generated tables of docs/reference and the JSON Schema of the config",
};

async function main([verb, ...args]) {
  checkNodeVersion();
  if (verb === undefined || !Object.hasOwn(verbs, verb)) {
    const lines = Object.entries(verbs).map(([name, text]) => `  ${name.padEnd(10)} ${text}`);
    return stop(verb === "--help" ? 0 : 2, `Usage: node build.mjs VERB [ARGUMENT…]\n${lines.join("\n")}`);
  }
  process.chdir(root);
  await install();
  switch (verb) {
    case "start":
      await build();
      return process.exit(await serve(args).ended);
    case "build":
      return build();
    case "check":
      return check();
    case "fix":
      return process.exit(await run(process.execPath, [biome, "check", "--write", "."]).ended);
    case "test":
      return test(args);
    case "test-unit":
      await refresh();
      return vitest("run", args.length > 0 ? args : ["test/unit", quiet]);
    case "test-watch":
      await refresh();
      return vitest("watch", args);
    case "test-long":
      process.env.TEST_LONG = "1";
      return test(args);
    case "dev":
      return dev(args);
    case "load":
      await build();
      if (args[0] === "hold" || args[0] === "replace") await guests("test/guests/build.mjs");
      return must("load/run.mjs", run(process.execPath, ["load/run.mjs", ...args]));
    case "bench":
      if (args[0] === "scale") {
        await build();
        await guests("test/guests/build.mjs");
        return must("load/scale.mjs", run(process.execPath, ["load/scale.mjs", ...args.slice(1)]));
      }
      if (args[0] === "processes") {
        await build();
        return must("processes-bench", run(process.execPath, ["load/processes-bench.mjs", ...args.slice(1)]));
      }
      if (args[0] === "lighten") {
        await build();
        await guests("test/guests/build.mjs");
        return must("lighten-bench", run(process.execPath, ["load/lighten-bench.mjs", ...args.slice(1)]));
      }
      if (args[0] === "ring")
        return must("ring-bench", run(process.execPath, ["load/ring-bench.mjs", ...args.slice(1)]));
      await build();
      return must("load/bench.mjs", run(process.execPath, ["load/bench.mjs", ...args]));
    case "docs":
      return docs();
  }
}

function checkNodeVersion() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major > NODE_MIN[0] || (major === NODE_MIN[0] && minor >= NODE_MIN[1])) return;
  stop(1, `Frenezulo needs Node ${NODE_MIN.join(".")} or newer (20, 22, 24); this is ${process.versions.node}.`);
}

/** Installs when node_modules is missing or older than the lock file. No package here needs its install script. */
async function install() {
  const installed = modified("node_modules/.package-lock.json");
  if (installed >= modified("package-lock.json")) return;
  console.log("installing packages (npm ci) …");
  const args = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--include=dev"];
  const npm = process.env.npm_execpath;
  await must("npm ci", npm?.endsWith(".js") ? run(process.execPath, [npm, ...args]) : run("npm", args));
}

async function build() {
  const { default: esbuild } = await import("esbuild");
  await Promise.all(bundles.map((each) => bundle(esbuild, each)));
  await esbuild.stop();
  await guests("services/build.mjs");
}

async function bundle(esbuild, { entry, file, packages, banner }) {
  const { outputFiles } = await esbuild.build({
    entryPoints: [entry],
    outfile: join(root, "dist", file),
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    packages,
    external: packages === "bundle" ? ["@sqlite.org/sqlite-wasm"] : [],
    banner: { js: banner },
    sourcemap: true,
    logLevel: "warning",
    write: false,
  });
  for (const output of outputFiles) writeIfChanged(output.path, output.contents);
}

/** Whole or not at all, and only when it differs: a running node may be starting carriers from these files. */
function writeIfChanged(path, contents) {
  if (existsSync(path) && readFileSync(path).equals(contents)) return;
  mkdirSync(dirname(path), { recursive: true });
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, contents, { mode: path.endsWith("main.js") ? 0o755 : 0o644 });
  renameSync(draft, path);
}

function guests(script) {
  return must(script, run(process.execPath, [script]));
}

async function check() {
  const steps = [
    ["types", "node_modules/typescript/bin/tsc", ["-p", "."]],
    ["lint", biome, ["check", "--error-on-warnings", "."]],
    ["structure", "node_modules/vitest/vitest.mjs", ["run", "test/structure.test.ts"]],
  ];
  const failed = [];
  for (const [name, script, args] of steps) {
    if ((await run(process.execPath, [script, ...args]).ended) !== 0) failed.push(name);
  }
  stop(failed.length === 0 ? 0 : 1, failed.length === 0 ? "check: all well" : `check failed: ${failed.join(", ")}`);
}

async function test(args) {
  if (args.length === 0 && process.env.TEST_LONG !== "1") console.log(howLong());
  await build();
  await guests("test/guests/build.mjs");
  return vitest("run", args.length > 0 ? args : [quiet]);
}

/** Measured: 677 s from a fresh clone, install and guests included, with the toolchains there (two cores, load 5). */
function howLong() {
  const files = readdirSync("test", { recursive: true }).filter((name) => name.endsWith(".test.ts"));
  const usual = "about 11 minutes from a fresh clone on two cores that have nothing else to do";
  return `npm test: ${files.length} test files, ${usual}; longer beside other work`;
}

async function vitest(mode, args) {
  process.exit(await run(process.execPath, ["node_modules/vitest/vitest.mjs", mode, ...args]).ended);
}

/** Builds and builds the test guests, where a source is younger than the last time. */
async function refresh() {
  const program = ["src", "wire", "actors", "supervisors", "services", "package-lock.json", "build.mjs"];
  await unlessFresh("program", ["dist", "services/build"], program, build);
  const of = ["test/guests", "services", "package-lock.json"];
  await unlessFresh("guests", ["test/guests/build"], of, () => guests("test/guests/build.mjs"));
}

async function unlessFresh(name, outputs, sources, make) {
  const stamp = `node_modules/.cache/frenezulo/${name}.made`;
  const beganMs = Date.now();
  if (outputs.every(existsSync) && Math.max(...sources.map(youngest)) <= modified(stamp)) return;
  await make();
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, "");
  utimesSync(stamp, beganMs / 1000, beganMs / 1000); // what is changed while it is made is younger
}

/** When the youngest source at or below a path was changed. */
function youngest(path) {
  if (isOutput(path)) return 0;
  if (!statSync(path).isDirectory()) return modified(path);
  const below = readdirSync(path).map((name) => youngest(join(path, name)));
  return Math.max(modified(path), ...below); // a folder's own: of what was removed or renamed
}

function isOutput(path) {
  return /(^|\/)(build|dist|node_modules|target)(\/|$)/.test(path);
}

function serve(args, nodeFlags = []) {
  return run(process.execPath, [...nodeFlags, "dist/main.js", "up", "--config", "frenezulo.toml", ...args]);
}

async function dev(args) {
  await build();
  let node = serve(args, ["--enable-source-maps"]);
  let timer;
  let queue = Promise.resolve();
  const again = async (changed) => {
    console.log(`dev: ${changed} changed`);
    try {
      await build();
    } catch (error) {
      return console.error(`dev: the build failed, the node goes on as it was: ${error.message}`);
    }
    node.child.kill("SIGTERM");
    await node.ended;
    node = serve(args, ["--enable-source-maps"]);
  };
  onChangeBelow(["src", "wire", "actors", "supervisors", "services"], (changed) => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      queue = queue.then(() => again(changed));
    }, 200);
  });
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => node.ended.then((code) => process.exit(code)));
}

/**
 * Watches every folder by itself: a recursive watch of Node 20 loses a file that was replaced by a rename. Folders that
 * appear later are found at the next change.
 */
function onChangeBelow(folders, changed) {
  const watched = new Set();
  const watchAll = () => {
    const below = folders.flatMap((folder) =>
      readdirSync(folder, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map((entry) => join(entry.parentPath, entry.name)),
    );
    for (const folder of [".", ...folders, ...below].filter((each) => !watched.has(each) && !isOutput(each))) {
      watched.add(folder);
      const watcher = watch(folder, (_event, name) => {
        const path = join(folder, name ?? "");
        if (isOutput(path) || (folder === "." && name !== "frenezulo.toml")) return;
        watchAll();
        changed(path);
      });
      watcher.on("error", () => watched.delete(folder));
    }
  };
  watchAll();
}

async function docs() {
  const { default: esbuild } = await import("esbuild");
  const outfile = join(root, "node_modules/.cache/frenezulo/documents.mjs");
  await esbuild.build({
    entryPoints: ["test/documents/generated.ts"],
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    packages: "external",
  });
  const { documents } = await import(pathToFileURL(outfile).href);
  for (const { path, text } of documents(root)) {
    writeIfChanged(path, Buffer.from(text));
    console.log(`${relative(root, path)} is current`);
  }
}

/**
 * Starts a program with our own input and output and passes signals on to it: once, since npm may send its own copy of
 * what we already got; and no SIGINT of a terminal, which has sent it to the program itself.
 * @returns the child, and its end as an exit code (128 + n for signal n)
 */
function run(program, args) {
  const child = spawn(program, args, { stdio: "inherit" });
  const forwarded = new Map();
  const forward = (signal) => {
    if (signal === "SIGINT" && process.stdin.isTTY) return;
    if (Date.now() - (forwarded.get(signal) ?? 0) < 500) return;
    forwarded.set(signal, Date.now());
    child.kill(signal);
  };
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"];
  for (const signal of signals) process.on(signal, forward);
  const ended = new Promise((resolve, reject) => {
    child.once("error", (error) => reject(new Error(`cannot run ${program}: ${error.message}`)));
    child.once("exit", (code, signal) => {
      for (const each of signals) process.off(each, forward);
      resolve(code ?? 128 + (SIGNAL_NUMBERS[signal] ?? 0));
    });
  });
  return { child, ended };
}

const SIGNAL_NUMBERS = { SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGABRT: 6, SIGKILL: 9, SIGSEGV: 11, SIGTERM: 15 };

/** Waits for a step; its failure is ours. */
async function must(name, { ended }) {
  const code = await ended;
  if (code !== 0) throw new Error(`${name} ended with code ${code}`);
}

/** ms since the epoch; 0 for a file that is not there. */
function modified(path) {
  return existsSync(path) ? statSync(path).mtimeMs : 0;
}

function stop(code, text) {
  (code === 0 ? console.log : console.error)(text);
  process.exit(code);
}

main(process.argv.slice(2)).catch((error) => stop(1, `build.mjs: ${error.message}`));
