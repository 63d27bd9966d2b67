// k6: does it leak? A steady rate for long while the node's memory is read. README.md has its variables.
import { sleep } from "k6";
import http from "k6/http";
import { Trend } from "k6/metrics";
import { base, counter, echo, hello, number } from "./requests.js";

const duration = __ENV.DURATION || "30m";
const headers = __ENV.ADMIN_TOKEN ? { authorization: `Bearer ${__ENV.ADMIN_TOKEN}` } : {};
const rssMb = new Trend("node_rss_mb");

export const options = {
  scenarios: {
    steady: {
      executor: "constant-arrival-rate",
      rate: number("RATE", 500),
      timeUnit: "1s",
      duration,
      preAllocatedVUs: number("VUS", 64),
    },
    memory: { executor: "constant-vus", vus: 1, duration, exec: "memory" },
  },
  thresholds: {
    checks: ["rate==1"],
    http_req_failed: ["rate==0"],
    dropped_iterations: ["count==0"],
    http_req_duration: [`p(99)<${number("P99_MS", 250)}`],
    node_rss_mb: [`max<${number("RSS_MB", 600)}`],
  },
};

export default function () {
  hello();
  echo();
  counter();
}

/** Resident memory of the node as its metrics tell it, every five seconds. */
export function memory() {
  const { body } = http.get(`${base}/services/-/metrics`, { headers, tags: { service: "metrics" } });
  const found = /^process_resident_memory_bytes (\S+)/m.exec(body);
  if (found === null) throw new Error("the metrics have no process_resident_memory_bytes");
  rssMb.add(Number(found[1]) / 1e6);
  sleep(5);
}
