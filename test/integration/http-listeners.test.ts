// The whole node over both acceptors: where it listens, and what is served on which address.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { call } from "../../src/cli/client.ts";
import { servicePath } from "../guests/guests.ts";
import { AdminClient } from "../harness/admin-client.ts";
import { NodeProcess } from "../harness/node-process.ts";
import { RawClient } from "../harness/raw-http.ts";
import { acceptors } from "../harness/tiny-front.ts";

const folder = mkdtempSync(join(tmpdir(), "frenezulo-listeners-"));
const cert = join(folder, "cert.pem");
const key = join(folder, "key.pem");
const services = { hello: { source: servicePath("hello") } };
const hello = "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n";

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Status of a path, without a token. */
async function statusOf(url: string): Promise<number> {
  const response = await fetch(url);
  await response.arrayBuffer();
  return response.status;
}

describe.each(acceptors.map(([name]) => name))("over %s", (http) => {
  it("port 0 is any free port, and the one that was bound is printed", async () => {
    const nodes = await Promise.all([1, 2].map(() => NodeProcess.start({ http, config: { services } })));
    const addresses = nodes.map(({ address }) => address);
    expect(new Set(addresses).size).toBe(2);
    for (const address of addresses) {
      expect(address).toMatch(/^127\.0\.0\.1:[1-9]\d{3,4}$/);
      expect(await statusOf(`http://${address}/hello`)).toBe(200);
    }
    for (const node of nodes) expect(await node.stop()).toEqual({ code: 0, signal: null });
  });

  it("serves health, metrics and the OpenAPI document beside the services where it is on loopback", async () => {
    const node = await NodeProcess.start({ http, config: { services } });
    const json = async (path: string): Promise<unknown> => (await fetch(node.url + path)).json();
    expect(await json("/services/-/healthz")).toEqual({ status: "live" });
    expect(await json("/services/-/readyz")).toEqual({ status: "ready" });
    expect(await json("/services/-/openapi.json")).toMatchObject({ openapi: expect.stringMatching(/^3\.1/) });
    await statusOf(`${node.url}/hello`);
    const metrics = await node.metrics();
    expect(metrics.get('frenezulo_requests_total{service="hello",code="200"}')).toBe(1);
    for (const name of ["in_flight", "queued", "zombies", "ring_fill_ratio", "cold_starts_total"]) {
      expect([name, metrics.has(`frenezulo_${name}`)]).toEqual([name, true]);
    }
    const head = await fetch(`${node.url}/services/-/healthz`, { method: "HEAD" });
    expect([head.status, await head.text()]).toEqual([200, ""]);
    for (const path of ["/healthz", "/metrics", "/services/-/", "/services/-", "/services/"]) {
      expect([path, await statusOf(node.url + path)]).toEqual([path, 404]);
    }
    expect(await node.stop()).toEqual({ code: 0, signal: null });
  });

  it("admin.listen moves the admin routes to an address of their own; health stays on both", async () => {
    const config = { services, admin: { listen: "127.0.0.1:0" } };
    const node = await NodeProcess.start({ http, config });
    const admin = (await node.logged(/^admin on /)).msg.slice("admin on ".length);
    for (const path of [
      "/services",
      "/services/hello",
      "/services/-/metrics",
      "/services/-/openapi.json",
      "/metrics",
    ]) {
      expect([path, await statusOf(node.url + path)]).toEqual([path, 404]);
    }
    expect((await new AdminClient(node.url).remove("hello")).status).toBe(404);
    for (const path of ["/hello", "/services/-/healthz", "/services/-/readyz"]) {
      expect([path, await statusOf(node.url + path)]).toEqual([path, 200]);
    }
    const own = ["/healthz", "/readyz", "/metrics", "/openapi.json", "/services", "/services/hello"];
    for (const path of [...own, "/services/-/healthz", "/services/-/metrics"]) {
      expect([path, await statusOf(admin + path)]).toEqual([path, 200]);
    }
    expect(await statusOf(`${admin}/hello`)).toBe(404);
    expect(await node.stop()).toEqual({ code: 0, signal: null });
    await expect(fetch(admin)).rejects.toThrow();
  });

  it("a token is asked for on every admin route, and on none of the others", async () => {
    const token = "a".repeat(40);
    const node = await NodeProcess.start({ http, config: { services }, env: { FRENEZULO_ADMIN_TOKEN: token } });
    expect(await statusOf(`${node.url}/hello`)).toBe(200);
    expect(await statusOf(`${node.url}/services/-/readyz`)).toBe(200);
    for (const path of ["/services", "/services/hello", "/services/-/metrics", "/services/-/openapi.json"]) {
      expect([path, await statusOf(node.url + path)]).toEqual([path, 401]);
    }
    expect((await new AdminClient(node.url, token).list()).map(({ prefix }) => prefix)).toEqual(["hello"]);
    expect((await new AdminClient(node.url, `${token.slice(1)}b`).ask("GET", "/services")).status).toBe(401);
    expect(JSON.stringify(node.log)).not.toContain(token);
    expect(await node.stop()).toEqual({ code: 0, signal: null });
  });

  it("a web page cannot use the admin routes of a node without a token", async () => {
    const node = await NodeProcess.start({ http, config: { services } });
    const refused = ["Origin: http://evil.example", "Sec-Fetch-Site: cross-site", "X-Forwarded-For: 10.0.0.1"];
    for (const line of ["Host: evil.example", ...refused.map((each) => `Host: 127.0.0.1\r\n${each}`)]) {
      const raw = await RawClient.open(node.address);
      const answer = await raw.request(`DELETE /services/hello HTTP/1.1\r\n${line}\r\n\r\n`);
      expect([line, answer?.status]).toEqual([line, 403]);
      raw.destroy();
    }
    expect(await statusOf(`${node.url}/hello`)).toBe(200);
    expect(await node.stop()).toEqual({ code: 0, signal: null });
  });

  it("listens on a unix socket that only its owner can open, and leaves none behind", async () => {
    const path = join(folder, `${http}.sock`);
    const node = await NodeProcess.start({ http, config: { services, listen: { address: `unix:${path}` } } });
    expect((await node.logged(/^listening on /)).msg).toBe(`listening on unix:${path}`);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const raw = await RawClient.open(`unix:${path}`);
    expect((await raw.request(hello))?.body.toString()).toBe("Hello World!");
    expect((await raw.request("GET /services HTTP/1.1\r\nHost: localhost\r\n\r\n"))?.status).toBe(200);
    raw.destroy();
    expect(await node.stop({ keepFolder: true })).toEqual({ code: 0, signal: null });
    expect(() => statSync(path)).toThrow(/ENOENT/);
    // A socket file that a killed node left is no obstacle.
    const killed = await NodeProcess.start({
      http,
      folder: node.folder,
      config: { services, listen: { address: `unix:${path}` } },
    });
    killed.signal("SIGKILL");
    await killed.ended;
    expect(statSync(path).isSocket()).toBe(true);
    const next = await NodeProcess.start({
      http,
      folder: node.folder,
      config: { services, listen: { address: `unix:${path}` } },
    });
    const again = await RawClient.open(`unix:${path}`);
    expect((await again.request(hello))?.status).toBe(200);
    again.destroy();
    expect(await next.stop()).toEqual({ code: 0, signal: null });
  });

  it("speaks TLS with a certificate and its key", async () => {
    const subject = ["-subj", "/CN=localhost", "-days", "1"];
    const args = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, ...subject];
    execFileSync("openssl", args, { stdio: "ignore" });
    const node = await NodeProcess.start({ http, config: { services, listen: { tls: { cert, key } } } });
    expect((await node.logged(/^listening on /)).msg).toMatch(/^listening on https:\/\/127\.0\.0\.1:\d+$/);
    const tls = await RawClient.open(node.address, { tls: true });
    expect((await tls.request(hello))?.body.toString()).toBe("Hello World!");
    tls.destroy();
    // A kept connection stays: a request that follows an answer at once is no pipelined one.
    const lanes = Array.from({ length: 8 }, async () => {
      const lane = await RawClient.open(node.address, { tls: true });
      for (let i = 0; i < 150; i++) expect((await lane.request(hello))?.body.toString()).toBe("Hello World!");
      lane.destroy();
    });
    await Promise.all(lanes);
    // The command line says how to trust a certificate that it does not know.
    const listed = call({ node: `https://${node.address}` }, { method: "GET", path: "/services" });
    await expect(listed).rejects.toThrow(/certificate.*NODE_EXTRA_CA_CERTS/);
    const plain = await RawClient.open(node.address);
    plain.send(hello);
    await plain.closed();
    expect(plain.pending).not.toContain("Hello");
    expect(await node.stop()).toEqual({ code: 0, signal: null });
  });

  it("an address that is taken is one line that says so", async () => {
    const node = await NodeProcess.start({ http, config: { services } });
    const second = NodeProcess.start({ http, config: { services, listen: { address: node.address } } });
    await expect(second).rejects.toThrow(`Cannot listen on ${node.address}`);
    expect(await statusOf(`${node.url}/hello`)).toBe(200);
    expect(await node.stop()).toEqual({ code: 0, signal: null });
  });
});
