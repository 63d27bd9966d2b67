// k6: a quiet service at a steady rate, alone or beside one that loops for ever. NOISE (loops a second, 0: alone),
// RATE, SECONDS. scale.mjs starts the node, runs this twice and compares.
import { check } from "k6";
import http from "k6/http";
import { base, number } from "./requests.js";

const noise = number("NOISE", 0);
const seconds = `${number("SECONDS", 10)}s`;
const steady = { executor: "constant-arrival-rate", timeUnit: "1s", duration: seconds };

export const options = {
  scenarios: {
    quiet: { ...steady, rate: number("RATE", 200), preAllocatedVUs: 50, maxVUs: 200, exec: "quiet" },
    ...(noise === 0 ? {} : { noisy: { ...steady, rate: noise, preAllocatedVUs: 300, exec: "noisy" } }),
  },
  summaryTrendStats: ["med", "p(99)", "max"],
  // They are here so that the summary has them; scale.mjs judges.
  thresholds: {
    "http_req_duration{scenario:quiet}": ["max>=0"],
    "checks{scenario:quiet}": ["rate>=0"],
    "dropped_iterations{scenario:quiet}": ["count>=0"],
  },
};

export function quiet() {
  const answer = http.get(`${base}/quiet`);
  check(answer, { "quiet answers": ({ status, body }) => status === 200 && body === "Hello World!" });
}

export function noisy() {
  http.get(`${base}/noisy?do=loop`, { timeout: "30s" });
}
