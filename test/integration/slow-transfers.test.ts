// Covers src/acceptor/pace.ts and uws-transfers.ts over sockets: what moves slowly all the time gets there, up and
// down, plain and over TLS, in both implementations; what stands still or drips is cut.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Answer } from "../../src/acceptor/contract.ts";
import { RawClient, sleep } from "../harness/raw-http.ts";
import { acceptors, closeAfterEach, start } from "../harness/tiny-front.ts";

const HOST = "Host: a\r\n";
const KIB = 1024;
const RATES = [5 * KIB, 50 * KIB, 500 * KIB];
/** Twice a second, for longer than uWebSockets.js gives a connection by itself (14 s), and than the idle times here. */
const STEPS = 34;
const STEP_MS = 500;
const pace = { idleMs: 6_000, rateMin: KIB, totalMs: Number.POSITIVE_INFINITY };
const BODY = Buffer.alloc(8 * KIB * KIB, "0123456789abcdef");

let folder = "";
let tls = { certPath: "", keyPath: "" };
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "slow-"));
  tls = { certPath: join(folder, "cert.pem"), keyPath: join(folder, "key.pem") };
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", tls.keyPath];
  const certificate = ["-out", tls.certPath, "-days", "2", "-subj", "/CN=localhost"];
  execFileSync("openssl", ["req", "-x509", ...key, ...certificate], { stdio: "ignore" });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Sends a body at a rate; chunked or with its length. */
async function upload(client: RawClient, rate: number, isChunked: boolean): Promise<string> {
  const piece = "x".repeat((rate * STEP_MS) / 1000);
  const length = isChunked ? "Transfer-Encoding: chunked" : `Content-Length: ${piece.length * STEPS}`;
  client.send(`POST /up HTTP/1.1\r\n${HOST}${length}\r\n\r\n`);
  for (let i = 0; i < STEPS; i++) {
    await sleep(STEP_MS);
    client.send(isChunked ? `${piece.length.toString(16)}\r\n${piece}\r\n` : piece);
  }
  if (isChunked) client.send("0\r\n\r\n");
  const answer = await client.answer();
  return `${answer?.status} ${answer?.body}`;
}

/** Takes an answer at a rate, and what is left of it after that at once. */
async function download(client: RawClient, rate: number): Promise<string> {
  const { socket } = client;
  const pause = (): void => void socket.pause();
  socket.on("data", pause);
  client.send(`GET /down HTTP/1.1\r\n${HOST}\r\n`);
  for (let i = 1; i <= STEPS; i++) {
    await sleep(STEP_MS);
    if (client.total < (rate * STEP_MS * i) / 1000) socket.resume();
  }
  socket.off("data", pause);
  socket.resume();
  const answer = await client.answer();
  return `${answer?.status} ${answer?.body.equals(BODY) ? "whole" : `${answer?.body.length} bytes`}`;
}

describe.each(acceptors)("the %s acceptor", (_name, make) => {
  closeAfterEach();

  it("serves clients of 5, 50 and 500 KiB/s, up and down, plain and over TLS", { timeout: 180_000 }, async () => {
    const results = await Promise.all(
      [false, true].map(async (isTls) => {
        const { front, address } = await start(make, { writePace: pace, bodyPace: pace, ...(isTls ? { tls } : {}) });
        front.bodyMax = 64 * KIB * KIB;
        front.respond = (seen) =>
          front.answer(seen, new Answer().reset(200), seen.path === "/down" ? BODY : String(seen.body?.length));
        const open = (): Promise<RawClient> => RawClient.open(address, { tls: isTls });
        const clients = await Promise.all(Array.from({ length: 3 * RATES.length }, open));
        const ended = await Promise.all([
          ...RATES.map((rate, i) => upload(clients[3 * i] as RawClient, rate, false)),
          ...RATES.map((rate, i) => upload(clients[3 * i + 1] as RawClient, rate, true)),
          ...RATES.map((rate, i) => download(clients[3 * i + 2] as RawClient, rate)),
        ]);
        for (const client of clients) client.destroy();
        return ended;
      }),
    );
    const sizes = RATES.map((rate) => `200 ${(rate * STEP_MS * STEPS) / 1000}`);
    const expected = [...sizes, ...sizes, ...RATES.map(() => "200 whole")];
    expect(results).toEqual([expected, expected]);
  });

  it("refuses a body that moves all the time and less than the least rate", async () => {
    const { front, address } = await start(make, { bodyPace: { ...pace, idleMs: 300, rateMin: 1024 ** 3 } });
    const client = await RawClient.open(address);
    client.send(`POST /x HTTP/1.1\r\n${HOST}Content-Length: 1000000\r\n\r\n`);
    const dripping = setInterval(() => client.send("x"), 10);
    expect((await client.answer())?.status).toBe(408);
    clearInterval(dripping);
    expect(front.seen[0]?.failed).toBe("request_timeout");
    await client.closed();
  });

  it("cuts both at their totals, where there are any, whatever moves", { timeout: 60_000 }, async () => {
    const total = { ...pace, totalMs: 700 };
    const { front, acceptor, address } = await start(make, { writePace: total, bodyPace: total });
    front.respond = (seen) => front.answer(seen, new Answer().reset(200), BODY);
    const up = await RawClient.open(address);
    up.send(`POST /x HTTP/1.1\r\n${HOST}Content-Length: 1000000\r\n\r\n`);
    const dripping = setInterval(() => up.send("x".repeat(1000)), 50);
    expect((await up.answer())?.status).toBe(408);
    clearInterval(dripping);
    await up.closed();
    const down = await RawClient.open(address);
    down.socket.pause();
    down.send(`GET /x HTTP/1.1\r\n${HOST}\r\n`);
    await front.until(() => front.seen.at(-1)?.path === "/x" && front.seen.at(-1)?.isAnswered === true);
    while (acceptor.connections > 0) await sleep(20);
    down.destroy();
  });
});
