// wire/layout.ts: the clock that deadlines are measured with is one clock in all threads, however busy the machine is.
import { expect, it } from "vitest";
import { bundle } from "../../harness/bundle.ts";
import { result } from "../../harness/threads.ts";

const program = await bundle("test/unit/wire/workers/clock-end.ts");

it("is the machine's in each of many threads that start at once", async () => {
  const offMs = await Promise.all(Array.from({ length: 32 }, () => result<null, number>(program, null)));
  expect(Math.max(...offMs)).toBeLessThanOrEqual(1);
});
