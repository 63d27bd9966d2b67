// lunatic::metrics (lunatic-abi.md §1.3): a guest's counters, gauges and histograms, among the node's by their names.
import { isUtf8 } from "node:buffer";
import type { MetricEvent } from "../../metering.ts";
import { type Host, type HostFunctions, u64 } from "../host.ts";

/** Names that are longer are refused anyway (wire/metrics.ts): they are not looked at. */
const NAME_BYTES_READ = 1024;

export function metricsFunctions(host: Host): HostFunctions {
  const count =
    (name: string, event: MetricEvent, sign = 1) =>
    (pointer: number, length: number, value: number): void => {
      const process = host.enter();
      const bytes = host.slice(pointer, length).subarray(0, NAME_BYTES_READ);
      if (length >>> 0 <= NAME_BYTES_READ && !isUtf8(bytes)) host.trap(`lunatic::metrics.${name}: a name is not UTF-8`);
      host.services.metric(process, event, bytes.toString("utf8"), sign * value);
    };
  const add = count("counter", "add");
  const addOne = count("increment_counter", "add");
  return {
    // It adds, as lunatic's does, whose documentation says that it sets.
    counter: (pointer: number, length: number, value: bigint) => add(pointer, length, Number(u64(value))),
    increment_counter: (pointer: number, length: number) => addOne(pointer, length, 1),
    gauge: count("gauge", "set"),
    increment_gauge: count("increment_gauge", "change"),
    decrement_gauge: count("decrement_gauge", "change", -1),
    histogram: count("histogram", "observe"),
  };
}
