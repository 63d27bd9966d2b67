// Rewrites a module for light processes: a counter of reductions, and stacks that unwind and rewind (Asyncify).
// Runs in a process of its own (lighten-worker.ts), since it takes seconds, much memory and can abort.
import { blockingFunctions, callingBack } from "../../wire/abi/blocking.ts";
import { LIGHT_IMPORTS } from "../../wire/abi/light.ts";
import { FrenezuloError, reasonOf } from "../errors.ts";
import { printable } from "./reader.ts";
import { COUNTED, countReductions } from "./reductions.ts";

type Binaryen = typeof import("binaryen")["default"];

/**
 * The light module of `bytes`; its contract is in wire/abi/light.ts. Names in the name section stay; so do the
 * guest's exports and imports, but for its start section, which becomes an export.
 *
 * Binaryen optimises (level 1) what it has taken apart, and with it the functions that cannot unwind. Without that a
 * Rust service of 263 kB is rewritten in 0.7 s instead of 4.5, but to 3.7 times its size instead of 1.8; with cheap
 * passes afterwards in 2.5 s to 2.4 times (M).
 *
 * @param bytes a module that the intake took
 * @throws not_light with the reason. After another error, or one whose reason is Binaryen's, the Binaryen of this
 *   thread cannot be used again
 */
export async function lighten(bytes: Uint8Array): Promise<Uint8Array> {
  const counted = countReductions(bytes);
  const { default: binaryen } = await import("binaryen");
  try {
    return asyncify(binaryen, counted);
  } catch (thrown) {
    if (thrown instanceof FrenezuloError) throw thrown;
    throw new FrenezuloError("not_light", { why: `Binaryen gave up (${printable(reasonOf(thrown), 200)})` });
  }
}

function asyncify(binaryen: Binaryen, counted: Uint8Array): Uint8Array {
  const module = binaryen.readBinaryWithFeatures(counted, features(binaryen));
  try {
    importInstead(binaryen, module, COUNTED.yield, LIGHT_IMPORTS.yield);
    importInstead(binaryen, module, COUNTED.check, LIGHT_IMPORTS.check);
    binaryen.setDebugInfo(true); // the name section
    binaryen.setOptimizeLevel(1);
    binaryen.setShrinkLevel(0);
    binaryen.setPassArgument("asyncify-imports", unwindingImports.join(","));
    module.runPasses(["asyncify"]);
    return module.emitBinary();
  } finally {
    module.dispose();
  }
}

/** What the intake lets through, and V8 11.3 runs: with more, Binaryen would write types that it does not know. */
function features({ Features }: Binaryen): number {
  return (
    Features.MutableGlobals |
    Features.SignExt |
    Features.NontrappingFPToInt |
    Features.BulkMemory |
    Features.BulkMemoryOpt |
    Features.SIMD128 |
    Features.RelaxedSIMD |
    Features.ReferenceTypes |
    Features.CallIndirectOverlong |
    Features.Multivalue |
    Features.Atomics |
    Features.ExtendedConst
  );
}

/** Puts an import in the place of a function that does nothing: Binaryen knows functions by names, not by numbers. */
function importInstead(
  binaryen: Binaryen,
  module: InstanceType<Binaryen["Module"]>,
  exported: string,
  imported: string,
): void {
  const name = binaryen.getExportInfo(module.getExport(exported)).value;
  module.removeExport(exported);
  module.removeFunction(name);
  module.addFunctionImport(name, LIGHT_IMPORTS.module, imported, binaryen.none, binaryen.none);
}

const unwindingImports: readonly string[] = [
  ...[...Object.entries(blockingFunctions), ...Object.entries(callingBack)].flatMap(([module, names]) =>
    names.map((name) => `${module}.${name}`),
  ),
  `${LIGHT_IMPORTS.module}.${LIGHT_IMPORTS.yield}`,
];
