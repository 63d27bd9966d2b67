// docs/COMPATIBILITY.md and what it is made of: each function that is said to work is called by some test.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { remarks } from "../../../wire/abi/remarks.ts";
import { type AbiModule, abiTable } from "../../../wire/abi/table.ts";
import { compatibilityText, functionRows } from "../../compatibility.ts";

const root = join(import.meta.dirname, "../../..");
const rows = functionRows(root);

describe("the table of compatibility", () => {
  it("names a test for each function that works", () => {
    const missing = rows.filter(({ status, test }) => status !== "stub" && test === undefined);
    expect(
      missing.map(({ module, name }) => `${module}.${name}`),
      'no test calls these: as "process.spawn" in a *.test.ts, or by their declaration in a guest in C',
    ).toEqual([]);
    for (const { test } of rows) if (test !== undefined) expect(existsSync(join(root, test)), test).toBe(true);
  });

  it("has a row for each function of the case table, and remarks of no others", () => {
    const all = Object.entries(abiTable).flatMap(([module, functions]) =>
      Object.keys(functions).map((name) => `${module}.${name}`),
    );
    expect(rows.map(({ module, name }) => `${module}.${name}`)).toEqual(all);
    for (const [module, each] of Object.entries(remarks)) {
      const known = Object.keys(abiTable[module as keyof typeof abiTable] as AbiModule);
      expect(known).toEqual(expect.arrayContaining(Object.keys(each)));
    }
  });

  it("keeps the tests that it names as long as they call the function", () => {
    const found = readFileSync(join(root, "docs/COMPATIBILITY.md"), "utf8");
    const line = (text: string): string => /^\| `lunatic::message.send` .*$/m.exec(text)?.[0] ?? "";
    const other = found.replace(
      line(found),
      line(found).replaceAll(/unit\/actors\/[\w./-]+/g, "guests/lunatic/messages.c"),
    );
    expect(line(other)).not.toBe(line(found));
    expect(compatibilityText(root, other)).toBe(other);
    const wrong = found.replace(
      line(found),
      line(found).replaceAll(/unit\/actors\/[\w./-]+/g, "unit/main/timer.test.ts"),
    );
    expect(line(compatibilityText(root, wrong))).not.toContain("timer.test.ts");
  });
});
