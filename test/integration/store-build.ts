// Bundles store-child.ts into a file that Node 20 runs; for the tests that kill it.
import { mkdirSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

/** Path of the built script. Each test process builds its own. */
export async function buildStoreChild(): Promise<string> {
  const folder = fileURLToPath(new URL("../.tmp", import.meta.url));
  mkdirSync(folder, { recursive: true });
  const outfile = `${folder}/store-child-${process.pid}.mjs`;
  await build({
    entryPoints: [fileURLToPath(new URL("store-child.ts", import.meta.url))],
    outfile,
    bundle: true,
    packages: "external",
    platform: "node",
    format: "esm",
    target: "node20",
  });
  process.once("exit", () => rmSync(outfile, { force: true }));
  return outfile;
}
