// Prometheus' text format 0.0.4 (https://prometheus.io/docs/instrumenting/exposition_formats/).
import { DURATION_BOUNDS, type DurationHistogram } from "./counts.ts";

export type Labels = Readonly<Record<string, string | number>>;
/** One number, or one for each set of labels. */
export type Reading = number | Iterable<readonly [labels: Labels, value: number]>;

/** The two lines that begin a family. */
export function familyText(name: string, type: string, help: string): string {
  return `# HELP ${name} ${help.replace(/\\/g, "\\\\").replace(/\n/g, "\\n")}\n# TYPE ${name} ${type}\n`;
}

/** The lines of one gauge or counter. */
export function* readingLines(name: string, reading: Reading): Iterable<string> {
  if (typeof reading === "number") yield `${name} ${valueText(reading)}\n`;
  else for (const [labels, value] of reading) yield `${name}${labelText(labels)} ${valueText(value)}\n`;
}

/** One histogram's lines: buckets cumulated, as the format wants them. */
export function histogramText(name: string, labels: Labels, { buckets, sumMicros }: DurationHistogram): string {
  return bucketsText(name, labels, DURATION_BOUNDS, buckets, sumMicros / 1e6);
}

/** @param buckets observations in each, one more than there are upper bounds */
export function bucketsText(
  name: string,
  labels: Labels,
  bounds: readonly number[],
  buckets: readonly number[],
  sum: number,
): string {
  let text = "";
  let count = 0;
  buckets.forEach((observed, i) => {
    count += observed;
    text += `${name}_bucket${labelText({ ...labels, le: bounds[i] ?? "+Inf" })} ${count}\n`;
  });
  const plain = labelText(labels);
  return `${text}${name}_sum${plain} ${valueText(sum)}\n${name}_count${plain} ${count}\n`;
}

/** `{name="value"}`, or nothing where there are no labels. */
function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(String(value))}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

/** A label's value as it stands between its quotes. */
export function escapeLabel(value: string): string {
  return value.replace(/\\/g, "\\\\").replace(/"/g, '\\"').replace(/\n/g, "\\n");
}

function valueText(value: number): string {
  if (Number.isFinite(value) || Number.isNaN(value)) return String(value);
  return value > 0 ? "+Inf" : "-Inf";
}
