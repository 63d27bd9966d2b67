// What a request touches of the metrics: plain numbers, no allocation.

/** Upper bounds of the latency buckets, seconds: OpenTelemetry's, with six finer ones in front. */
export const DURATION_BOUNDS: readonly number[] = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];
const BOUNDS_MICROS = DURATION_BOUNDS.map((seconds) => Math.round(seconds * 1e6));

/** Latencies, by bucket. */
export class DurationHistogram {
  /** Observations in each bucket (not cumulated); the last one is above every bound. */
  readonly buckets: number[] = new Array<number>(DURATION_BOUNDS.length + 1).fill(0);
  sumMicros = 0;

  /** Counts one duration. Allocates nothing. */
  observe(micros: number): void {
    let i = 0;
    while (i < BOUNDS_MICROS.length && micros > (BOUNDS_MICROS[i] as number)) i++;
    this.buckets[i] = (this.buckets[i] as number) + 1;
    this.sumMicros += micros;
  }
}

/** Counts of one service. Kept by whoever serves it, so that a request needs no look-up. */
export class ServiceMetrics {
  readonly prefix: string;
  /** All requests that were answered. */
  requests = 0;
  /** Those answered with 500 or above. */
  failures = 0;
  /** Statuses seen and how often, side by side: a service answers with few, the usual one first. */
  readonly codes: number[] = [];
  readonly counts: number[] = [];
  /** Its own histogram, or the one it shares with the less busy. Set by Metrics. */
  histogram: DurationHistogram;

  constructor(prefix: string, histogram: DurationHistogram) {
    this.prefix = prefix;
    this.histogram = histogram;
  }

  /**
   * Counts one answer. Allocates nothing, but for a status's first time.
   * @param micros from the request's head to its answer, microseconds
   */
  record(status: number, micros: number): void {
    this.requests += 1;
    if (status >= 500) this.failures += 1;
    let i = 0;
    while (i < this.codes.length && this.codes[i] !== status) i++;
    if (i === this.codes.length) {
      this.codes.push(status);
      this.counts.push(0);
    }
    this.counts[i] = (this.counts[i] as number) + 1;
    this.histogram.observe(micros);
  }
}
