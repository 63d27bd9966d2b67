// Processes over real carriers, threads and rings: hundreds that all send to all, by the built node's `run`. What no
// thread can show is held by test/simulation/processes.test.ts.
import { expect, it } from "vitest";
import { guestPath } from "../guests/guests.ts";
import { frenezulo } from "../harness/frenezulo-run.ts";

it.each([
  [30, 2000, 1],
  [600, 100, 2],
])(
  "%i processes that send %i messages each to random others lose and double none, and each end is told once",
  async (count, messages, carriersMin) => {
    const seed = Math.floor(Math.random() * 2 ** 31);
    const { code, stdout, stderr } = await frenezulo(["run", guestPath("crowd"), `${seed}`, `${count}`, `${messages}`]);
    const said = `seed ${seed}\n${stdout}${stderr.slice(-2000)}`;
    expect(stdout, said).toMatch(/^ok \d+\n$/);
    expect(Number(stdout.slice(3)), said).toBeGreaterThanOrEqual(carriersMin);
    expect(code, said).toBe(0);
  },
);
