// Covers src/admin/auth.ts and throttle.ts: tokens, their guessing, Host and Origin, addresses.
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { sourceOf } from "../../../src/acceptor/source.ts";
import { type AuthOptions, assertAdminAddress, isLoopback } from "../../../src/admin/auth.ts";
import { DELAY_MS, DELAYED_MAX, FAILURES_MAX, Throttle, WINDOW_MS } from "../../../src/admin/throttle.ts";
import { readTokenFile } from "../../../src/config/token-file.ts";
import { FrenezuloError } from "../../../src/errors.ts";
import {
  bearer,
  EVERYWHERE,
  errorOf,
  type HeaderList,
  header,
  LOOPBACK,
  local,
  makeAdmin,
  request,
  send,
  TOKEN,
} from "./fixture.ts";

const withToken: AuthOptions = { ...local, token: TOKEN };
const HOST = ["host", "127.0.0.1:3000"] as const;
const auth = (...values: string[]): HeaderList => [HOST, ...values.map((value) => ["authorization", value] as const)];

describe("wrong tokens", () => {
  const last = TOKEN.length - 1;
  /** Each makes a wrong presentation out of a number, so that they differ. */
  const forgeries: Readonly<Record<string, (i: number) => { headers: HeaderList; query?: string }>> = {
    missing: () => ({ headers: [HOST] }),
    empty: () => ({ headers: auth("") }),
    "empty bearer": (i) => ({ headers: auth(`Bearer${" ".repeat(i % 5)}`) }),
    prefix: (i) => ({ headers: auth(`Bearer ${TOKEN.slice(0, i % TOKEN.length)}`) }),
    suffix: (i) => ({ headers: auth(`Bearer ${TOKEN.slice(1 + (i % last))}`) }),
    longer: (i) => ({ headers: auth(`Bearer ${TOKEN}${"x".repeat(1 + (i % 50))}`) }),
    "one character changed": (i) => {
      const at = i % TOKEN.length;
      const other = TOKEN[at] === "~" ? "!" : "~";
      return { headers: auth(`Bearer ${TOKEN.slice(0, at)}${other}${TOKEN.slice(at + 1)}`) };
    },
    "other case": () => ({ headers: auth(`Bearer ${TOKEN.toUpperCase()}`) }),
    "Greek letter": () => ({ headers: auth(`Bearer ${TOKEN.replace("o", "ο")}`) }),
    emoji: (i) => ({ headers: auth(`Bearer ${TOKEN}${String.fromCodePoint(0x1f600 + (i % 50))}`) }),
    "full-width": () => ({ headers: auth(`Bearer ${TOKEN.replace("c", "ｃ")}`) }),
    NUL: () => ({ headers: auth(`Bearer ${TOKEN}\0`) }),
    quoted: () => ({ headers: auth(`Bearer "${TOKEN}"`) }),
    "no scheme": () => ({ headers: auth(TOKEN) }),
    "no blank": () => ({ headers: auth(`Bearer${TOKEN}`) }),
    tab: () => ({ headers: auth(`Bearer\t${TOKEN}`) }),
    "two tokens": () => ({ headers: auth(`Bearer x ${TOKEN}`) }),
    long: (i) => ({ headers: auth(`Bearer ${"x".repeat(10_000 + i)}`) }),
    "right one repeated": () => ({ headers: auth(`Bearer ${TOKEN}`, `Bearer ${TOKEN}`) }),
    "right one after a wrong one": () => ({ headers: auth("Bearer x", `Bearer ${TOKEN}`) }),
    joined: () => ({ headers: auth(`Bearer x, Bearer ${TOKEN}`) }),
    Basic: () => ({ headers: auth(`Basic ${Buffer.from(`admin:${TOKEN}`).toString("base64")}`) }),
    "Basic with the token": () => ({ headers: auth(`Basic ${TOKEN}`) }),
    Digest: () => ({ headers: auth(`Digest token="${TOKEN}"`) }),
    query: () => ({ headers: [HOST], query: `access_token=${TOKEN}&token=${TOKEN}` }),
    cookie: () => ({ headers: [HOST, ["cookie", `token=${TOKEN}`]] }),
    "X-Api-Key": () => ({ headers: [HOST, ["x-api-key", TOKEN]] }),
    "Proxy-Authorization": () => ({ headers: [HOST, ["proxy-authorization", `Bearer ${TOKEN}`]] }),
  };

  it("are refused, 30,000 of 30,000", async () => {
    let clock = 0;
    // Ten a second from each of a few sources: the throttle never hides what the comparison says.
    const { admin, node } = makeAdmin(withToken, () => clock);
    const makers = Object.values(forgeries);
    const statuses = new Map<number, number>();
    for (let i = 0; i < 30_000; i++) {
      if (i % 9 === 0) clock += WINDOW_MS + 1;
      const forged = makers[i % makers.length]!(Math.floor(i / makers.length));
      const sent = request({ method: "DELETE", path: "/services/hello", ...forged });
      const decision = admin.route(sent);
      const status = decision.refused ? decision.response.status : 200;
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }
    expect(Object.fromEntries(statuses)).toEqual({ 401: 30_000 });
    expect(node.versions.has("hello")).toBe(true);
    expect((await send(admin, request({ headers: bearer(TOKEN) }))).status).toBe(200);
  });

  it.each(Object.keys(forgeries))(
    "are refused when they are %s, whether or not the head was asked about first",
    async (name) => {
      const { admin, node } = makeAdmin(withToken);
      const sent = request({ method: "DELETE", path: "/services/hello", ...forgeries[name]!(3) });
      const response = await admin.handle(sent);
      expect(response.status).toBe(401);
      expect(node.versions.has("hello")).toBe(true);
    },
  );

  it("never let anything but the token in (property)", () => {
    const { admin } = makeAdmin(withToken, counting(WINDOW_MS));
    fc.assert(
      fc.property(
        fc.string({ maxLength: 80 }),
        fc.constantFrom("Bearer ", "bearer  ", "", "Basic "),
        (text, scheme) => {
          fc.pre(text !== TOKEN);
          expect(admin.route(request({ headers: auth(scheme + text) })).refused).toBe(true);
        },
      ),
    );
  });

  it("are in no answer and no log line", async () => {
    const { admin, lines } = makeAdmin(withToken);
    const response = await send(admin, request({ headers: bearer("my-wrong-token-my-wrong-token-my-wrong") }));
    for (const text of [JSON.stringify(response), JSON.stringify(lines)]) {
      expect(text).not.toContain("my-wrong-token");
      expect(text).not.toContain(TOKEN);
    }
    expect(lines).toMatchObject([{ level: "warn", fields: { remoteAddress: "127.0.0.1" } }]);
  });
});

/** A clock that goes on by `step` ms each time it is read. */
function counting(step: number): () => number {
  let time = 0;
  return () => {
    time += step;
    return time;
  };
}

it("takes the scheme in any case and with several blanks, as RFC 9110 has it", async () => {
  const { admin } = makeAdmin(withToken);
  for (const scheme of ["Bearer ", "bearer ", "BEARER    "]) {
    expect((await send(admin, request({ headers: auth(scheme + TOKEN) }))).status).toBe(200);
  }
});

describe("guessing", () => {
  it(`waits a second for each answer after ${FAILURES_MAX} failures, of that source only`, async () => {
    let clock = 0;
    const { admin, lines } = makeAdmin(withToken, () => clock);
    const from = (remoteAddress: string, token: string) =>
      admin.route(request({ remoteAddress, headers: bearer(token) }));
    for (let i = 0; i < FAILURES_MAX; i++) {
      expect(from("10.0.0.1", "wrong")).toMatchObject({ response: { status: 401 }, delayMs: 0, closes: false });
    }
    const blocked = from("10.0.0.1", "wrong");
    expect(blocked).toMatchObject({ refused: true, response: { status: 429 }, delayMs: DELAY_MS, closes: true });
    if (blocked.refused) expect(header(blocked.response, "retry-after")).toBe("1");
    expect(from("::ffff:10.0.0.1", "wrong")).toMatchObject({ response: { status: 429 } });
    expect(from("10.0.0.2", "wrong")).toMatchObject({ response: { status: 401 }, delayMs: 0 });
    clock += WINDOW_MS;
    expect(from("10.0.0.1", "wrong")).toMatchObject({ response: { status: 401 }, delayMs: 0 });
    expect(lines.filter(({ level }) => level === "warn")).toHaveLength(FAILURES_MAX + 2);
  });

  it("never shuts out the right token, whoever guesses from its address", async () => {
    const { admin } = makeAdmin(withToken);
    for (let i = 0; i < 5 * FAILURES_MAX; i++) {
      admin.route(request({ headers: bearer("wrong") }));
      expect((await send(admin, request({ headers: bearer(TOKEN) }))).status).toBe(200);
    }
  });

  it("is not what a request without credentials does", async () => {
    const { admin } = makeAdmin(withToken);
    for (let i = 0; i < 3 * FAILURES_MAX; i++) expect((await send(admin, request({}))).status).toBe(401);
    expect((await send(admin, request({ headers: bearer(TOKEN) }))).status).toBe(200);
  });

  it("gets few quick 401s and few waiting answers, whatever the times and addresses (property)", () => {
    const attempts = fc.array(fc.tuple(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 3 })), {
      minLength: 20,
      maxLength: 400,
    });
    fc.assert(
      fc.property(attempts, fc.integer({ min: 1, max: 40 }), (made, crowd) => {
        let clock = 0;
        const throttle = new Throttle(() => clock);
        const quick: number[] = [];
        const waiting: number[] = [];
        for (const [pause, source] of made) {
          clock += pause;
          for (let i = 0; i < crowd; i++) {
            const { isThrottled, delayMs } = throttle.fail(`10.0.0.${source}`);
            if (!isThrottled && source === 0) quick.push(clock);
            if (delayMs > 0) waiting.push(clock);
          }
        }
        const within = (times: number[], start: number, ms: number) =>
          times.filter((at) => at >= start && at < start + ms).length;
        // A window begins with its first failure, so a second may touch two of them: twice the figure is the bound.
        for (const start of quick) expect(within(quick, start, WINDOW_MS)).toBeLessThanOrEqual(2 * FAILURES_MAX);
        for (const start of waiting) expect(within(waiting, start, DELAY_MS)).toBeLessThanOrEqual(2 * DELAYED_MAX);
      }),
      { numRuns: 30 },
    );
  });

  it("counts an IPv4 address by itself and an IPv6 address by its /64", () => {
    const same = (a: string, b: string) => expect(sourceOf(a)).toBe(sourceOf(b));
    same("::ffff:10.1.2.3", "10.1.2.3");
    same("0000:0000:0000:0000:0000:ffff:0a01:0203", "10.1.2.3");
    same("2001:db8::1", "2001:0db8:0000:0000:ffff:ffff:ffff:ffff");
    same("fe80::1%eth0", "fe80::2");
    expect(sourceOf("2001:db8:0:1::1")).not.toBe(sourceOf("2001:db8:0:2::1"));
    expect(sourceOf("::1")).not.toBe(sourceOf("::ffff:10.1.2.3"));
    expect(sourceOf("")).toBe("");
  });
});

describe("without a token, on loopback", () => {
  const admitted: readonly HeaderList[] = [
    [["host", "127.0.0.1:3000"]],
    [["host", "127.0.0.1"]],
    [["host", "127.9.9.9:1"]],
    [["host", "localhost"]],
    [["host", "LocalHost:3000"]],
    [["host", "[::1]:3000"]],
    [["host", "[::1]"]],
    [HOST, ["sec-fetch-site", "none"]],
  ];
  const hosts = [
    "example.org",
    "localhost.example.org",
    "127.0.0.1.example.org",
    "127.0.0.1@example.org",
    "localhost.",
    "evil-localhost",
    "127.0.0.999",
    "0.0.0.0:3000",
    "10.0.0.1",
    "[::2]",
    "[::ffff:127.0.0.1]:3000",
    "[::1",
    "::1",
    "localhost:3000:1",
    "localhost:port",
    "localhost, example.org",
    "2130706433",
    "0x7f.1",
    "",
  ];
  const refused: readonly HeaderList[] = [
    ...hosts.map((host): HeaderList => [["host", host]]),
    [],
    [HOST, HOST],
    [HOST, ["origin", "http://example.org"]],
    [HOST, ["origin", "http://127.0.0.1:3000"]],
    [HOST, ["origin", "null"]],
    [HOST, ["origin", ""]],
    [HOST, ["sec-fetch-site", "cross-site"]],
    [HOST, ["sec-fetch-site", "same-site"]],
    [HOST, ["sec-fetch-site", "same-origin"]],
    [HOST, ["sec-fetch-site", "none"], ["sec-fetch-site", "same-origin"]],
    [HOST, ["x-forwarded-for", "10.0.0.1"]],
    [HOST, ["forwarded", "for=10.0.0.1"]],
    [HOST, ["via", "1.1 proxy"]],
    [HOST, ["x-real-ip", "10.0.0.1"]],
    [HOST, ["x-forwarded-host", "example.org"]],
  ];

  it.each(admitted.map((headers) => [JSON.stringify(headers), headers] as const))("admits %s", async (_, headers) => {
    expect((await send(makeAdmin().admin, request({ headers }))).status).toBe(200);
  });

  it.each(refused.map((headers) => [JSON.stringify(headers), headers] as const))("refuses %s", async (_, headers) => {
    const { admin, node } = makeAdmin();
    const response = await send(admin, request({ method: "DELETE", path: "/services/hello", headers }));
    expect(response.status).toBe(403);
    expect(errorOf(response).code).toBe("forbidden_origin");
    expect(node.versions.has("hello")).toBe(true);
    // Health is for everyone, and with a token it does not matter where a request comes from.
    expect((await send(admin, request({ path: "/services/-/healthz", headers }))).status).toBe(200);
    const guarded = makeAdmin(withToken).admin;
    expect((await send(guarded, request({ headers: [...headers, ["authorization", `Bearer ${TOKEN}`]] }))).status).toBe(
      200,
    );
  });
});

describe("addresses", () => {
  it("count as loopback only if nobody else can connect", () => {
    const yes = ["127.0.0.1:3000", "127.255.0.1:0", "[::1]:3000", "localhost:80", "[::ffff:127.0.0.1]:1"];
    const no = [
      "0.0.0.0:3000",
      "[::]:3000",
      ":3000",
      "*:3000",
      "10.0.0.1:80",
      "127.0.0.1.example.org:80",
      "example.org:80",
      "128.0.0.1:1",
      "[::2]:1",
      "3000",
      "",
    ];
    for (const address of yes) expect(isLoopback({ address }), address).toBe(true);
    for (const address of no) expect(isLoopback({ address }), address).toBe(false);
    const unix = (unixMode?: number) => isLoopback({ address: "unix:/run/x.sock", unixMode });
    expect([unix(0o600), unix(0o100600), unix(0o700)]).toEqual([true, true, true]);
    expect([unix(), unix(0o660), unix(0o666), unix(0o601), unix(0o777)]).toEqual([false, false, false, false, false]);
  });

  it("need a token where strangers could use the admin routes", () => {
    const code = (options: AuthOptions) => {
      try {
        assertAdminAddress(options);
        return "fine";
      } catch (thrown) {
        const { code: thrownCode, message } = thrown as FrenezuloError;
        expect(message).toContain("FRENEZULO_ADMIN_TOKEN");
        return thrownCode;
      }
    };
    for (const token of [undefined, TOKEN]) {
      const needed = token === undefined ? "token_needed" : "fine";
      expect(code({ token, listen: LOOPBACK, isPublic: false })).toBe("fine");
      expect(code({ token, listen: LOOPBACK, isPublic: true })).toBe("fine");
      // Its admin routes are 404.
      expect(code({ token, listen: EVERYWHERE, isPublic: false })).toBe("fine");
      expect(code({ token, listen: EVERYWHERE, isPublic: true })).toBe(needed);
      expect(code({ token, listen: EVERYWHERE, adminListen: LOOPBACK, isPublic: false })).toBe("fine");
      expect(code({ token, listen: LOOPBACK, adminListen: EVERYWHERE, isPublic: false })).toBe(needed);
      expect(
        code({ token, listen: LOOPBACK, adminListen: { address: "unix:/x", unixMode: 0o666 }, isPublic: false }),
      ).toBe(needed);
      expect(
        code({ token, listen: LOOPBACK, adminListen: { address: "unix:/x", unixMode: 0o600 }, isPublic: false }),
      ).toBe("fine");
    }
  });

  it("are checked by the constructor, too", () => {
    expect(() => makeAdmin({ ...local, adminListen: EVERYWHERE })).toThrow(FrenezuloError);
  });
});

describe("the token itself", () => {
  const withIt = (token: string) => () => assertAdminAddress({ ...local, token });

  it("has at least 32 bytes of visible ASCII, and is never told", () => {
    expect(withIt("x".repeat(32))).not.toThrow();
    for (const token of [
      "",
      "x".repeat(31),
      "é".repeat(40),
      `${"x".repeat(32)} `,
      `${"x".repeat(32)}\n`,
      "x".repeat(5_000),
    ]) {
      expect(withIt(token)).toThrow(FrenezuloError);
      if (token === "") continue;
      expect(withIt(token)).not.toThrow(token);
    }
  });

  let folder = "";
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "frenezulo-token-"));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it("comes from a file that only its owner can read", async () => {
    const path = join(folder, "token");
    await writeFile(path, `${TOKEN}\n`, { mode: 0o600 });
    expect(await readTokenFile(path)).toBe(TOKEN);
    for (const mode of [0o640, 0o604, 0o622]) {
      await chmod(path, mode);
      await expect(readTokenFile(path)).rejects.toMatchObject({
        code: "token_needed",
        message: expect.stringContaining("chmod 600"),
      });
    }
    await chmod(path, 0o600);
    await writeFile(path, "short");
    await expect(readTokenFile(path)).rejects.toMatchObject({ code: "token_needed" });
    await expect(readTokenFile(join(folder, "none"))).rejects.toMatchObject({
      code: "token_needed",
      message: expect.stringContaining("none"),
    });
  });
});
