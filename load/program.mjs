// Runs the built node for a load run: a free loopback port, a data folder of its own, stopped by its pid.
import { spawn } from "node:child_process";
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const root = resolve(import.meta.dirname, "..");
const READY_MS = 30_000;
const STOP_MS = 30_000;

/** A port that is free now, on 127.0.0.1. */
export async function freePort() {
  const server = createServer();
  await new Promise((resolved) => server.listen(0, "127.0.0.1", resolved));
  const { port } = server.address();
  await new Promise((resolved) => server.close(resolved));
  return port;
}

/**
 * Starts dist/main.js and waits until it is ready.
 * @param config text of its frenezulo.toml; the address is given on the command line
 * @param checkout folder of the one whose node it is
 * @returns base URL, pid, and `stop`, which resolves to the exit code (null: it had to be killed)
 */
export async function startNode({ config = "", env = {}, checkout = root } = {}) {
  const folder = mkdtempSync(join(tmpdir(), "frenezulo-load-"));
  const configPath = join(folder, "frenezulo.toml");
  writeFileSync(configPath, config);
  const address = `127.0.0.1:${await freePort()}`;
  const args = ["up", "--config", configPath, "--listen", address, "--data", join(folder, "data")];
  const started = await startProgram(process.execPath, [join(checkout, "dist/main.js"), ...args], { env, folder });
  const url = `http://${address}`;
  try {
    await ready(started, `${url}/services/-/readyz`);
  } catch (error) {
    await started.stop();
    throw error;
  }
  return { ...started, url };
}

/** Starts any server as a child; its output goes to a file, which an error message ends with. */
export async function startProgram(
  program,
  args,
  { env = {}, folder = mkdtempSync(join(tmpdir(), "frenezulo-load-")) } = {},
) {
  const logPath = join(folder, "output.log");
  const log = openSync(logPath, "w");
  const child = spawn(program, args, { cwd: root, env: { ...process.env, ...env }, stdio: ["ignore", log, log] });
  closeSync(log);
  const ended = new Promise((resolved) => child.once("exit", (code, signal) => resolved(code ?? signal)));
  const removeOnExit = () => child.kill("SIGKILL");
  process.once("exit", removeOnExit);
  const stop = async () => {
    child.kill("SIGTERM");
    const late = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
    const code = await ended;
    clearTimeout(late);
    process.off("exit", removeOnExit);
    rmSync(folder, { recursive: true, force: true });
    return code;
  };
  return { pid: child.pid, ended, stop, output: () => (existsSync(logPath) ? readFileSync(logPath, "utf8") : "") };
}

/** Waits until a GET of `url` is answered with 200. */
export async function ready(started, url) {
  let end;
  started.ended.then((code) => {
    end = code;
  });
  for (const from = Date.now(); Date.now() - from < READY_MS; await sleep(20)) {
    if (end !== undefined) break;
    const answer = await fetch(url).catch(() => undefined);
    await answer?.arrayBuffer();
    if (answer?.status === 200) return;
  }
  const why = end === undefined ? `did not answer ${url} within ${READY_MS} ms` : `ended with ${end}`;
  throw new Error(`the server ${why}; its output:\n${started.output().split("\n").slice(-30).join("\n")}`);
}

/** Adds or replaces a service through the admin routes. */
export async function putService(url, prefix, module, policy = {}) {
  const query = new URLSearchParams({ policy: JSON.stringify(policy) });
  const answer = await fetch(`${url}/services/${prefix}?${query}`, {
    method: "PUT",
    headers: { "content-type": "application/wasm" },
    body: module,
  });
  if (!answer.ok) throw new Error(`PUT /services/${prefix} answered ${answer.status}: ${await answer.text()}`);
  await answer.arrayBuffer();
}

/** Bytes of a built guest, e.g. "services/build/hello.wasm". */
export function guest(path) {
  const whole = join(root, path);
  if (!existsSync(whole)) throw new Error(`${path} is not built; its build script says why (node build.mjs build)`);
  return readFileSync(whole);
}
