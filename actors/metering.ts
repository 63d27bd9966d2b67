// What a carrier's guests count, kept until there is a moment and room to tell the main thread; it never waits for
// either. What a carrier has not told when it ends is lost.
import type { Bell } from "../wire/bell.ts";
import { KIND } from "../wire/layout.ts";
import {
  bucketOf,
  encodeMetrics,
  METRIC_FRAME_BYTES_MAX,
  METRIC_NAME_BYTES_MAX,
  METRIC_NAMES_MAX,
  type MetricChange,
  type MetricType,
  newChange,
} from "../wire/metrics.ts";
import type { RingWriter } from "../wire/ring.ts";

/** While a guest goes on counting it is told this often, in ms; at the end of a request as soon as may be. */
const FLUSH_MS = 100;
/** Each series that was told costs the main thread some microseconds: for so long no more is told. ms */
const SERIES_MS = 0.5;
const COUNT_MAX = 0xffff_ffff;

/** What a guest did to a metric: added to a counter, set or changed a gauge, observed a value. */
export type MetricEvent = "add" | "set" | "change" | "observe";
const typeOf: Readonly<Record<MetricEvent, MetricType>> = {
  add: "counter",
  set: "gauge",
  change: "gauge",
  observe: "histogram",
};

interface Counted {
  /** By type and name. What was told is there still, with nothing in it: its name counts. */
  readonly changes: Map<string, MetricChange>;
  readonly waiting: Set<MetricChange>;
  refused: number;
}

export class Metering {
  readonly #replies: RingWriter;
  readonly #bell: Bell;
  readonly #services = new Map<string, Counted>();
  /** Services that have something to tell. */
  readonly #waiting = new Set<string>();
  readonly #frame = Buffer.alloc(METRIC_FRAME_BYTES_MAX);
  /** Since when something waits. */
  #sinceMs = 0;
  /** When something may be told again. */
  #nextMs = 0;

  constructor(replies: RingWriter, bell: Bell) {
    this.#replies = replies;
    this.#bell = bell;
  }

  /** Counts an event. A name that is no good, or one too many, is refused and counted as such. */
  record(service: string, event: MetricEvent, name: string, value: number): void {
    let counted = this.#services.get(service);
    if (counted === undefined) {
      counted = { changes: new Map(), waiting: new Set(), refused: 0 };
      this.#services.set(service, counted);
    }
    const nowMs = performance.now();
    if (this.#waiting.size === 0) this.#sinceMs = nowMs;
    this.#waiting.add(service);
    const change = changeOf(counted, typeOf[event], name);
    if (change === undefined || (event === "observe" && Number.isNaN(value))) counted.refused++;
    else {
      counted.waiting.add(change);
      apply(change, event, value);
    }
    if (nowMs - this.#sinceMs > FLUSH_MS) this.tell();
  }

  /** How long it should be until the next `tell`. ms */
  get idleMs(): number {
    return this.#waiting.size === 0 ? Number.POSITIVE_INFINITY : Math.max(0, this.#nextMs - performance.now());
  }

  /** Tells what there is room for, if it is time. */
  tell(): void {
    if (this.#waiting.size > 0 && performance.now() >= this.#nextMs) this.flush();
  }

  /** Tells what there is room for now. */
  flush(): void {
    if (this.#waiting.size === 0) return;
    const nowMs = performance.now();
    this.#sinceMs = nowMs; // also where there is no room: it is not tried again at once
    this.#nextMs = nowMs + FLUSH_MS;
    let told = 0;
    for (const service of this.#waiting) {
      const { waiting, refused } = this.#services.get(service) as Counted;
      const length = encodeMetrics(this.#frame, service, Math.min(refused, COUNT_MAX), waiting);
      const at = this.#replies.reserve(length);
      if (at < 0) return;
      this.#frame.copy(this.#replies.bytes, at, 0, length);
      this.#replies.commit(KIND.metrics, 0, 0, 0, length);
      this.#bell.ring();
      told += Math.max(1, waiting.size);
      this.#told(service);
    }
    this.#nextMs = nowMs + told * SERIES_MS;
  }

  /** Forgets the names of a service that has no actor here any more. */
  forget(service: string): void {
    this.flush();
    this.#services.delete(service);
    this.#waiting.delete(service);
  }

  #told(service: string): void {
    const counted = this.#services.get(service) as Counted;
    for (const change of counted.waiting) {
      change.value = 0;
      change.isSet = false;
      change.buckets.fill(0);
    }
    counted.waiting.clear();
    counted.refused = 0;
    this.#waiting.delete(service);
  }
}

function changeOf({ changes }: Counted, type: MetricType, name: string): MetricChange | undefined {
  const key = `${type} ${name}`;
  const known = changes.get(key);
  if (known !== undefined) return known;
  if (changes.size >= METRIC_NAMES_MAX || name === "" || /\p{Cc}/u.test(name)) return undefined;
  if (Buffer.byteLength(name) > METRIC_NAME_BYTES_MAX) return undefined;
  const change = newChange(type, name);
  changes.set(key, change);
  return change;
}

function apply(change: MetricChange, event: MetricEvent, value: number): void {
  if (event === "set") {
    change.value = value;
    change.isSet = true;
  } else change.value += value;
  if (event !== "observe") return;
  const bucket = bucketOf(value);
  change.buckets[bucket] = Math.min((change.buckets[bucket] as number) + 1, COUNT_MAX);
}
