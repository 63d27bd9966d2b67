// Durations and sizes as people write them ("500ms", "64MiB") and as the program keeps them (ms, bytes). Pure.

const durationUnits = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const sizeUnits = {
  B: 1,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
} as const;

/** ms of "500ms", "1.5s", "5m", "1h", "30d"; Infinity of "never"; undefined of anything else (no unit, a minus). */
export function parseDuration(text: string): number | undefined {
  return text === "never" ? Number.POSITIVE_INFINITY : parse(text, durationUnits);
}

/** The shortest way to write a duration: 90000 → "90s". */
export function formatDuration(ms: number): string {
  return ms === Number.POSITIVE_INFINITY ? "never" : format(ms, durationUnits);
}

/** Bytes of "64MiB", "1MB", "512B"; undefined of anything else. */
export function parseSize(text: string): number | undefined {
  return parse(text, sizeUnits);
}

/** The shortest way to write a size: 1048576 → "1MiB". */
export function formatSize(bytes: number): string {
  return format(bytes, sizeUnits);
}

/** A whole number of the smallest unit, or undefined. */
function parse(text: string, units: Readonly<Record<string, number>>): number | undefined {
  const [, number, unit] = /^(\d{1,15}(?:\.\d{1,9})?)([a-zA-Z]{1,3})$/.exec(text) ?? [];
  if (number === undefined || unit === undefined || !Object.hasOwn(units, unit)) return undefined;
  const value = Number(number) * (units[unit] as number);
  const whole = Math.round(value);
  // 1.1MB is 1100000.0000000001 bytes in floating point, but 0.5ms is not a whole number of ms.
  return Math.abs(value - whole) < 1e-6 && Number.isSafeInteger(whole) ? whole : undefined;
}

function format(value: number, units: Readonly<Record<string, number>>): string {
  const texts = Object.entries(units)
    .filter(([, factor]) => value % factor === 0)
    .map(([unit, factor]) => `${value / factor}${unit}`);
  return texts.reduce((best, each) => (each.length <= best.length && value !== 0 ? each : best));
}
