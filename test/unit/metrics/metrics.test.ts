// Covers src/metrics/: counts of services and their rendering in Prometheus' text format.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DURATION_BOUNDS, DurationHistogram, ServiceMetrics } from "../../../src/metrics/counts.ts";
import { HISTOGRAMS_MAX, Metrics } from "../../../src/metrics/metrics.ts";

interface Family {
  type: string;
  help: string;
  /** Name with labels, as written → value. */
  samples: Map<string, number>;
}

const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"/;
const SAMPLE = new RegExp(`^([a-zA-Z_:][a-zA-Z0-9_:]*)(\\{${LABEL.source}(?:,${LABEL.source})*\\})? (\\S+)$`);

/** A strict reader of text format 0.0.4: throws at what Prometheus would refuse, and at a series that comes twice. */
function read(text: string): Map<string, Family> {
  const families = new Map<string, Family>();
  const helps = new Map<string, string>();
  let current: [name: string, family: Family] | undefined;
  if (!text.endsWith("\n")) throw new Error("the last line has no end");
  for (const line of text.slice(0, -1).split("\n")) {
    const comment = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line);
    if (comment !== null) {
      const [, kind, name = "", rest = ""] = comment;
      if (kind === "HELP") {
        if (helps.has(name)) throw new Error(`HELP twice: ${name}`);
        helps.set(name, rest);
      } else {
        if (families.has(name)) throw new Error(`TYPE twice: ${name}`);
        if (!/^(counter|gauge|histogram)$/.test(rest)) throw new Error(`type: ${line}`);
        current = [name, { type: rest, help: helps.get(name) ?? "", samples: new Map() }];
        families.set(...current);
      }
      continue;
    }
    const sample = SAMPLE.exec(line);
    if (sample === null) throw new Error(`not a sample: ${line}`);
    const name = sample[1] ?? "";
    const value = sample.at(-1) ?? "";
    if (current === undefined) throw new Error(`no family before: ${line}`);
    const allowed =
      current[1].type === "histogram" ? ["_bucket", "_sum", "_count"].map((end) => current?.[0] + end) : [current[0]];
    if (!allowed.includes(name)) throw new Error(`outside its family: ${line}`);
    const number =
      value === "+Inf" ? Number.POSITIVE_INFINITY : value === "-Inf" ? Number.NEGATIVE_INFINITY : Number(value);
    if (Number.isNaN(number) && value !== "NaN") throw new Error(`not a number: ${line}`);
    const series = line.slice(0, -value.length - 1);
    if (current[1].samples.has(series)) throw new Error(`series twice: ${series}`);
    current[1].samples.set(series, number);
  }
  for (const [name, family] of families) if (family.type === "histogram") assertHistogram(name, family);
  return families;
}

/** Buckets rise, the last one is +Inf and is the count. */
function assertHistogram(name: string, { samples }: Family): void {
  const counts = new Map<string, number>();
  for (const [series, value] of samples) {
    const inside = /_bucket\{(.*)\}$/.exec(series)?.[1];
    if (inside === undefined) continue;
    const pairs = inside.match(new RegExp(LABEL, "g")) ?? [];
    const le = pairs.find((pair) => pair.startsWith('le="'));
    const labels = pairs.filter((pair) => pair !== le).join(",");
    if (value < (counts.get(labels) ?? 0)) throw new Error(`falls: ${series}`);
    counts.set(labels, value);
    const total = samples.get(`${name}_count${labels === "" ? "" : `{${labels}}`}`);
    if (le === 'le="+Inf"' && total !== value) throw new Error(`count of ${series} is ${total}`);
  }
}

const REQUESTS = "frenezulo_requests_total";
const DURATION = "frenezulo_request_duration_seconds";

async function render(metrics: Metrics): Promise<Map<string, Family>> {
  return read(await metrics.render());
}

const named = (families: Map<string, Family>): string[] =>
  [...(families.get(DURATION)?.samples.keys() ?? [])].flatMap(
    (series) => /_count\{service="(.*)"\}/.exec(series)?.[1] ?? [],
  );

describe("the reader of these tests", () => {
  it.each([
    "a 1\n",
    "# TYPE a gauge\na 1",
    "# TYPE a gauge\na 1\na 2\n",
    "# TYPE a gauge\nb 1\n",
    "# TYPE a gauge\na x\n",
    '# TYPE a gauge\na{b="c"d"} 1\n',
    "# TYPE a gauge\n# TYPE a gauge\n",
    '# TYPE a histogram\na_bucket{le="1"} 2\na_bucket{le="+Inf"} 1\na_sum 1\na_count 1\n',
    '# TYPE a histogram\na_bucket{le="+Inf"} 1\na_sum 1\na_count 2\n',
  ])("refuses %j", (text) => {
    expect(() => read(text)).toThrow();
  });
});

describe("a service's counts", () => {
  it("are told by service and code, and as a histogram of seconds", async () => {
    const metrics = new Metrics();
    const hello = metrics.service("hello");
    for (let i = 0; i < 3; i++) hello.record(200, 90);
    hello.record(502, 2_000_000);
    hello.record(404, 60_000_000);
    metrics.service("silent");
    const families = await render(metrics);
    expect(Object.fromEntries(families.get(REQUESTS)?.samples ?? [])).toEqual({
      [`${REQUESTS}{service="hello",code="200"}`]: 3,
      [`${REQUESTS}{service="hello",code="502"}`]: 1,
      [`${REQUESTS}{service="hello",code="404"}`]: 1,
    });
    const samples = families.get(DURATION)?.samples;
    expect(samples?.get(`${DURATION}_bucket{service="hello",le="0.0001"}`)).toBe(3);
    expect(samples?.get(`${DURATION}_bucket{service="hello",le="1"}`)).toBe(3);
    expect(samples?.get(`${DURATION}_bucket{service="hello",le="2.5"}`)).toBe(4);
    expect(samples?.get(`${DURATION}_bucket{service="hello",le="10"}`)).toBe(4);
    expect(samples?.get(`${DURATION}_count{service="hello"}`)).toBe(5);
    expect(samples?.get(`${DURATION}_sum{service="hello"}`)).toBeCloseTo(62.00027);
    expect([hello.requests, hello.failures]).toEqual([5, 1]);
  });

  it("fall into the bucket whose bound they do not exceed", () => {
    const histogram = new DurationHistogram();
    for (const seconds of DURATION_BOUNDS) histogram.observe(seconds * 1e6);
    expect(histogram.buckets).toEqual([...DURATION_BOUNDS.map(() => 1), 0]);
    for (const seconds of DURATION_BOUNDS) histogram.observe(seconds * 1e6 + 1);
    expect(histogram.buckets).toEqual([
      1,
      ...DURATION_BOUNDS.map((_, i) => (i === DURATION_BOUNDS.length - 1 ? 1 : 2)),
    ]);
  });

  it("touch no array's length but at a code's first time", () => {
    const counts = new ServiceMetrics("hello", new DurationHistogram());
    counts.record(200, 1);
    counts.record(500, 1);
    const arrays = [counts.codes, counts.counts, counts.histogram.buckets];
    const lengths = arrays.map(({ length }) => length);
    for (let i = 0; i < 10_000; i++) counts.record(i % 2 === 0 ? 200 : 500, i);
    expect(arrays.map(({ length }) => length)).toEqual(lengths);
    expect([counts.codes, counts.counts, counts.histogram.buckets].every((each, i) => each === arrays[i])).toBe(true);
  });

  it("begin at 0 again when the service was removed", async () => {
    const metrics = new Metrics();
    metrics.service("a").record(200, 1);
    metrics.remove("a");
    expect((await render(metrics)).get(REQUESTS)?.samples.size).toBe(0);
    metrics.service("a").record(200, 1);
    expect((await render(metrics)).get(REQUESTS)?.samples.get(`${REQUESTS}{service="a",code="200"}`)).toBe(1);
  });
});

describe("histograms", () => {
  it("are the busiest services' own, however late they came, and the rest's together", async () => {
    const metrics = new Metrics();
    const all = Array.from({ length: 500 }, (_, i) => metrics.service(`s${i}`));
    const hit = () =>
      all.forEach((each, i) => {
        for (let n = 0; n < (i >= 400 ? 5 : 1); n++) each.record(200, 10);
      });
    hit();
    await metrics.render();
    hit();
    const families = await render(metrics);
    const busiest = Array.from({ length: HISTOGRAMS_MAX }, (_, i) => `s${400 + i}`);
    expect(named(families).sort()).toEqual([...busiest, "other"].sort());
    expect(families.get(REQUESTS)?.samples.size).toBe(500);
  });

  it("stay where they are while others are not twice as busy", async () => {
    const metrics = new Metrics();
    const all = Array.from({ length: 2 * HISTOGRAMS_MAX }, (_, i) => metrics.service(`s${i}`));
    const before = named(await render(metrics));
    for (let round = 0; round < 5; round++) {
      all.forEach((each, i) => {
        for (let n = 0; n < (i < HISTOGRAMS_MAX ? 4 : 7); n++) each.record(200, 10);
      });
      expect(named(await render(metrics))).toEqual(before);
    }
  });

  it("go from services that were busy once to those that are busy now, whose forerunners count as other", async () => {
    const metrics = new Metrics();
    const hit = (services: readonly ServiceMetrics[], times: number) => {
      for (const each of services) for (let n = 0; n < times; n++) each.record(200, 10);
    };
    const old = Array.from({ length: HISTOGRAMS_MAX }, (_, i) => metrics.service(`old${i}`));
    const young = Array.from({ length: HISTOGRAMS_MAX }, (_, i) => metrics.service(`young${i}`));
    hit(old, 1_000);
    await metrics.render();
    for (let round = 0; round < 12; round++) {
      hit(young, 5);
      await metrics.render();
    }
    const other = async () =>
      (await render(metrics)).get(DURATION)?.samples.get(`${DURATION}_count{service="other"}`) ?? 0;
    expect(named(await render(metrics)).filter((prefix) => prefix.startsWith("young"))).toHaveLength(HISTOGRAMS_MAX);
    const before = await other();
    hit(old, 1);
    expect(await other()).toBe(before + HISTOGRAMS_MAX);
  });

  it("never share a series with a service whose prefix is other", async () => {
    const metrics = new Metrics();
    const other = metrics.service("other");
    for (let i = 0; i < 10; i++) other.record(200, 10);
    await render(metrics);
    const families = await render(metrics);
    expect(families.get(DURATION)?.samples.get(`${DURATION}_count{service="other"}`)).toBe(10);
  });

  it("never fall, and lose nothing, whatever is asked for and scraped when (property)", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(fc.tuple(fc.nat(HISTOGRAMS_MAX + 40), fc.integer({ min: 1, max: 50 })), { maxLength: 60 }), {
          minLength: 2,
          maxLength: 6,
        }),
        async (rounds) => {
          const metrics = new Metrics();
          const recorded = new Map<string, number>();
          let before = await render(metrics);
          for (const round of rounds) {
            for (const [service, times] of round) {
              const prefix = `s${service}`;
              recorded.set(prefix, (recorded.get(prefix) ?? 0) + times);
              for (let i = 0; i < times; i++) metrics.service(prefix).record(200, i * 100);
            }
            const after = await render(metrics);
            for (const name of [REQUESTS, DURATION]) {
              for (const [series, value] of before.get(name)?.samples ?? []) {
                expect(after.get(name)?.samples.get(series) ?? value).toBeGreaterThanOrEqual(value);
              }
            }
            for (const [prefix, count] of recorded) {
              expect(after.get(REQUESTS)?.samples.get(`${REQUESTS}{service="${prefix}",code="200"}`)).toBe(count);
            }
            expect(named(after).length).toBeLessThanOrEqual(HISTOGRAMS_MAX + 1);
            before = after;
          }
        },
      ),
      { numRuns: 20 },
    );
  });
});

describe("registered readings", () => {
  it("are asked for at each scrape, with and without labels", async () => {
    const metrics = new Metrics();
    let inFlight = 1;
    metrics.gauge("in_flight", "Requests in flight.", () => inFlight);
    metrics.gauge("actors", "Actors.", () => [
      [{ state: "idle" }, 2],
      [{ state: 'a"b\\c\nd' }, Number.POSITIVE_INFINITY],
    ]);
    metrics.counter("shed_total", "Requests shed.\nBy \\ reason.", () => new Map([[{ reason: "busy" }, 7]]));
    expect((await render(metrics)).get("frenezulo_in_flight")?.samples.get("frenezulo_in_flight")).toBe(1);
    inFlight = 2;
    const families = await render(metrics);
    expect(families.get("frenezulo_in_flight")).toMatchObject({ type: "gauge", help: "Requests in flight." });
    expect(families.get("frenezulo_in_flight")?.samples.get("frenezulo_in_flight")).toBe(2);
    expect(Object.fromEntries(families.get("frenezulo_actors")?.samples ?? [])).toEqual({
      'frenezulo_actors{state="idle"}': 2,
      'frenezulo_actors{state="a\\"b\\\\c\\nd"}': Number.POSITIVE_INFINITY,
    });
    expect(families.get("frenezulo_shed_total")).toMatchObject({
      type: "counter",
      help: "Requests shed.\\nBy \\\\ reason.",
    });
  });

  it("have one name each, of the format's characters", () => {
    const metrics = new Metrics();
    metrics.gauge("services", "Services.", () => 0);
    expect(() => metrics.gauge("services", "Services.", () => 0)).toThrow("registered already");
    expect(() => metrics.counter("requests_total", "Requests.", () => 0)).toThrow("registered already");
    for (const name of ["", "9a", "a-b", "a b", "A"])
      expect(() => metrics.gauge(name, "", () => 0)).toThrow("is not a metric's name");
  });

  it("may be histograms", async () => {
    const metrics = new Metrics();
    const coldStarts = metrics.histogram("cold_start_seconds", "Cold starts.");
    coldStarts.observe(1_500);
    const samples = (await render(metrics)).get("frenezulo_cold_start_seconds")?.samples;
    expect(samples?.get("frenezulo_cold_start_seconds_count")).toBe(1);
    expect(samples?.get('frenezulo_cold_start_seconds_bucket{le="0.001"}')).toBe(0);
    expect(samples?.get('frenezulo_cold_start_seconds_bucket{le="0.0025"}')).toBe(1);
  });

  it("that throw fail the scrape, and not the next one", async () => {
    const metrics = new Metrics();
    let isBroken = true;
    metrics.gauge("odd", "Odd.", () => {
      if (isBroken) throw new Error("odd");
      return 1;
    });
    await expect(metrics.render()).rejects.toThrow("odd");
    isBroken = false;
    expect((await render(metrics)).has("frenezulo_odd")).toBe(true);
  });
});

it("tells of the process: memory, time, descriptors, event loop", async () => {
  const families = await render(new Metrics());
  for (const name of [
    "process_resident_memory_bytes",
    "process_cpu_seconds_total",
    "process_start_time_seconds",
    "process_open_fds",
    "nodejs_eventloop_lag_p99_seconds",
    "nodejs_gc_duration_seconds",
    "nodejs_heap_size_used_bytes",
  ]) {
    expect(families.has(name), name).toBe(true);
  }
  expect(families.get("process_open_fds")?.samples.get("process_open_fds")).toBeGreaterThan(2);
});

describe("a scrape of 10,000 services", () => {
  it("lets the loop run after every 3 ms of its own", async () => {
    /** Turns of the loop from the scrape's begin to the end of the services' families. */
    const turnsOf = async (stepMs: number) => {
      // A clock that goes on with each look at it: with each service rendered, that is.
      let clock = 0;
      const metrics = new Metrics(() => {
        clock += stepMs;
        return clock;
      });
      for (let i = 0; i < 10_000; i++) metrics.service(`service-${i}`).record(200 + (i % 3), i);
      let turns = 0;
      let isAfterServices = false;
      metrics.gauge("after_services", "Read once the services are rendered.", () => {
        isAfterServices = true;
        return turns;
      });
      const turn = () => {
        if (isAfterServices) return;
        turns += 1;
        setImmediate(turn);
      };
      setImmediate(turn);
      const families = await render(metrics);
      expect(families.get(REQUESTS)?.samples.size).toBe(10_000);
      return turns;
    };
    expect(await turnsOf(0)).toBeLessThan(5);
    expect(await turnsOf(0.1)).toBeGreaterThan((10_000 * 0.1) / 3.2);
    expect(await turnsOf(3)).toBeGreaterThan(9_900);
  });

  it("is well formed while services come, go and are asked between its slices", async () => {
    let clock = 0;
    const metrics = new Metrics(() => {
      clock += 1;
      return clock;
    });
    for (let i = 0; i < 1_000; i++) metrics.service(`s${i}`).record(200, i);
    let isDone = false;
    let n = 0;
    const change = () => {
      if (isDone) return;
      const prefix = `s${n++ % 1_000}`;
      metrics.remove(prefix);
      metrics.service(prefix).record(500, n);
      metrics.service(`new${n}`).record(200, n);
      setImmediate(change);
    };
    setImmediate(change);
    const families = await render(metrics);
    isDone = true;
    expect(n).toBeGreaterThan(100);
    expect(families.get(REQUESTS)?.samples.size).toBeGreaterThanOrEqual(1_000);
    expect(named(families).length).toBeLessThanOrEqual(HISTOGRAMS_MAX + 1);
  });

  it("is shared by those who ask at the same time", async () => {
    const metrics = new Metrics();
    let reads = 0;
    metrics.gauge("reads", "Reads.", () => ++reads);
    const [a, b] = await Promise.all([metrics.render(), metrics.render()]);
    expect(a).toBe(b);
    expect(reads).toBe(1);
    await metrics.render();
    expect(reads).toBe(2);
  });
});
