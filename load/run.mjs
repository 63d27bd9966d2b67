// `npm run load -- SCRIPT`: starts the built node, adds the services that the script calls, runs k6, stops the node.
import { spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { cacheFolder } from "../services/toolchains.mjs";
import { guest, putService, startNode } from "./program.mjs";

const scripts = {
  smoke: { file: "smoke.js", env: {} },
  load: { file: "load.js", env: {} },
  soak: { file: "soak.js", env: {} },
  stress: { file: "stress.js", env: {} },
  hold: { file: "hold.js", env: {} },
  replace: { file: "hold.js", env: { REPLACEMENTS: "50" } },
};

async function main([name, ...args]) {
  const script = scripts[name];
  if (script === undefined) fail(2, `Usage: npm run load -- ${Object.keys(scripts).join("|")} [k6 arguments]`);
  const k6 = findK6();
  const node = process.env.BASE_URL === undefined ? await startNode() : undefined;
  const url = node?.url ?? process.env.BASE_URL;
  let code = 1;
  try {
    if (node !== undefined) await addServices(url, script.file);
    const helloWasm = join(import.meta.dirname, "../services/build/hello.wasm");
    const env = { HELLO_WASM: helloWasm, ...script.env, ...process.env, BASE_URL: url, K6_NO_USAGE_REPORT: "true" };
    code = await runK6(k6, ["run", "--quiet", ...args, join(import.meta.dirname, script.file)], env);
  } finally {
    const end = await node?.stop();
    if (node !== undefined && end !== 0) {
      console.error(`the node ended with ${end}, not 0`);
      code ||= 1;
    }
  }
  process.exit(code);
}

/** hello, echo and counter as in frenezulo.toml; for hold.js a hostile one, too: it traps on every tenth request. */
async function addServices(url, file) {
  await putService(url, "hello", guest("services/build/hello.wasm"));
  await putService(url, "echo", guest("services/build/echo.wasm"));
  await putService(url, "counter", guest("services/build/counter.wasm"), { state: "kept" });
  if (file !== scripts.hold.file) return;
  await putService(url, "trap", guest("test/guests/build/hostile.wasm"), { state: "kept" });
}

function findK6() {
  const places = [process.env.K6, "k6", join(cacheFolder, "bin/k6")].filter((place) => place !== undefined);
  for (const place of places) {
    if (place.includes("/") && !existsSync(place)) continue;
    if (spawnSync(place, ["version"], { stdio: "ignore" }).status === 0) return place;
  }
  fail(
    1,
    `k6 is not here (looked for ${places.join(", ")}). With Go 1.24 or newer it takes two minutes:\n` +
      `  GOBIN=${join(cacheFolder, "bin")} go install go.k6.io/k6@v1.8.1\n` +
      "or set K6 to the path of the program.",
  );
}

/** Runs k6 with our own output. A signal ends k6 first; the node is stopped after it. */
async function runK6(program, args, env) {
  const child = spawn(program, args, { env, stdio: ["ignore", "inherit", "inherit"] });
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => child.kill(signal));
  return new Promise((resolved, rejected) => {
    child.once("error", rejected);
    child.once("exit", (code) => resolved(code ?? 1));
  });
}

function fail(code, text) {
  console.error(text);
  process.exit(code);
}

main(process.argv.slice(2)).catch((error) => fail(1, `load: ${error.message}`));
