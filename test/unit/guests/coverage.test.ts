// Every host function is imported, and so called, by a test guest in C and by one in AssemblyScript.
//
// Read from the built modules: what a guest declares and does not call is not in them.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { type AbiModuleName, workingFunctions } from "../../../wire/abi/table.ts";

const guests = join(import.meta.dirname, "../../guests");

type Folder = readonly [folder: string, endOfSources: string, startOfModules: string];
const inC: Folder[] = [
  ["", ".c", ""],
  ["lunatic", ".c", "lunatic-"],
];
const inAssemblyScript: Folder[] = [["assemblyscript", ".as.ts", "as-"]];

const all = (Object.keys(workingFunctions) as AbiModuleName[]).flatMap((module) =>
  workingFunctions[module].map((name) => `${module}.${name}`),
);

function importsOf([folder, ending, prefix]: Folder): string[] {
  const sources = readdirSync(join(guests, folder)).filter((file) => file.endsWith(ending));
  return sources.flatMap((file) => {
    const path = join(guests, "build", `${prefix}${file.slice(0, -ending.length)}.wasm`);
    const imports = WebAssembly.Module.imports(new WebAssembly.Module(readFileSync(path)));
    return imports.map(({ module, name }) => `${module}.${name}`);
  });
}

it.each([
  ["C", inC],
  ["AssemblyScript", inAssemblyScript],
])("guests in %s call every host function", (_language, folders) => {
  const imported = new Set(folders.flatMap(importsOf));
  expect(all.length).toBeGreaterThan(150);
  expect(all.filter((name) => !imported.has(name))).toEqual([]);
});
