// What guests count by lunatic::metrics, by service and name, as carriers tell it.
import {
  decodeMetrics,
  METRIC_BOUNDS,
  METRIC_NAMES_MAX,
  type MetricChange,
  type MetricType,
} from "../../wire/metrics.ts";
import { bucketsText, type Reading, readingLines } from "./text.ts";

/** Series of all services together; a histogram has 23 lines. */
const SERIES_MAX = 20_000;

export class GuestMetrics {
  /** Series by service. Each is the sum of all changes to it. */
  readonly #services = new Map<string, Map<string, MetricChange>>();
  readonly #isKnown: (service: string) => boolean;
  #size = 0;
  /** Changes that were refused: by the name's form, or because there were too many names. */
  refused = 0;

  /** @param isKnown whether a service is still there: a carrier may tell of one that has been removed */
  constructor(isKnown: (service: string) => boolean) {
    this.#isKnown = isKnown;
  }

  /** Takes a frame of a carrier. */
  take(bytes: Buffer): void {
    const { service, refused, changes } = decodeMetrics(bytes);
    this.refused += refused;
    if (!this.#isKnown(service)) return;
    let known = this.#services.get(service);
    if (known === undefined) {
      known = new Map();
      this.#services.set(service, known);
    }
    for (const change of changes) {
      const key = `${change.type} ${change.name}`;
      const series = known.get(key);
      if (series !== undefined) merge(series, change);
      else if (known.size < METRIC_NAMES_MAX && this.#size < SERIES_MAX) {
        known.set(key, change);
        this.#size++;
      } else this.refused++;
    }
  }

  remove(service: string): void {
    this.#size -= this.#services.get(service)?.size ?? 0;
    this.#services.delete(service);
  }

  /** The lines of one type of all services, a service at a time. */
  *lines(fullName: string, type: MetricType): Iterable<string> {
    for (const [service, known] of [...this.#services]) {
      const series = [...known.values()].filter((each) => each.type === type);
      const reading: Reading = series.map(({ name, value }) => [{ service, name }, value]);
      if (type !== "histogram") yield [...readingLines(fullName, reading)].join("");
      else {
        for (const { name, value, buckets } of series)
          yield bucketsText(fullName, { service, name }, METRIC_BOUNDS, buckets, value);
      }
    }
  }
}

function merge(series: MetricChange, change: MetricChange): void {
  series.value = change.isSet ? change.value : series.value + change.value;
  for (const [i, count] of change.buckets.entries()) series.buckets[i] = (series.buckets[i] as number) + count;
}
