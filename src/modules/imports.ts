// Holds a module's imports against the case table: only known functions in their types. Any thread, pure.
import { LIGHT_IMPORTS } from "../../wire/abi/light.ts";
import { type AbiModule, abiTable, type Signature } from "../../wire/abi/table.ts";
import { FrenezuloError } from "../errors.ts";
import { printable, type Reader } from "./reader.ts";

const IMPORTS_MAX = 2000;

const kinds = ["function", "table", "memory", "global", "tag"] as const;

const abi = new Map<string, AbiModule>(Object.entries(abiTable));
const lightAbi = new Map<string, AbiModule>([
  ...abi,
  [LIGHT_IMPORTS.module, { [LIGHT_IMPORTS.yield]: [">"], [LIGHT_IMPORTS.check]: [">"] }],
]);

/** What to do about import modules that other hosts offer. */
const hints: readonly (readonly [RegExp, string])[] = [
  [/^wasi_unstable$/, "it is the older WASI; compile for wasi_snapshot_preview1 (Rust: wasm32-wasip1)"],
  [/^wasi:|^wasi_snapshot_preview2$/, "it is WASI 0.2; compile for wasi_snapshot_preview1 (Rust: wasm32-wasip1)"],
  [/^(go|gojs)$/, "it is Go's interface to a browser; compile with GOOS=wasip1"],
  [/^(wbg|__wbindgen_)/, "it is wasm-bindgen's interface to JavaScript; compile without it"],
  [/^env$/, "from env there is only abort; such an import is often a symbol that the linker did not find"],
];

/**
 * Reads the import section.
 * @param types the module's function types, as signatures
 * @param light whether the module may import what the rewrite for light processes adds
 * @returns the signatures of the imported functions, in order
 * @throws bad_module, unknown_import, module_limits
 */
export function checkImports(reader: Reader, types: readonly Signature[], light: boolean): Signature[] {
  const count = reader.u32();
  if (count > IMPORTS_MAX)
    throw new FrenezuloError("module_limits", { why: `it has ${count} imports, the limit is ${IMPORTS_MAX}` });
  const functions: Signature[] = [];
  for (let index = 0; index < count; index++) {
    const module = reader.name();
    const name = reader.name();
    const kind = kinds[reader.byte()];
    if (kind === undefined) reader.fail("has an import of an unknown kind");
    if (kind !== "function")
      refuse(module, name, `it is a ${kind} and only functions can be imported; ${remedy(kind)}`);
    const signature = types[reader.u32()];
    if (signature === undefined) reader.fail("names a type that does not exist");
    checkFunction(light ? lightAbi : abi, module, name, signature);
    functions.push(signature);
  }
  if (!reader.isAtEnd) reader.fail("is longer than its contents");
  return functions;
}

function checkFunction(
  known: ReadonlyMap<string, AbiModule>,
  module: string,
  name: string,
  signature: Signature,
): void {
  const functions = known.get(module);
  if (functions === undefined) {
    const hint = hints.find(([pattern]) => pattern.test(module))?.[1] ?? `there are ${[...abi.keys()].join(", ")}`;
    refuse(module, name, `there is no such import module; ${hint}`);
  }
  const signatures = Object.hasOwn(functions, name) ? functions[name] : undefined;
  if (signatures === undefined) {
    const hint = module === "env" ? hints.find(([pattern]) => pattern.test(module))?.[1] : undefined;
    refuse(module, name, hint ?? `${module} has no such function`);
  }
  if (signatures.includes(signature)) return;
  refuse(module, name, `it is declared as ${typeText(signature)}; here it is ${signatures.map(typeText).join(" or ")}`);
}

function remedy(kind: "table" | "memory" | "global" | "tag"): string {
  if (kind === "memory") return "let the module define and export its own memory (link without --import-memory)";
  if (kind === "table") return "let the module define its own table (link without --import-table)";
  return `let the module define its own ${kind}`;
}

const valueTypes: Readonly<Record<string, string>> = {
  i: "i32",
  I: "i64",
  f: "f32",
  F: "f64",
  v: "v128",
  r: "funcref",
  x: "externref",
};

/** "iI>i" as people write it: (i32, i64) -> i32. */
export function typeText(signature: Signature): string {
  const [parameters = "", results = ""] = signature.split(">");
  const names = (letters: string): string => [...letters].map((letter) => valueTypes[letter] ?? letter).join(", ");
  const resultText = results.length === 1 ? names(results) : `(${names(results)})`;
  return printable(`(${names(parameters)}) -> ${resultText}`, 200);
}

function refuse(module: string, name: string, why: string): never {
  throw new FrenezuloError("unknown_import", { name: `${printable(module)}.${printable(name)}`, why });
}
