// Covers src/acceptor/gate.ts and src/acceptor: the table of framing probes, alone and followed by a smuggled request.
import { describe, expect, it } from "vitest";
import { framingProbes } from "../harness/framing-probes.ts";
import { acceptors, closeAfterEach } from "../harness/tiny-front.ts";
import { startBench, tryBytes } from "./framing-outcome.ts";

const SMUGGLED = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

it("the table has its probes, each once", () => {
  expect(framingProbes.length).toBeGreaterThanOrEqual(90);
  expect(new Set(framingProbes.map(({ name }) => name)).size).toBe(framingProbes.length);
});

describe.each(acceptors)("the %s acceptor", (acceptor) => {
  closeAfterEach();

  it.each(framingProbes)("$name", async ({ bytes, expected }) => {
    const under = await startBench(acceptor);
    const alone = await tryBytes(under, [bytes]);
    expect(alone).toEqual({
      verdict: expected[acceptor],
      served: expected[acceptor] === 200 ? [expect.stringMatching(/^(GET|POST) \/x$/)] : [],
      more: 0,
    });
    const followed = await tryBytes(under, [bytes + SMUGGLED]);
    expect(followed.served).not.toContain("GET /smuggled");
    expect(followed.served.length).toBeLessThanOrEqual(1);
  });
});
