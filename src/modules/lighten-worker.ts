// The process that makes modules light, one after the other; src/modules/lightener.ts starts it. Bundled to
// dist/lighten-worker.js, npm's binaryen outside: it is loaded with the first module.
import { setPriority } from "node:os";
import process from "node:process";
import { asFrenezuloError, reasonOf } from "../errors.ts";
import { lighten } from "./lighten.ts";
import { printable } from "./reader.ts";

/** What comes back for a module (a Uint8Array). */
export type LightenAnswer =
  | { readonly bytes: Uint8Array }
  /** Why it cannot be light; `isFinal` if it will not become so by trying again. */
  | { readonly why: string; readonly isFinal: boolean };

const WHY_MAX = 500;

process.on("message", async (bytes: Uint8Array) => {
  process.send?.(await answer(bytes));
});
// A terminal sends it to all its processes: the node decides what becomes of us.
process.on("SIGINT", () => undefined);
setPriority(Number(process.argv[2] ?? 0));

/** What Binaryen says before it gives up. It takes console.error when it is loaded. */
const said: string[] = [];
console.error = (...texts: unknown[]): void => {
  said.push(...texts.map(String));
};

async function answer(bytes: Uint8Array): Promise<LightenAnswer> {
  try {
    return { bytes: await lighten(bytes) };
  } catch (thrown) {
    const error = asFrenezuloError(thrown);
    if (error.code !== "internal") {
      return { why: printable([error.details.why, ...said].join("; "), WHY_MAX), isFinal: true };
    }
    const isMissing = (error.cause as { code?: unknown } | null)?.code === "ERR_MODULE_NOT_FOUND";
    const why = isMissing ? "npm's package binaryen is not installed" : reasonOf(error.cause);
    return { why, isFinal: false };
  }
}
