// k6: does everything answer? Few clients, a short time, no answer may be wrong. VUS, DURATION, P95_MS.
import { counter, echo, health, hello, number } from "./requests.js";

export const options = {
  vus: number("VUS", 4),
  duration: __ENV.DURATION || "20s",
  thresholds: {
    checks: ["rate==1"],
    http_req_failed: ["rate==0"],
    http_reqs: ["count>100"],
    http_req_duration: [`p(95)<${number("P95_MS", 500)}`],
  },
};

export default function () {
  hello();
  echo();
  echo(100_000);
  counter();
  health();
}
