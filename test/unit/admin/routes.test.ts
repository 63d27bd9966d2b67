// Covers src/admin/: who reaches which route from where, for every route of the table, and what the routes answer.
import { describe, expect, it } from "vitest";
import { JSON_BODY_BYTES_MAX } from "../../../src/admin/admin.ts";
import type { AuthOptions } from "../../../src/admin/auth.ts";
import { failuresOf } from "../../../src/admin/openapi.ts";
import { routes } from "../../../src/admin/routes.ts";
import { errorBody } from "../../../src/admin/schemas.ts";
import { errorTable, FrenezuloError } from "../../../src/errors.ts";
import {
  bearer,
  EVERYWHERE,
  errorOf,
  header,
  LOOPBACK,
  local,
  MODULE_BYTES_MAX,
  makeAdmin,
  request,
  requestFor,
  send,
  TOKEN,
} from "./fixture.ts";

const WRONG = `${TOKEN.slice(0, -1)}X`;
const presented = { none: bearer(TOKEN).slice(0, 1), wrong: bearer(WRONG), right: bearer(TOKEN) };

interface Door {
  readonly auth: AuthOptions;
  readonly listener: "public" | "admin";
  /** Status of an admin route by what is presented; "ok" is the route's own answer. Health is always "ok". */
  readonly expected: Readonly<Record<keyof typeof presented, number | "ok">>;
}

const adminListen = { address: "127.0.0.1:3001" };
const closed = { none: 404, wrong: 404, right: 404 } as const;
const token = { none: 401, wrong: 401, right: "ok" } as const;
const open = { none: "ok", wrong: "ok", right: "ok" } as const;

const doors: Readonly<Record<string, Door>> = {
  "loopback without a token": { auth: local, listener: "public", expected: open },
  "loopback with a token": { auth: { ...local, token: TOKEN }, listener: "public", expected: token },
  "unix socket with mode 0600": {
    auth: { ...local, listen: { address: "unix:/run/x.sock", unixMode: 0o600 } },
    listener: "public",
    expected: open,
  },
  "unix socket with mode 0660 and a token": {
    auth: { token: TOKEN, listen: { address: "unix:/run/x.sock", unixMode: 0o660 }, isPublic: false },
    listener: "public",
    expected: closed,
  },
  "not loopback, without a token": { auth: { ...local, listen: EVERYWHERE }, listener: "public", expected: closed },
  "not loopback, with a token": {
    auth: { token: TOKEN, listen: EVERYWHERE, isPublic: false },
    listener: "public",
    expected: closed,
  },
  "not loopback, admin.public with a token": {
    auth: { token: TOKEN, listen: EVERYWHERE, isPublic: true },
    listener: "public",
    expected: token,
  },
  "public loopback beside an admin listener": {
    auth: { ...local, adminListen },
    listener: "public",
    expected: closed,
  },
  "public loopback beside an admin listener, admin.public with a token": {
    auth: { token: TOKEN, listen: LOOPBACK, adminListen, isPublic: true },
    listener: "public",
    expected: closed,
  },
  "admin listener on loopback without a token": {
    auth: { ...local, listen: EVERYWHERE, adminListen },
    listener: "admin",
    expected: open,
  },
  "admin listener on loopback with a token": {
    auth: { token: TOKEN, listen: EVERYWHERE, adminListen, isPublic: false },
    listener: "admin",
    expected: token,
  },
  "admin listener everywhere with a token": {
    auth: { token: TOKEN, listen: EVERYWHERE, adminListen: { address: "[::]:3001" }, isPublic: false },
    listener: "admin",
    expected: token,
  },
};

describe.each(Object.entries(doors))("%s", (_name, { auth, listener, expected }) => {
  for (const route of routes) {
    const paths = [route.path, ...(listener === "admin" && route.rootPath !== undefined ? [route.rootPath] : [])];
    for (const path of paths) {
      for (const what of ["none", "wrong", "right"] as const) {
        const status = route.auth === "none" ? "ok" : expected[what];
        it(`${route.method} ${path} with ${what} token is ${status}`, async () => {
          const { admin, node, lines } = makeAdmin(auth);
          const response = await send(admin, requestFor(route, { path, listener, headers: presented[what] }));
          if (status !== "ok") {
            expect(response.status).toBe(status);
            expect(errorBody.parse(JSON.parse(String(response.body))).error.service).toBeNull();
            expect(header(response, "www-authenticate") !== undefined).toBe(status === 401);
            expect(node.added).toEqual([]);
            expect(node.versions.get("hello")).toHaveLength(2);
            return;
          }
          const answer = route.answers[response.status];
          expect(answer).not.toBeUndefined();
          if (answer === null) expect(response.body).toBe("");
          else if (typeof answer === "string") expect(header(response, "content-type")).toBe(answer);
          else answer?.parse(JSON.parse(String(response.body)));
          const isChange = route.method !== "GET";
          expect(lines.filter(({ fields }) => fields.verb !== undefined)).toHaveLength(isChange ? 1 : 0);
        });
      }
    }
  }

  it("refuses a wrong token, or nobody at all, the same whether a path exists or not", async () => {
    const { admin } = makeAdmin(auth);
    for (const path of ["/services/-/nothing", "/services/a/b/c", "/services/", "/nothing", "/services/UPPER"]) {
      const status = expected.wrong === "ok" ? (path === "/services/UPPER" ? 400 : 404) : expected.wrong;
      expect((await send(admin, request({ path, listener, headers: presented.wrong }))).status).toBe(status);
    }
  });
});

it("has no service at the segment that is its own", async () => {
  const { admin } = makeAdmin();
  for (const path of ["/services/-", "/services/-/rollback", "/services/-/"]) {
    for (const method of ["GET", "PUT", "DELETE", "POST"]) {
      expect((await send(admin, request({ method, path }))).status, `${method} ${path}`).toBe(404);
    }
  }
});

it("has its root paths on the admin listener only", async () => {
  const { admin } = makeAdmin({ ...local, adminListen });
  for (const { rootPath } of routes) {
    if (rootPath === undefined) continue;
    expect((await send(admin, request({ path: rootPath, listener: "admin" }))).status).toBe(200);
    expect((await send(admin, request({ path: rootPath, listener: "public" }))).status).toBe(404);
  }
});

it("answers 405 with the methods that a path takes, for every path of the table", async () => {
  const { admin } = makeAdmin();
  for (const path of new Set(routes.map((each) => each.path))) {
    const methods = routes.filter((each) => each.path === path).map((each) => each.method);
    for (const method of ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]) {
      const isTaken = (methods as string[]).includes(method === "HEAD" ? "GET" : method);
      const decision = admin.route(request({ method, path: path.replace("{prefix}", "hello") }));
      const refused = decision.refused ? decision.response : undefined;
      expect(refused?.status === 405).toBe(!isTaken);
      if (refused?.status !== 405) continue;
      const allowed = methods.flatMap((each) => (each === "GET" ? ["GET", "HEAD"] : [each]));
      expect(header(refused, "allow")).toBe(allowed.join(", "));
    }
  }
});

it("takes a path as it is, so that no other spelling reaches a route", async () => {
  const { admin } = makeAdmin();
  const spellings = ["/services/%61dd", "/%73ervices/hello", "//services/hello", "/services//hello", "/Services/hello"];
  for (const path of [...spellings, "/services/hello/", "/services/../services/hello", "/services/./hello"]) {
    expect([400, 404]).toContain((await send(admin, request({ path }))).status);
  }
});

it("refuses prefixes that are not one, or reserved, before the body is read", () => {
  const { admin } = makeAdmin();
  const code = (path: string) => {
    const decision = admin.route(request({ method: "DELETE", path }));
    return decision.refused ? errorOf(decision.response).code : undefined;
  };
  for (const prefix of ["A", "a_B", "_a", ".a", "-a", "a%20", "é", "a".repeat(65), "a b"]) {
    expect(code(`/services/${prefix}`), prefix).toBe("bad_prefix");
  }
  expect(code("/services/services")).toBe("reserved_prefix");
  // "add" is a path of its own, with other methods.
  expect(code("/services/add")).toBe("method_not_allowed");
  for (const prefix of ["a", "0", "a.b_c-d", "a".repeat(64)]) expect(code(`/services/${prefix}`)).toBeUndefined();
});

it("says before the body is read how much of it may come, and holds to it after", async () => {
  const { admin, node } = makeAdmin();
  const limits = { none: 0, json: JSON_BODY_BYTES_MAX, wasm: MODULE_BYTES_MAX };
  for (const route of routes) {
    const sent = requestFor(route);
    expect(admin.route(sent)).toEqual({ refused: false, bodyBytesMax: limits[route.body] });
    const response = await admin.handle({ ...sent, body: new Uint8Array(limits[route.body] + 1) });
    expect(response.status).toBe(413);
  }
  expect(node.added).toEqual([]);
});

it("takes JSON and wasm by their content types only", async () => {
  const { admin } = makeAdmin();
  const json = requestFor(routes.find(({ id }) => id === "addService")!);
  const wasm = requestFor(routes.find(({ id }) => id === "putService")!);
  const status = async (sent: typeof json, types: string[]) =>
    (await send(admin, { ...sent, headers: new Map([...sent.headers, ["content-type", types]]) })).status;
  for (const type of [
    "application/json",
    "application/json; charset=utf-8",
    "Application/JSON;charset=x",
    "application/vnd.x+json",
  ]) {
    expect(await status(json, [type]), type).toBe(200);
    expect(await status(wasm, [type]), type).toBe(415);
  }
  for (const type of ["application/wasm", "application/wasm; x=y"]) {
    expect(await status(wasm, [type]), type).toBe(200);
    expect(await status(json, [type]), type).toBe(415);
  }
  // Those that a web page may send without asking first, and others.
  for (const type of [
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "",
    "application/jsonx",
    "text/plain, application/json",
  ]) {
    expect(await status(json, [type]), type).toBe(415);
    expect(await status(wasm, [type]), type).toBe(415);
  }
  expect(await status(json, [])).toBe(415);
  expect(await status(json, ["application/json", "text/plain"])).toBe(415);
});

it("passes what was asked to the node: source, digest, policy and environment", async () => {
  const { admin, node } = makeAdmin();
  const sha256 = "AB".repeat(32);
  const rest = { policy: { limits: { memory: "8MiB" } }, env: { MODE: "x=y" } };
  const body = JSON.stringify({ prefix: "new", source: "https://example.org/a.wasm", sha256, ...rest });
  const sent = requestFor(routes.find(({ id }) => id === "addService")!);
  expect((await admin.handle({ ...sent, body: Buffer.from(body) })).status).toBe(200);
  const query = new URLSearchParams({ policy: JSON.stringify(rest.policy), env: JSON.stringify(rest.env), sha256 });
  const put = requestFor(routes.find(({ id }) => id === "putService")!);
  expect((await admin.handle({ ...put, query: query.toString() })).status).toBe(200);
  expect(node.added).toEqual([
    {
      prefix: "new",
      source: { kind: "url", url: "https://example.org/a.wasm" },
      sha256: sha256.toLowerCase(),
      ...rest,
    },
    { prefix: "hello", source: { kind: "bytes", bytes: put.body }, sha256: sha256.toLowerCase(), ...rest },
  ]);
});

it("writes an audit line with digests and names of what changed, and no value of the environment", async () => {
  const { admin, lines } = makeAdmin();
  const put = requestFor(routes.find(({ id }) => id === "putService")!);
  const query = new URLSearchParams({ policy: '{"retry":"never"}', env: '{"KEY":"s3cret-value"}' }).toString();
  await admin.handle({ ...put, query });
  const [line] = lines;
  expect(lines).toHaveLength(1);
  expect(line?.level).toBe("info");
  expect(line?.fields).toMatchObject({ verb: "add", prefix: "hello", version: 3, envNames: ["KEY"], requestId: "r-1" });
  expect(line?.fields.sha256).toMatch(/^[0-9a-f]{64}$/);
  expect(line?.fields.policySha256).toMatch(/^[0-9a-f]{64}$/);
  expect(JSON.stringify(lines)).not.toContain("s3cret-value");
});

it("tells ready from not ready, and live in both", async () => {
  const { admin, node } = makeAdmin();
  const get = async (path: string) => {
    const { status, body } = await send(admin, request({ path }));
    return [status, JSON.parse(String(body))];
  };
  expect(await get("/services/-/readyz")).toEqual([200, { status: "ready" }]);
  node.ready = false;
  expect(await get("/services/-/readyz")).toEqual([503, { status: "not ready" }]);
  expect(await get("/services/-/healthz")).toEqual([200, { status: "live" }]);
});

it("writes an endless duration as the config's word", async () => {
  const { admin } = makeAdmin();
  const { body } = await send(admin, request({ path: "/services/hello" }));
  expect(JSON.parse(String(body)).policy.scale.idle_timeout).toBe("never");
});

describe("a verb that fails", () => {
  it.each(routes.filter((each) => each.auth === "admin" && each.id !== "openapi"))(
    "is answered by $id from the table",
    async (route) => {
      const { admin, node, lines } = makeAdmin();
      for (const code of failuresOf(route)) {
        node.failure = new FrenezuloError(code, { service: "hello", why: "of a test" }, { retryAfterSeconds: 7 });
        const response = await admin.handle(requestFor(route));
        expect(response.status).toBe(errorTable[code].status);
        expect(errorOf(response)).toMatchObject({ code, requestId: "r-1" });
        expect(header(response, "retry-after")).toBe("7");
      }
      node.failure = new TypeError("secret path /home/x");
      const response = await admin.handle(requestFor(route));
      expect(errorOf(response).code).toBe("internal");
      expect(response.body).not.toContain("secret");
      expect(lines.at(-1)).toMatchObject({ level: "error", fields: { code: "internal", requestId: "r-1" } });
    },
  );

  it("names the service that was meant", async () => {
    const { admin, node } = makeAdmin();
    for (const id of ["addService", "putService", "removeService", "rollbackService"]) {
      node.failure = new FrenezuloError("store_full", { why: "of a test" });
      const response = await admin.handle(requestFor(routes.find((each) => each.id === id)!));
      expect(errorOf(response).service).toBe("hello");
    }
  });
});
