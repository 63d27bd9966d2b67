// The options of a benchmark, from its command line: --help tells them, and an unknown one is a line, not a stack.
import process from "node:process";
import { parseArgs } from "node:util";

/**
 * @param {string} usage what stands before the options, as "npm run bench --"
 * @param {import("node:util").ParseArgsConfig} config as parseArgs takes it
 * @returns what parseArgs gives; --help and a mistake end the process, with code 0 and 2
 */
export function optionsOf(usage, config) {
  const options = Object.entries({ ...config.options, help: { type: "boolean" } });
  const words = options.map(([name, { type }]) => (type === "string" ? `[--${name} X]` : `[--${name}]`));
  const text = `Usage: ${usage} ${words.join(" ")}; load/README.md says what they do`;
  let parsed;
  try {
    parsed = parseArgs({ ...config, options: Object.fromEntries(options) });
  } catch (error) {
    console.error(`${error.message}\n${text}`);
    process.exit(2);
  }
  if (!parsed.values.help) return parsed;
  console.log(text);
  return process.exit(0);
}
