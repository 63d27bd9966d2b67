// The example services, in each language that was built, and the AssemblyScript SDK, on the smallest host there is.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MinimalHost, readReply, requestMessage } from "../../guests/minimal-host.ts";

const folder = join(import.meta.dirname, "../../../services/build");
const bytesOf = (name: string): Buffer => {
  const path = join(folder, `${name}.wasm`);
  if (!existsSync(path)) throw new Error(`${path} is not built: run npm run build`);
  return readFileSync(path);
};
const host = (name: string) => new MinimalHost(bytesOf(name));
const skipped: { name: string; why: string }[] = JSON.parse(readFileSync(join(folder, "skipped.json"), "utf8"));

describe.each(["hello", "hello-c", "hello-rust", "hello-go", "hello-zig"])("%s", (name) => {
  const missing = skipped.find((step) => step.name === `services/${name}`);
  if (missing !== undefined) {
    it.skip(`is not built: ${missing.why}`, () => undefined);
    return;
  }

  it("answers with the same bytes as in every other language", () => {
    const [sent] = host(name).run(requestMessage({ tag: 130, pid: 7 }));
    expect(sent).toMatchObject({ node: 0n, pid: 7n, tag: 0n });
    const reply = readReply(sent!.bytes);
    expect(reply).toMatchObject({ tag: 130, status: 200, version: "Http11" });
    expect(reply.headers).toEqual(new Map([["content-type", ["text/plain; charset=utf-8"]]]));
    expect(reply.body.toString()).toBe("Hello World!");
    const [asHello] = host("hello").run(requestMessage({ tag: 130, pid: 7 }));
    expect(sent!.bytes.toString("hex")).toBe(asHello!.bytes.toString("hex"));
  });

  it("takes requests of any method, size, id and process", () => {
    const guest = host(name);
    fc.assert(
      fc.property(
        fc.constantFrom("Options", "Get", "Post", "Put", "Delete", "Head", "Patch"),
        fc.webPath({ size: "large" }),
        fc.dictionary(fc.stringMatching(/^[a-z-]{1,40}$/), fc.array(fc.string(), { maxLength: 20 }), { maxKeys: 40 }),
        fc.uint8Array({ maxLength: 20_000 }),
        fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
        fc.bigInt({ min: 2n, max: 2n ** 63n - 1n }),
        (method, path, headers, body, tag, pid) => {
          const request = requestMessage({
            method,
            uri: `/${path}`,
            headers: new Map(Object.entries(headers)),
            body,
            tag,
            pid,
          });
          const [sent, ...more] = guest.run(request);
          expect(more).toEqual([]);
          expect(sent?.pid).toBe(pid);
          expect(BigInt(readReply(sent!.bytes).tag)).toBe(tag);
        },
      ),
      { numRuns: 50 },
    );
  });

  it("traps on every message that ends early", () => {
    const request = requestMessage({ headers: new Map([["host", ["localhost:3000"]]]), pid: 70_000 });
    const lengths = name === "hello-go" ? [0, 5, request.length - 1] : [...request.keys()];
    for (const length of lengths) {
      expect(() => host(name).run(request.subarray(0, length)), `${length} bytes`).toThrow();
    }
  });
});

describe("echo", () => {
  it("gives a POST its body and content type back", () => {
    const body = Uint8Array.from({ length: 100_000 }, (_, i) => (i * 7) % 256);
    const reply = host("echo").ask({ method: "Post", body, headers: new Map([["content-type", ["image/x-noise"]]]) });
    expect(reply.headers.get("content-type")).toEqual(["image/x-noise"]);
    expect(reply.body.equals(body)).toBe(true);
  });

  it("tells what arrived, repeated headers included", () => {
    const headers = new Map([
      ["accept", ["a", "b, c"]],
      ["x-unicode", ["ß"]],
    ]);
    const reply = host("echo").ask({ method: "Put", uri: "/echo/a?b=c", headers, body: Buffer.from("¡body!") });
    expect(reply.body.toString()).toBe("PUT /echo/a?b=c\naccept: a\naccept: b, c\nx-unicode: ß\n\n¡body!");
  });

  it("takes header names that mean something to JavaScript", () => {
    const headers = new Map(["__proto__", "constructor", "tostring"].map((name) => [name, [name]]));
    const text = host("echo").ask({ headers }).body.toString();
    for (const name of headers.keys()) expect(text).toContain(`${name}: ${name}\n`);
  });
});

describe("counter", () => {
  it("counts the requests of its instance", () => {
    const guest = host("counter");
    expect([1, 2, 3].map(() => guest.ask().body.toString())).toEqual(["1\n", "2\n", "3\n"]);
  });
});

describe("the AssemblyScript SDK", () => {
  it("needs five host calls for a small request and seven for a large one", () => {
    const guest = host("hello");
    guest.run(requestMessage());
    expect(guest.calls).toEqual(["receive", "read_data", "create_data", "write_data", "send"]);
    guest.calls = [];
    guest.run(requestMessage({ body: new Uint8Array(1_000_000) }));
    expect(guest.calls).toEqual([
      "receive",
      "read_data",
      "data_size",
      "read_data",
      "create_data",
      "write_data",
      "send",
    ]);
  });

  it("starts with one page of memory and stays there over 50,000 requests", () => {
    const guest = host("hello");
    expect(guest.memory.buffer.byteLength).toBe(65_536);
    const request = requestMessage({ headers: new Map([["host", ["localhost:3000"]]]) });
    for (let i = 0; i < 50_000; i++) {
      guest.run(request);
      guest.calls.length = 0;
      guest.sent.length = 0;
    }
    expect(guest.memory.buffer.byteLength).toBe(65_536);
  });

  it("gives the memory of large messages back", () => {
    const guest = host("echo");
    const body = new Uint8Array(1_000_000);
    for (let i = 0; i < 20; i++) guest.ask({ method: "Post", body });
    const after = guest.memory.buffer.byteLength;
    for (let i = 0; i < 200; i++) guest.ask({ method: "Post", body });
    expect(guest.memory.buffer.byteLength).toBe(after);
  });

  it("answers a process of another node through distributed.send", () => {
    const [sent] = host("hello").run(requestMessage({ node: 9, pid: 7 }));
    expect(sent).toMatchObject({ node: 9n, pid: 7n });
  });

  it("says what is wrong with a malformed message before it traps", () => {
    const guest = host("hello");
    expect(() => guest.run(requestMessage().subarray(0, 30))).toThrow(WebAssembly.RuntimeError);
    expect(guest.output).toMatch(/^abort: the request message is malformed: it ends early\n$/);
  });
});
