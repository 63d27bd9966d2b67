// Requests to the example services, each checked to the last byte. Runs inside k6; imported by the scripts beside it.
import { check } from "k6";
import http from "k6/http";

export const base = __ENV.BASE_URL || "http://127.0.0.1:3000";

/** A number from the environment, or what is usual. */
export function number(name, usual) {
  const text = __ENV[name];
  if (text === undefined || text === "") return usual;
  const value = Number(text);
  if (!Number.isFinite(value)) throw new Error(`${name} must be a number, not ${text}`);
  return value;
}

/** GET /hello. True if it was answered with its text. */
export function hello() {
  const tags = { service: "hello" };
  const answer = http.get(`${base}/hello`, { tags });
  return check(answer, { "hello is answered": (r) => r.status === 200 && r.body === "Hello World!" }, tags);
}

/** POST /echo with a text of its own. True if the same bytes came back. */
export function echo(bytes = 100) {
  const tags = { service: "echo" };
  const text = `${__VU}.${__ITER}.`.padEnd(bytes, "0123456789abcdef");
  const answer = http.post(`${base}/echo`, text, { tags, headers: { "content-type": "text/plain" } });
  return check(answer, { "echo gives the body back": (r) => r.status === 200 && r.body === text }, tags);
}

/** GET /counter. True if it was answered with a number. */
export function counter() {
  const tags = { service: "counter" };
  const answer = http.get(`${base}/counter`, { tags });
  return check(answer, { "counter counts": (r) => r.status === 200 && /^[1-9]\d*\n$/.test(r.body) }, tags);
}

/** The node's own word on itself. */
export function health() {
  const tags = { service: "health" };
  const answer = http.get(`${base}/services/-/readyz`, { tags });
  return check(answer, { "node is ready": (r) => r.status === 200 }, tags);
}
