// All metrics of the node, read and rendered when someone scrapes.
//
// A scrape of many services is cut into slices between which the loop runs (DECISIONS 7.2).
import { readdir } from "node:fs/promises";
import { collectDefaultMetrics, Registry } from "prom-client";
import { nextSlice, renderInSlices } from "../slices.ts";
import { DurationHistogram, ServiceMetrics } from "./counts.ts";
import { GuestMetrics } from "./guest.ts";
import { escapeLabel, familyText, histogramText, type Reading, readingLines } from "./text.ts";

/** Services with a latency histogram of their own; the others share the one of service="other". */
export const HISTOGRAMS_MAX = 100;
/** Label of the shared histogram. A service may have this very prefix: then it never gets one of its own. */
const OTHER = "other";

interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: "gauge" | "counter" | "histogram";
  readonly lines: () => Iterable<string>;
}

/** How busy a service has been lately: half of what it was at the last scrape, and the requests since then. */
interface Business {
  readonly metrics: ServiceMetrics;
  requestsThen: number;
  score: number;
}

export class Metrics {
  /** What guests count themselves. */
  readonly guest = new GuestMetrics((service) => this.#services.has(service));
  readonly #services = new Map<string, Business>();
  /** Prefixes of the services with a histogram of their own. */
  readonly #own = new Set<string>();
  readonly #other = new DurationHistogram();
  readonly #families: Family[] = [];
  readonly #process = new Registry();
  readonly #now: () => number;
  #rendering: Promise<string> | undefined;

  /** @param now milliseconds of a monotonic clock, for cutting slices */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    collectDefaultMetrics({ register: this.#process });
    // These walk everything that is open inside one turn of the loop: 10,000 connections would stall it.
    for (const name of ["nodejs_active_handles", "nodejs_active_requests", "nodejs_active_resources"]) {
      this.#process.removeSingleMetric(name);
      this.#process.removeSingleMetric(`${name}_total`);
    }
    this.#process.removeSingleMetric("process_open_fds");
    this.#register("requests_total", "counter", "Requests answered, by service and status.", () => this.#requests());
    this.#register(
      "request_duration_seconds",
      "histogram",
      `From a request's head to its answer; the ${HISTOGRAMS_MAX} busiest services, the rest as "${OTHER}".`,
      () => this.#durations(),
    );
    const byName = "of the services' guests, by their names (lunatic::metrics).";
    this.#register("guest_counter_total", "counter", `Counters ${byName}`, (full) => this.guest.lines(full, "counter"));
    this.#register("guest_gauge", "gauge", `Gauges ${byName}`, (full) => this.guest.lines(full, "gauge"));
    this.#register("guest_histogram", "histogram", `Histograms ${byName}`, (full) =>
      this.guest.lines(full, "histogram"),
    );
    this.counter("guest_metrics_refused_total", "Changes to guests' metrics that were refused: names.", () => {
      return this.guest.refused;
    });
  }

  /** The counts of a service, made if there are none. They begin at 0 again after `remove`. */
  service(prefix: string): ServiceMetrics {
    const known = this.#services.get(prefix);
    if (known !== undefined) return known.metrics;
    const metrics = new ServiceMetrics(prefix, this.#other);
    this.#services.set(prefix, { metrics, requestsThen: 0, score: 0 });
    if (this.#own.size < HISTOGRAMS_MAX && prefix !== OTHER) this.#giveOwn(metrics);
    return metrics;
  }

  remove(prefix: string): void {
    this.#services.delete(prefix);
    this.guest.remove(prefix);
    this.#own.delete(prefix);
  }

  /** Registers a number that goes up and down. `read` is called once a scrape and must not block. */
  gauge(name: string, help: string, read: () => Reading): void {
    this.#register(name, "gauge", help, (full) => readingLines(full, read()));
  }

  /** Registers a number that only grows; its name ends in _total. */
  counter(name: string, help: string, read: () => Reading): void {
    this.#register(name, "counter", help, (full) => readingLines(full, read()));
  }

  /** Registers a histogram of durations in seconds; its name ends in _seconds. */
  histogram(name: string, help: string): DurationHistogram {
    const histogram = new DurationHistogram();
    this.#register(name, "histogram", help, (full) => [histogramText(full, {}, histogram)]);
    return histogram;
  }

  /** Everything, in Prometheus' text format 0.0.4. Scrapes at the same time share one rendering. */
  render(): Promise<string> {
    this.#rendering ??= this.#render().finally(() => {
      this.#rendering = undefined;
    });
    return this.#rendering;
  }

  async #render(): Promise<string> {
    this.#rank();
    const ours = await renderInSlices(this.#lines(), this.#now);
    let text = "";
    for (const { name } of this.#process.getMetricsAsArray()) {
      const family = await this.#process.getSingleMetricAsString(name);
      text += `${family.replace(/ Nan$/gm, " NaN")}\n`; // prom-client 15 misspells it
      await nextSlice();
    }
    const openFiles = await readdir("/proc/self/fd").catch(() => null);
    if (openFiles !== null) {
      text += familyText("process_open_fds", "gauge", "Number of open file descriptors.");
      text += `process_open_fds ${openFiles.length - 1}\n`; // without the one that read the folder
    }
    return ours.toString() + text;
  }

  #register(name: string, type: Family["type"], help: string, lines: (fullName: string) => Iterable<string>): void {
    const full = `frenezulo_${name}`;
    if (!/^[a-z][a-z0-9_]*$/.test(name)) throw new Error(`${name} is not a metric's name`);
    if (this.#families.some((each) => each.name === full)) throw new Error(`metric ${full} is registered already`);
    this.#families.push({ name: full, type, help, lines: () => lines(full) });
  }

  *#lines(): Iterable<string> {
    for (const { name, type, help, lines } of this.#families) {
      yield familyText(name, type, help);
      yield* lines();
    }
  }

  *#requests(): Iterable<string> {
    // A copy: a service that is removed and added again between two slices must not be told of twice.
    for (const { metrics } of [...this.#services.values()]) {
      const { prefix, codes, counts } = metrics;
      const begin = `frenezulo_requests_total{service="${escapeLabel(prefix)}",code="`;
      let lines = "";
      for (let i = 0; i < codes.length; i++) {
        lines += `${begin}${codes[i]}"} ${counts[i]}\n`;
      }
      yield lines;
    }
  }

  *#durations(): Iterable<string> {
    const name = "frenezulo_request_duration_seconds";
    const own = [...this.#services.values()].filter(({ metrics }) => this.#own.has(metrics.prefix));
    for (const { metrics } of own) yield histogramText(name, { service: metrics.prefix }, metrics.histogram);
    yield histogramText(name, { service: OTHER }, this.#other);
  }

  /**
   * Gives histograms to the services that have been busiest lately. A service takes another's only when it is twice as
   * busy, so that series do not come and go; what was counted under "other" stays there, so that no counter ever falls.
   */
  #rank(): void {
    const scores: number[] = [];
    for (const business of this.#services.values()) {
      business.score = business.score / 2 + (business.metrics.requests - business.requestsThen);
      business.requestsThen = business.metrics.requests;
      scores.push(business.score);
    }
    // Only what is among the busiest is sorted with its service: comparing 10,000 objects would take too long.
    const threshold = Float64Array.from(scores).sort().at(-HISTOGRAMS_MAX) ?? 0;
    const candidates: Business[] = [];
    const owners: Business[] = [];
    for (const [prefix, business] of this.#services) {
      if (this.#own.has(prefix)) owners.push(business);
      else if (business.score > 0 && business.score >= threshold && prefix !== OTHER) candidates.push(business);
    }
    candidates.sort((a, b) => b.score - a.score);
    owners.sort((a, b) => b.score - a.score);
    for (const candidate of candidates) {
      if (this.#own.size >= HISTOGRAMS_MAX) {
        const least = owners.pop();
        if (least === undefined || candidate.score <= 2 * least.score) return;
        this.#own.delete(least.metrics.prefix);
        least.metrics.histogram = this.#other;
      }
      this.#giveOwn(candidate.metrics);
    }
  }

  #giveOwn(metrics: ServiceMetrics): void {
    this.#own.add(metrics.prefix);
    metrics.histogram = new DurationHistogram();
  }
}
