// wire/abi/table.ts: the case table of host functions.
import { describe, expect, it } from "vitest";
import { type AbiModule, abiTable, workingFunctions } from "../../../wire/abi/table.ts";

const modules: [string, AbiModule][] = Object.entries(abiTable);

describe("the case table", () => {
  it("has lunatic's 140 functions and get_or_put_later, the 46 of WASI preview 1 and env.abort", () => {
    const count = (pattern: RegExp) =>
      modules.filter(([name]) => pattern.test(name)).reduce((sum, [, each]) => sum + Object.keys(each).length, 0);
    expect(count(/^lunatic::/)).toBe(141);
    expect(count(/^wasi_snapshot_preview1$/)).toBe(46);
    expect(count(/^env$/)).toBe(1);
    expect(modules).toHaveLength(14);
  });

  it("has well-formed signatures, each once", () => {
    for (const [module, functions] of modules) {
      for (const [name, signatures] of Object.entries(functions)) {
        expect(signatures.length, `${module}.${name}`).toBeGreaterThan(0);
        expect(new Set(signatures).size).toBe(signatures.length);
        for (const signature of signatures) expect(signature, `${module}.${name}`).toMatch(/^[iIfF]*>[iIfF]?$/);
      }
    }
  });

  it("tells the ages of a function apart by the number of its parameters or by its results alone", () => {
    const several = modules.flatMap(([, functions]) =>
      Object.values(functions).filter((signatures) => signatures.length > 1),
    );
    expect(several).toHaveLength(4);
    for (const signatures of several) {
      const parameters = new Set(signatures.map((signature) => signature.split(">")[0]?.length));
      const results = new Set(signatures.map((signature) => signature.split(">")[1]));
      expect(parameters.size === signatures.length || results.size === signatures.length).toBe(true);
    }
  });

  it("says of each module which functions work, and each of those is in it once", () => {
    expect(Object.keys(workingFunctions)).toEqual(modules.map(([name]) => name));
    for (const [module, working] of Object.entries(workingFunctions)) {
      const known = Object.keys(abiTable[module as keyof typeof abiTable]);
      expect(known, module).toEqual(expect.arrayContaining([...working]));
      expect(new Set(working).size).toBe(working.length);
    }
  });
});
