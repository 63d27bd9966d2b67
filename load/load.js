// k6: the expected load. VUS keep-alive clients without pauses, after a ramp. VUS, DURATION, RAMP, P95_MS, P99_MS.
import { counter, echo, hello, number } from "./requests.js";

const vus = number("VUS", 64);

export const options = {
  scenarios: {
    load: {
      executor: "ramping-vus",
      startVUs: 1,
      stages: [
        { duration: __ENV.RAMP || "10s", target: vus },
        { duration: __ENV.DURATION || "60s", target: vus },
      ],
    },
  },
  thresholds: {
    checks: ["rate==1"],
    http_req_failed: ["rate==0"],
    "http_req_duration{service:hello}": [`p(95)<${number("P95_MS", 100)}`, `p(99)<${number("P99_MS", 250)}`],
    "http_req_duration{service:echo}": [`p(95)<${number("P95_MS", 100)}`, `p(99)<${number("P99_MS", 250)}`],
  },
};

export default function () {
  hello();
  echo();
  counter();
}
