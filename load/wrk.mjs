// Runs wrk and reads what it prints. A run with a wrong answer or a socket error is an error, not a figure.
import { spawn, spawnSync } from "node:child_process";

/** @throws if wrk is not installed */
export function findWrk() {
  if (spawnSync("wrk", ["-v"], { stdio: "ignore" }).error === undefined) return;
  throw new Error("wrk is not here; install it (Debian: apt-get install wrk)");
}

/**
 * One run with one wrk thread and keep-alive connections.
 * @returns requests in all, a second, and latencies in ms
 */
export async function wrk(url, { connections, seconds }) {
  const args = ["-t1", `-c${connections}`, `-d${seconds}s`, "--latency", "--timeout", "10s", url];
  const child = spawn("wrk", args, { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (part) => {
    text += part;
  });
  const code = await new Promise((resolved) => child.once("close", resolved));
  const wrong = /Non-2xx.*|Socket errors.*/.exec(text);
  if (code !== 0 || wrong !== null) throw new Error(`wrk of ${url}: ${wrong?.[0] ?? `ended with ${code}`}\n${text}`);
  return {
    requests: Number(find(text, /(\d+) requests in/)),
    perSecond: Number(find(text, /Requests\/sec:\s+([\d.]+)/)),
    p50Ms: milliseconds(find(text, /^\s+50%\s+(\S+)/m)),
    p99Ms: milliseconds(find(text, /^\s+99%\s+(\S+)/m)),
  };
}

function find(text, pattern) {
  const found = pattern.exec(text);
  if (found === null) throw new Error(`wrk printed no ${pattern}:\n${text}`);
  return found[1];
}

/** "97.00us", "1.20ms" or "2.00s" as ms. */
function milliseconds(text) {
  const [, value, unit] = /^([\d.]+)(us|ms|s)$/.exec(text);
  return Number(value) * { us: 0.001, ms: 1, s: 1000 }[unit];
}
