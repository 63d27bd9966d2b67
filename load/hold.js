// k6: does a trapping neighbour, or a replacement, cost anyone an answer? VUS, SECONDS, REPLACEMENTS, HELLO_WASM.
import { check, sleep } from "k6";
import http from "k6/http";
import { Counter, Rate } from "k6/metrics";
import { base, echo, hello, number } from "./requests.js";

const seconds = number("SECONDS", 60);
const replacements = number("REPLACEMENTS", 0);
const trapped = new Rate("trapped");
const wrong = new Counter("wrong");
const replaced = new Counter("replaced");
const helloWasm = replacements > 0 ? new Uint8Array(open(__ENV.HELLO_WASM, "b")) : undefined;

export const options = {
  scenarios: {
    hold: { executor: "constant-vus", vus: number("VUS", 64), duration: `${seconds}s`, gracefulStop: "30s" },
    ...(replacements > 0 && {
      replace: {
        executor: "shared-iterations",
        vus: 1,
        iterations: replacements,
        maxDuration: `${seconds}s`,
        exec: "replace",
      },
    }),
  },
  thresholds: {
    checks: ["rate==1"],
    wrong: ["count==0"],
    "http_req_failed{service:hello}": ["rate==0"],
    "http_req_failed{service:echo}": ["rate==0"],
    trapped: ["rate<=0.1", "rate>0.09"],
    ...(replacements > 0 && { replaced: [`count==${replacements}`] }),
  },
};

export default function () {
  if (!hello()) wrong.add(1, { service: "hello" });
  if (!echo()) wrong.add(1, { service: "echo" });
  trap();
}

/** The service traps on every tenth request: that one is 502, the other nine are 200. */
function trap() {
  const tags = { service: "trap" };
  const answer = http.get(`${base}/trap?do=trap&every=10`, { tags });
  trapped.add(answer.status === 502);
  check(answer, { "trap is answered or trapped": (r) => r.status === 200 || r.status === 502 }, tags);
}

/** Replaces hello by a module that does the same and has another digest. */
export function replace() {
  const tags = { service: "admin" };
  const module = withCustomSection(helloWasm, `replacement ${__ITER} of ${Date.now()}`);
  const headers = { "content-type": "application/wasm" };
  const answer = http.put(`${base}/services/hello`, module.buffer, { tags, headers });
  const isReplaced = check(answer, { "is replaced": (r) => r.status < 300 && r.json("changed") === true }, tags);
  if (isReplaced) replaced.add(1);
  sleep((0.8 * seconds) / replacements);
}

/** The module with a custom section (id 0) named "replacement" that holds a text of less than 100 characters. */
function withCustomSection(module, text) {
  const bytes = [...`\x0breplacement${text}`].map((character) => character.charCodeAt(0));
  const whole = new Uint8Array(module.length + 2 + bytes.length);
  whole.set(module);
  whole.set([0, bytes.length, ...bytes], module.length);
  return whole;
}
