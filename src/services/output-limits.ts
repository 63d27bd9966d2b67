// How much of a service's output gets to the log, as its carriers are told. Pure.
import type { OutputLimits } from "../../wire/specs.ts";
import type { Policy } from "../config/config.ts";

export function outputLimits({ limits }: Policy): OutputLimits {
  return {
    outputRequestBytesMax: limits.output_request,
    outputRequestLinesMax: limits.output_request_lines,
    outputSecondBytesMax: limits.output_second,
    outputSecondLinesMax: limits.output_second_lines,
  };
}
