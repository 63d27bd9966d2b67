// What a setting of any kind can be besides: optional, secret, a path, set by a flag. Pure.
import { resolve } from "node:path";
import { type Setting, SettingProblem } from "./kinds.ts";

/** A setting that may be left out; then it is undefined. */
export function optional<Value>(setting: Setting<Value>): Setting<Value | undefined> {
  const write = (value: Value | undefined): string => (value === undefined ? "" : setting.write(value));
  const { default: _, ...json } = setting.json;
  return { ...setting, initial: () => undefined, initialText: "none", write, json };
}

/** A setting whose value is never shown, not even when it is wrong. */
export function secret<Value>(setting: Setting<Value>): Setting<Value> {
  const read = (given: unknown): Value => {
    try {
      return setting.read(given);
    } catch {
      throw new SettingProblem(`what is given is not ${setting.range}`);
    }
  };
  return { ...setting, read, readText: read, write: () => "(secret)", isSecret: true };
}

export function withFlag<Value>(flag: string, setting: Setting<Value>): Setting<Value> {
  return { ...setting, flag };
}

export function path(setting: Setting<string>): Setting<string> {
  return { ...setting, kind: "path", inFolder: (value, folder) => resolve(folder, value) };
}
