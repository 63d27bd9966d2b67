// Bundles a program into a file that Node 20 runs; for tests that start real threads and processes of their own.
// Removed after the test file.
import { rmSync } from "node:fs";
import { basename, join } from "node:path";
import { build } from "esbuild";
import { afterAll } from "vitest";

const root = join(import.meta.dirname, "../..");

/**
 * Call it while tests are collected: `const program = await bundle("actors/carrier.ts")`.
 * @param entry path from the root
 * @returns the file's path
 */
export async function bundle(entry: string): Promise<string> {
  const outfile = join(root, "test/.tmp", `${basename(entry, ".ts")}-${process.pid}.mjs`);
  await build({
    entryPoints: [join(root, entry)],
    outfile,
    bundle: true,
    packages: "external",
    platform: "node",
    format: "esm",
    target: "node20",
    logLevel: "warning",
  });
  afterAll(() => rmSync(outfile, { force: true }));
  return outfile;
}
