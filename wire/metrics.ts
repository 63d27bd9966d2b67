// Guests' metrics on their way to the main thread: what a service has counted since the last frame, as bytes. Pure.
//
// A frame: u32 names that were refused, u8 length and text of the service, then each series: u8 type, u8 length and
// text of its name, and f64 added (counter); u8 whether it was set, f64 value or change (gauge); f64 sum, u8 buckets
// that have something, u8 index and u32 count of each (histogram). Numbers are little-endian.

export const metricTypes = ["counter", "gauge", "histogram"] as const;
export type MetricType = (typeof metricTypes)[number];

/** Names of a service; with those of all types together. */
export const METRIC_NAMES_MAX = 100;
export const METRIC_NAME_BYTES_MAX = 128;
/** Upper bounds of a histogram's buckets, whatever its unit; one more bucket is above all. */
export const METRIC_BOUNDS: readonly number[] = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 10_000,
];
const BUCKETS = METRIC_BOUNDS.length + 1;
const SERIES_BYTES_MAX = 2 + METRIC_NAME_BYTES_MAX + 8 + 1 + BUCKETS * 5;
const HEAD_BYTES_MAX = 4 + 1 + 255;
export const METRIC_FRAME_BYTES_MAX = HEAD_BYTES_MAX + METRIC_NAMES_MAX * SERIES_BYTES_MAX;

/** What has been added to one series. */
export interface MetricChange {
  readonly type: MetricType;
  readonly name: string;
  /** Counter: what was added. Gauge: the value if `isSet`, else the change. Histogram: the sum of what was observed. */
  value: number;
  isSet: boolean;
  /** Of a histogram: observations by bucket, not cumulated. */
  readonly buckets: number[];
}

export function newChange(type: MetricType, name: string): MetricChange {
  return {
    type,
    name,
    value: 0,
    isSet: false,
    buckets: type === "histogram" ? new Array<number>(BUCKETS).fill(0) : [],
  };
}

export function bucketOf(value: number): number {
  let i = 0;
  while (i < METRIC_BOUNDS.length && value > (METRIC_BOUNDS[i] as number)) i++;
  return i;
}

/** Writes a frame to the beginning of `out`, which has METRIC_FRAME_BYTES_MAX. @returns its length */
export function encodeMetrics(
  out: Buffer,
  service: string,
  refused: number,
  changes: Iterable<Readonly<MetricChange>>,
): number {
  let at = out.writeUInt32LE(refused, 0);
  const text = (value: string): void => {
    const length = out.write(value, at + 1);
    at = out.writeUInt8(length, at) + length;
  };
  text(service);
  for (const { type, name, value, isSet, buckets } of changes) {
    at = out.writeUInt8(metricTypes.indexOf(type), at);
    text(name);
    if (type === "gauge") at = out.writeUInt8(isSet ? 1 : 0, at);
    at = out.writeDoubleLE(value, at);
    if (type !== "histogram") continue;
    at = out.writeUInt8(buckets.filter((count) => count > 0).length, at);
    for (const [i, count] of buckets.entries()) if (count > 0) at = out.writeUInt32LE(count, out.writeUInt8(i, at));
  }
  return at;
}

/** Reads what `encodeMetrics` wrote. */
export function decodeMetrics(bytes: Buffer): { service: string; refused: number; changes: MetricChange[] } {
  let at = 4;
  const text = (): string => {
    const length = bytes.readUInt8(at);
    at += 1 + length;
    return bytes.toString("utf8", at - length, at);
  };
  const service = text();
  const changes: MetricChange[] = [];
  while (at < bytes.length) {
    const type = metricTypes[bytes.readUInt8(at++)] as MetricType;
    const change = newChange(type, text());
    if (type === "gauge") change.isSet = bytes.readUInt8(at++) === 1;
    change.value = bytes.readDoubleLE(at);
    at += 8;
    for (let left = type === "histogram" ? bytes.readUInt8(at++) : 0; left > 0; left--, at += 5) {
      change.buckets[bytes.readUInt8(at)] = bytes.readUInt32LE(at + 1);
    }
    changes.push(change);
  }
  return { service, refused: bytes.readUInt32LE(0), changes };
}
