// actors/runtime/turns.ts: while a plain process blocks its thread, others in it go on.
import { expect, it } from "vitest";
import type { Message } from "../../../../actors/processes/mailbox.ts";
import { Process } from "../../../../actors/processes/process.ts";
import { Alone, environment } from "../../../harness/alone.ts";

/** A carrier with a plain process whose guest is the test itself. */
function withPlain() {
  const alone = new Alone();
  const spec = environment(1);
  const { runtime, rights } = alone.carrier;
  const home = runtime.open(spec);
  const pid = 900_000 * 1024 + 1;
  const process = new Process(pid, home.limits, undefined, spec.id);
  runtime.kernel.add({ process, environment: home, task: null, rights, module: "here" });
  const asProcess = <T>(run: () => T) => runtime.host.runAs(process, null, { args: [], env: {}, preopens: [] }, run);
  const wait = (ms: number) => asProcess(() => runtime.wait<Message>(() => process.mailbox.take(), ms));
  return { alone, spec, process, wait };
}

it("light processes have their turns until what it waits for has come", () => {
  const { alone, spec, process, wait } = withPlain();
  let turns = 0;
  alone.bear(spec, function* () {
    for (; turns < 50; turns++) yield () => alone.carrier.calls["frenezulo:light"]?.yield?.();
    yield alone.call("message", "create_data", 4n, 0n);
    yield alone.call("message", "send", BigInt(process.pid));
    yield alone.receive();
  });
  expect(wait(60_000)?.tag).toBe(4n);
  expect(turns).toBe(50);
  expect(alone.carrier.runtime.host.running).toBeNull();
});

it("it goes on after its time although others never stop", () => {
  const { alone, spec, wait } = withPlain();
  alone.bear(spec, function* () {
    for (;;) yield () => alone.carrier.calls["frenezulo:light"]?.yield?.();
  });
  expect(wait(20)).toBeUndefined();
});

it("it goes on to end when it is killed meanwhile", () => {
  const { alone, spec, process, wait } = withPlain();
  alone.bear(spec, function* () {
    yield alone.call("process", "kill", BigInt(process.pid));
  });
  expect(wait(Number.POSITIVE_INFINITY)).toBeUndefined();
  expect(process.dying?.reason).toBe("killed");
});
