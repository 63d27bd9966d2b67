// The kinds of settings: each reads what a user gave, judges it, and writes it back. Pure.
import { formatDuration, formatSize, parseDuration, parseSize } from "./units.ts";

/** JSON Schema keywords of what a kind takes in a file. */
export type JsonForm = Readonly<Record<string, unknown>>;

/** One setting of the table. `Value` is what the program sees: ms, bytes, … */
export interface Setting<Value> {
  readonly kind: string;
  readonly doc: string;
  /** The value when nobody gives one. A function for what depends on the machine. */
  readonly initial: () => Value;
  /** The default as the docs show it. */
  readonly initialText: string;
  /** The range as the docs show it. */
  readonly range: string;
  /** A value from a file or from JSON. @throws SettingProblem */
  readonly read: (given: unknown) => Value;
  /** A value from the environment or a flag. @throws SettingProblem */
  readonly readText: (text: string) => Value;
  /** A method, so that a Setting of anything is a Setting<unknown>. */
  write(value: Value): string;
  readonly json: JsonForm;
  /** Never shown. */
  readonly isSecret?: true;
  /** The flag of `frenezulo up` that sets it, without its dashes; it also names its environment variable. */
  readonly flag?: string;
  /** A value with paths, made absolute: relative ones begin in the folder of the file that they stand in. */
  inFolder?(value: Value, folder: string): Value;
}

/** What is wrong with a given value and what would be right; the place is told by whoever knows it. */
export class SettingProblem extends Error {}

type Range = readonly [min: string, max: string];

/** A duration, in ms; "never" (Infinity) is taken where the range ends with it. */
export function duration(initial: string, [min, max]: Range, doc: string): Setting<number> {
  const bounds = [must(parseDuration(min)), must(parseDuration(max))] as const;
  const isEndless = bounds[1] === Number.POSITIVE_INFINITY;
  const examples = isEndless ? `"500ms", "30s", "5m" or "never"` : `"500ms", "30s" or "5m"`;
  const read = (given: unknown): number => {
    const ms = typeof given === "string" ? parseDuration(given) : undefined;
    if (ms === undefined) throw new SettingProblem(`${show(given)} is not a duration; write one like ${examples}`);
    return within(ms, bounds, show(given), [`"${min}"`, `"${max}"`]);
  };
  const json = {
    type: "string",
    pattern: `^(\\d+(\\.\\d+)?(ms|s|m|h|d)${isEndless ? "|never" : ""})$`,
    default: initial,
  };
  const initialMs = read(initial);
  return {
    kind: "duration",
    doc,
    initial: () => initialMs,
    initialText: initial,
    range: `${min} – ${max}`,
    read,
    readText: read,
    write: formatDuration,
    json,
  };
}

/** A duration or one of some words; "infinity", OTP's word, means "never". */
export function durationOr<Word extends string>(
  initial: string,
  words: readonly Word[],
  range: Range,
  doc: string,
): Setting<number | Word> {
  const plain = duration(initial, range, doc);
  const isWord = (given: unknown): given is Word => words.some((word) => word === given);
  const read = (given: unknown): number | Word => {
    if (isWord(given)) return given;
    if (given === "infinity") return plain.read("never");
    if (typeof given !== "string" || parseDuration(given) === undefined)
      throw new SettingProblem(
        `${show(given)} is neither a duration like "5s" nor ${oneOfText([...words, "infinity"])}`,
      );
    return plain.read(given);
  };
  return {
    ...plain,
    kind: `duration, ${[...words, "infinity"].join(", ")}`,
    read,
    readText: read,
    write: (value) => (typeof value === "number" ? plain.write(value) : value),
    json: { type: "string", default: initial },
  };
}

/** A size, in bytes: "64MiB", or a whole number of bytes. */
export function size(initial: string, [min, max]: Range, doc: string): Setting<number> {
  const bounds = [must(parseSize(min)), must(parseSize(max))] as const;
  const read = (given: unknown): number => {
    const bytes = typeof given === "string" ? parseSize(given) : given;
    if (typeof bytes !== "number" || !Number.isInteger(bytes))
      throw new SettingProblem(`${show(given)} is not a size; write one like "512KiB", "64MiB" or "1GB"`);
    return within(bytes, bounds, show(given), [`"${min}"`, `"${max}"`]);
  };
  const initialBytes = read(initial);
  return {
    kind: "size",
    doc,
    initial: () => initialBytes,
    initialText: initial,
    range: `${min} – ${max}`,
    read,
    readText: read,
    write: formatSize,
    json: {
      default: initial,
      anyOf: [
        { type: "string", pattern: "^\\d+(\\.\\d+)?([kMGT]?B|[KMGT]iB)$" },
        { type: "integer", minimum: bounds[0], maximum: bounds[1] },
      ],
    },
  };
}

/** A whole number. `initial` may depend on the machine; then it says how. */
export function int(
  initial: number | { readonly text: string; readonly of: () => number },
  [min, max]: readonly [number, number],
  doc: string,
): Setting<number> {
  return number("int", initial, [min, max], doc, (value) => Number.isInteger(value), "a whole number");
}

export function float(initial: number, range: readonly [number, number], doc: string): Setting<number> {
  return number("float", initial, range, doc, (value) => Number.isFinite(value), "a number");
}

function number(
  kind: "int" | "float",
  initial: number | { readonly text: string; readonly of: () => number },
  [min, max]: readonly [number, number],
  doc: string,
  isFit: (value: number) => boolean,
  what: string,
): Setting<number> {
  const read = (given: unknown): number => {
    if (typeof given !== "number" || !isFit(given)) throw new SettingProblem(`${show(given)} is not ${what}`);
    return within(given, [min, max], show(given), [String(min), String(max)]);
  };
  return {
    kind,
    doc,
    initial: typeof initial === "number" ? () => initial : initial.of,
    initialText: typeof initial === "number" ? String(initial) : initial.text,
    range: `${min} – ${max}`,
    read,
    readText: (text) => read(/^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text),
    write: String,
    json: {
      type: kind === "int" ? "integer" : "number",
      minimum: min,
      maximum: max,
      ...(typeof initial === "number" && { default: initial }),
    },
  };
}

export function bool(initial: boolean, doc: string): Setting<boolean> {
  const read = (given: unknown): boolean => {
    if (typeof given !== "boolean") throw new SettingProblem(`${show(given)} is not true or false (without quotes)`);
    return given;
  };
  return {
    kind: "bool",
    doc,
    initial: () => initial,
    initialText: String(initial),
    range: "true, false",
    read,
    readText: (text) => read(text === "true" ? true : text === "false" ? false : text),
    write: String,
    json: { type: "boolean", default: initial },
  };
}

export function oneOf<const Word extends string>(initial: Word, words: readonly Word[], doc: string): Setting<Word> {
  const read = (given: unknown): Word => {
    const found = words.find((word) => word === given);
    if (found === undefined) throw new SettingProblem(`${show(given)} is not ${oneOfText(words)}`);
    return found;
  };
  return {
    kind: "enum",
    doc,
    initial: () => initial,
    initialText: initial,
    range: words.join(", "),
    read,
    readText: read,
    write: (value) => value,
    json: { type: "string", enum: words, default: initial },
  };
}

/** What a text must look like: a pattern and the words for it. */
export interface Form {
  readonly pattern: RegExp;
  /** "an address like …" */
  readonly what: string;
}

export function text(initial: string, form: Form, doc: string): Setting<string> {
  const read = (given: unknown): string => {
    if (typeof given !== "string" || !form.pattern.test(given))
      throw new SettingProblem(`${show(given)} is not ${form.what}`);
    return given;
  };
  return {
    kind: "string",
    doc,
    initial: () => initial,
    initialText: initial,
    range: form.what,
    read,
    readText: read,
    write: (value) => value,
    json: { type: "string", pattern: form.pattern.source, default: initial },
  };
}

export function list(form: Form, doc: string): Setting<readonly string[]> {
  const read = (given: unknown): readonly string[] => {
    if (!Array.isArray(given)) throw new SettingProblem(`${show(given)} is not a list; write one like ["a", "b"]`);
    for (const each of given)
      if (typeof each !== "string" || !form.pattern.test(each))
        throw new SettingProblem(`${show(each)} is not ${form.what}`);
    return given as string[];
  };
  return {
    kind: "list",
    doc,
    initial: () => [],
    initialText: "[]",
    range: `each ${form.what}`,
    read,
    readText: (given) => read(given === "" ? [] : given.split(",").map((each) => each.trim())),
    write: (value) => `[${value.join(", ")}]`,
    json: { type: "array", items: { type: "string", pattern: form.pattern.source }, default: [] },
  };
}

/** Names and texts, such as environment variables. Texts are not shown: they may be secrets. */
export function map(name: Form, doc: string): Setting<Readonly<Record<string, string>>> {
  const read = (given: unknown): Readonly<Record<string, string>> => {
    if (typeof given !== "object" || given === null || Array.isArray(given))
      throw new SettingProblem(`${show(given)} is not a table of names and texts like { KEY = "value" }`);
    for (const [key, value] of Object.entries(given)) {
      if (!name.pattern.test(key)) throw new SettingProblem(`${show(key)} is not ${name.what}`);
      if (typeof value !== "string" || value.includes("\0"))
        throw new SettingProblem(`the value of ${key} is not a text without NUL`);
    }
    return { ...given } as Record<string, string>;
  };
  const readText = (given: string): Readonly<Record<string, string>> => {
    const pairs = given === "" ? [] : given.split(",").map((pair) => /^([^=]*)=(.*)$/s.exec(pair.trim()));
    if (pairs.includes(null)) throw new SettingProblem("it is not a list like KEY=value,OTHER=value");
    return read(Object.fromEntries(pairs.map((pair) => [pair?.[1] ?? "", pair?.[2] ?? ""])));
  };
  return {
    kind: "map",
    doc,
    initial: () => ({}),
    initialText: "{}",
    range: `names: ${name.what}`,
    read,
    readText,
    write: (value) => `{${Object.keys(value).join(", ")}}`,
    json: { type: "object", additionalProperties: { type: "string" }, default: {} },
  };
}

function within(value: number, [min, max]: readonly [number, number], given: string, [low, high]: Range): number {
  if (value < min) throw new SettingProblem(`${given} is too small; the smallest is ${low}`);
  if (value > max) throw new SettingProblem(`${given} is too large; the largest is ${high}`);
  return value;
}

function must(value: number | undefined): number {
  if (value === undefined) throw new Error("the table of settings has a range that cannot be read");
  return value;
}

/** What was given, on one line and short. */
export function show(given: unknown): string {
  const text = typeof given === "bigint" ? String(given) : (JSON.stringify(given) ?? String(given));
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}

function oneOfText(words: readonly string[]): string {
  const quoted = words.map((word) => `"${word}"`);
  return quoted.length === 1 ? (quoted[0] as string) : `${quoted.slice(0, -1).join(", ")} or ${quoted.at(-1)}`;
}
