// actors/instances/ballast.ts: what thousands of instances took of a thread's heap is given back when they have gone.
import { expect, it } from "vitest";
import { bundle } from "../../../harness/bundle.ts";
import { compile } from "../../../harness/local-carrier.ts";
import { wasm } from "../../../harness/modules-fixtures.ts";
import { result } from "../../../harness/threads.ts";

const program = await bundle("test/unit/actors/instances/workers/ballast-end.ts");

it("gives back the pages of old objects, also those that a few live ones are scattered over", async () => {
  const functions = Array.from({ length: 100 }, (_, i) => `(func (export "f${i}"))`).join("");
  const text = `(module (memory (export "memory") 16) (func (export "frenezulo_main"))${functions})`;
  const module = await compile(wasm(text));
  const { before, full, after } = await result<object, Record<"before" | "full" | "after", number>>(program, {
    module,
    count: 2000,
  });
  const said = [before, full, after].map((bytes) => bytes >> 10).join(", ");
  console.log(`pages of old objects before, with the instances, after: ${said} KiB`);
  expect(after - before).toBeLessThan((full - before) / 10);
});
