// src/networking/roots.ts: contexts of root certificates, made once a set and in slices.
import { X509Certificate } from "node:crypto";
import { rootCertificates } from "node:tls";
import { describe, expect, it } from "vitest";
import { Slices } from "../../../src/carriers/slices.ts";
import { pemOf, Roots } from "../../../src/networking/roots.ts";

const ders = rootCertificates.slice(0, 64).map((pem) => new X509Certificate(pem).raw);
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("root certificates", () => {
  it("make a context once for a set, whoever asks", async () => {
    const roots = new Roots(new Slices());
    const both = await Promise.all([
      roots.of(1, ders),
      roots.of(
        2,
        ders.map((der) => Buffer.from(der)),
      ),
    ]);
    expect(both[0]).toBe(both[1]);
    expect(roots.size).toBe(1);
    expect(await roots.of(1, ders.slice(1))).not.toBe(both[0]);
    // The same bytes, cut elsewhere, are another set.
    const [first, second] = [ders[0] as Buffer, ders[1] as Buffer];
    const joined = await roots.of(1, [Buffer.concat([first, second])]);
    expect(await roots.of(1, [first, second])).not.toBe(joined);
    expect(await roots.of(1, [])).toBe(await roots.of(2, []));
    expect(roots.size).toBe(4);
  });

  it("leave turns of the loop to all else, a certificate at a time", async () => {
    const slices = new Slices({ sliceMs: 0 });
    const roots = new Roots(slices);
    let made = 0;
    const all = Promise.all(
      [0, 1, 2, 3].map(async (at) => {
        await roots.of(1, ders.slice(at));
        made++;
      }),
    );
    const other = new Roots(slices).of(2, ders.slice(0, 3));
    let turns = 0;
    let turnsOfOther = 0;
    void other.then(() => {
      turnsOfOther = turns;
    });
    while (made < 4) {
      await turn();
      turns++;
    }
    await all;
    expect(turns).toBeGreaterThanOrEqual(64 + 63 + 62 + 61);
    // The other's set of three has its turns between theirs.
    await other;
    expect(turnsOfOther).toBeLessThan(64);
  });

  it("keep a bounded number of sets; whoever brings many drops its own", async () => {
    const roots = new Roots(new Slices(), 4);
    const kept = await roots.of(1, ders.slice(0, 1));
    for (let at = 1; at < 20; at++) await roots.of(2, ders.slice(at, at + 1));
    expect(roots.size).toBe(4);
    expect(await roots.of(1, ders.slice(0, 1))).toBe(kept);
  });

  it("of every length are read again from the text that they are added as", () => {
    const all = rootCertificates.map((pem) => new X509Certificate(pem).raw);
    // Among them those whose text ends with a whole line.
    expect(all.some(({ length }) => Math.ceil(length / 3) % 16 === 0)).toBe(true);
    for (const der of all) expect(new X509Certificate(pemOf(der)).raw).toEqual(der);
  });

  it("that are none are trusted for nothing, and break nothing", async () => {
    const roots = new Roots(new Slices());
    await roots.of(1, [Buffer.from("no"), Buffer.alloc(0), Buffer.alloc(65_536, 0x30), ders[0] as Buffer]);
    expect(roots.size).toBe(1);
  });
});
