// A log line for a person: time, level, text, fields. Pure.
import { escapeControls } from "../../wire/escape.ts";

const colours: Readonly<Record<string, number>> = { debug: 90, info: 36, warn: 33, error: 31 };

/** @param json one line of the log, as pino writes it */
export function prettyLine(json: string): string {
  const { time, level, msg = "", ...fields } = JSON.parse(json) as Record<string, unknown>;
  const clock = String(time).slice(11, 23);
  const colour = colours[String(level)] ?? 0;
  const pairs = Object.entries(fields).map(([name, value]) => {
    const text = typeof value === "string" && /^[^\s"]+$/.test(value) ? value : JSON.stringify(value);
    return ` \x1b[90m${escapeControls(name)}=\x1b[0m${escapeControls(text)}`;
  });
  return `${clock} \x1b[${colour}m${String(level).padEnd(5)}\x1b[0m ${escapeControls(String(msg))}${pairs.join("")}\n`;
}
