// Covers src/processes/environments.ts with actors/processes/environment.ts, runtime.ts: messages to reply pids that
// nobody waits for end in the carrier once they are many; each that is told costs the main thread.
import { expect, it } from "vitest";
import { MainEnvironment } from "../../../../src/processes/environments.ts";
import { Alone, environment } from "../../../harness/alone.ts";
import type { Program } from "../../../harness/processes-carrier.ts";

/** Sends so many messages to pids of the main thread, made-up ones among them, as one environment. */
function send(messages: number, isAwaited: (sent: number) => boolean) {
  const alone = new Alone();
  const { id: _, counts: __, ...options } = environment(1);
  const main = new MainEnvironment(1, options, { load: () => Promise.reject(), compile: () => Promise.reject() }, 8);
  let told = 0;
  alone.carrier.onReply = () => {
    if (!isAwaited(told++)) main.lateReply(0);
  };
  const beganMs = performance.now();
  alone.bear(main.spec, function* (): Program {
    for (let sent = 0; sent < messages; sent++) {
      yield alone.call("message", "create_data", 0n, 0n);
      yield alone.call("message", "send", BigInt(1024 * (sent + 1)));
    }
  });
  alone.run();
  const seconds = Math.floor((performance.now() - beganMs) / 1000) + 2; // begun ones
  return { told, seconds, deadLetters: alone.carrier.deadLetters };
}

it("are told at first, and beyond 1,000 a second counted in the carrier", () => {
  const { told, seconds, deadLetters } = send(20_000, () => false);
  expect(told).toBeGreaterThanOrEqual(1000);
  expect(told).toBeLessThanOrEqual(1000 * seconds);
  expect(told + deadLetters).toBe(20_000);
});

it("are all told where somebody waits for them", () => {
  expect(send(20_000, () => true)).toMatchObject({ told: 20_000, deadLetters: 0 });
  expect(send(2_000, (sent) => sent % 3 !== 0)).toMatchObject({ told: 2_000, deadLetters: 0 });
});
