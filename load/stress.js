// k6: what happens beyond capacity? The rate climbs until the node sheds; it must say so and recover. RATE, VUS, STAGE.
import { check, sleep } from "k6";
import http from "k6/http";
import { Counter } from "k6/metrics";
import { base, hello, number } from "./requests.js";

const stage = __ENV.STAGE || "20s";
const stageSeconds = Number(/^(\d+)s$/.exec(stage)?.[1] ?? Number.NaN);
if (Number.isNaN(stageSeconds)) throw new Error(`STAGE is a number of seconds like 20s, not ${stage}`);
const rate = number("RATE", 20_000);
const shed = new Counter("shed");

export const options = {
  scenarios: {
    climb: {
      executor: "ramping-arrival-rate",
      startRate: Math.ceil(rate / 20),
      timeUnit: "1s",
      preAllocatedVUs: number("VUS", 512),
      stages: [
        { duration: stage, target: Math.ceil(rate / 4) },
        { duration: stage, target: rate },
        { duration: stage, target: rate },
      ],
    },
    after: { executor: "constant-vus", vus: 4, startTime: `${3 * stageSeconds + 5}s`, duration: "5s", exec: "after" },
  },
  thresholds: {
    "checks{phase:climb}": ["rate==1"],
    "checks{phase:after}": ["rate==1"],
  },
};

/** Every request is answered: with its text, or with 429 or 503 that say when to come again. */
export default function () {
  const tags = { phase: "climb" };
  const answer = http.get(`${base}/hello`, { tags });
  const isShed = answer.status === 429 || answer.status === 503;
  if (isShed) shed.add(1);
  const answered = isShed ? Number(answer.headers["Retry-After"]) >= 0 : answer.status === 200;
  check(answer, { "is answered or shed with Retry-After": () => answered }, tags);
}

/** Once the storm is over, everything is as before. */
export function after() {
  check(hello(), { "recovers after the climb": (answered) => answered }, { phase: "after" });
  sleep(0.05);
}
