// lunatic::networking in the built program: a program in C under `frenezulo run`, and services that use the network.
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { guestPath } from "../guests/guests.ts";
import { makeCertificates } from "../harness/certificates.ts";
import { HttpClient } from "../harness/http-client.ts";
import { NodeProcess } from "../harness/node-process.ts";

const mainFile = join(import.meta.dirname, "../../dist/main.js");
const guests = join(import.meta.dirname, "../guests");
const program = join(guests, "build/lunatic-networking.wasm");
/** Source of a program → its module. */
const programs = [
  ["lunatic/networking.c", program],
  ["assemblyscript/networking.as.ts", join(guests, "build/as-networking.wasm")],
] as const;
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "frenezulo-network-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function run(file: string, ...args: string[]): Promise<{ stdout: string }> {
  const flags = ["--listen", "127.0.0.1:*", "--connect", "127.0.0.1:*"];
  return promisify(execFile)(process.execPath, [mainFile, "run", ...flags, file, "--", ...args], {
    env: { ...process.env, XDG_CACHE_HOME: folder },
  });
}

describe.each(programs)("%s", (source, module) => {
  const text = readFileSync(join(guests, source), "utf8");
  const names = [...text.matchAll(/\b(?:TEST|test)\("([^"]+)"/g)].map(([, name]) => name as string);
  let lines: string[];

  beforeAll(async () => {
    const { ca, certificate, key } = makeCertificates(folder);
    const pem = [certificate, key, ca].map(String);
    const { stdout } = await run(module, ...pem).catch((failed: { stdout: string }) => failed);
    lines = stdout.split("\n");
  });

  it.each(names)("%s", (name) => {
    const line = lines.find((each) => each.includes(name));
    expect(line ?? lines.join("\n")).toMatch(new RegExp(`^ok \\d+ ${name}$`));
  });
});

describe("a program that uses the network", () => {
  it("written in Rust with the lunatic crate serves and asks, a process for each connection", async ({ skip }) => {
    const echo = join(import.meta.dirname, "../guests/build/rust-echo.wasm");
    if (!existsSync(echo)) skip("its toolchain is not here (.ci/toolchains.sh)");
    const { stdout } = await run(echo, "both", "127.0.0.1:0", "100");
    expect(stdout).toMatch(/^listening on 127\.0\.0\.1:\d+\n100 clients were answered\n$/);
  });

  it("is told of flags that are no addresses", async () => {
    const ran = promisify(execFile)(process.execPath, [mainFile, "run", "--connect", "example.com", program]);
    await expect(ran).rejects.toMatchObject({
      stderr: expect.stringContaining('--connect: "example.com": it is not HOST:PORT'),
    });
  });
});

describe("a service that uses the network", () => {
  let outside: Server;
  let port: number;
  const connections: Socket[] = [];
  let node: NodeProcess;
  let client: HttpClient;

  beforeAll(async () => {
    outside = createServer((socket) => {
      connections.push(socket);
      socket.on("error", () => {});
      socket.once("data", (bytes) => {
        if (!isSilent) socket.end(`you said ${bytes}`);
      });
    });
    await new Promise<void>((resolve) => outside.listen(0, "127.0.0.1", resolve));
    port = (outside.address() as { port: number }).port;
    const network = { connect: [`127.0.0.1:${port}`], listen: ["127.0.0.1:*"] };
    const guest = { source: guestPath("network"), limits: { deadline: "2s" }, breaker: { failures: 1000 } };
    node = await NodeProcess.start({
      config: { services: { open: { ...guest, network }, closed: guest, kept: { ...guest, network, state: "kept" } } },
    });
    client = new HttpClient(node.address);
  });
  let isSilent = false;

  afterAll(async () => {
    client.close();
    outside.close();
    expect(await node.stop()).toEqual({ code: 0, signal: null });
  });

  const ask = async (path: string): Promise<[number, string]> => {
    const { status, body } = await client.request(path);
    return [status, body.toString()];
  };

  it.each(["open", "kept"])("%s: reaches what its policy allows, request after request", async (name) => {
    isSilent = false;
    for (let i = 0; i < 20; i++) expect(await ask(`/${name}?do=fetch&port=${port}`)).toEqual([200, "you said hello"]);
  });

  it("is told which entry is missing, and serves on", async () => {
    const [status, why] = await ask(`/closed?do=fetch&port=${port}`);
    expect(status).toBe(200);
    expect(why).toContain(`the policy's network.connect does not name it, like "127.0.0.1:${port}"`);
    expect((await ask("/closed?do=accept&port=0"))[1]).toContain("network.listen has no entry");
    expect((await ask(`/open?do=fetch&port=${port + 1}`))[1]).toContain("network.connect does not name it");
  });

  it("that hangs in a read ends at its deadline, and its connection with it", async () => {
    isSilent = true;
    const before = connections.length;
    expect((await ask(`/open?do=hang&port=${port}`))[0]).toBe(504);
    const connection = connections[before] as Socket;
    connection.resume();
    if (!connection.readableEnded) await new Promise((resolve) => connection.once("end", resolve));
  });

  it("that hangs in an accept ends at its deadline, and its port is free", async () => {
    const spare = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => spare.once("listening", resolve));
    const free = (spare.address() as { port: number }).port;
    await new Promise((resolve) => spare.close(resolve));
    const answer = ask(`/open?do=accept&port=${free}`);
    while (!(await isOpen(free))) await new Promise((resolve) => setTimeout(resolve, 5));
    expect((await answer)[0]).toBe(504);
    while (await isOpen(free)) await new Promise((resolve) => setTimeout(resolve, 5));
  });

  it("leaves no socket behind", async () => {
    isSilent = false;
    await ask(`/open?do=fetch&port=${port}`);
    // A kept actor holds what its guest did not drop: 20 streams of the first test.
    while ((await node.metric("guest_sockets")) !== 20) await new Promise((resolve) => setTimeout(resolve, 10));
  });
});

function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
  });
}
