// actors/abi/imports.ts: every function of the table is there; those that do not work say so, and only when called.
import { describe, expect, it } from "vitest";

import { makeImports } from "../../../../actors/abi/imports.ts";
import { type AbiModule, abiTable, workingFunctions } from "../../../../wire/abi/table.ts";
import { compile, inside, LocalCarrier } from "../../../harness/local-carrier.ts";
import { wasm } from "../../../harness/modules-fixtures.ts";

const modules = Object.entries(abiTable) as [keyof typeof abiTable, AbiModule][];
const shortName = (module: string) => module.replace("lunatic::", "").replace("wasi_snapshot_preview1", "wasi");

describe("the import object", () => {
  it("has exactly the functions of the table", () => {
    const imports = makeImports(new LocalCarrier().host);
    for (const [module, functions] of modules) {
      expect(Object.keys(imports[module] ?? {}), module).toEqual(Object.keys(functions));
      for (const each of Object.values(imports[module] ?? {})) expect(each).toBeTypeOf("function");
    }
    expect(Object.keys(imports)).toEqual(modules.map(([module]) => module));
  });

  it("links both ages of every function", () => {
    for (const age of ["new", "old"] as const) expect(inside(() => {}, { age }).exit.reason).toBe("normal");
  });

  it.each(modules)(
    "traps in %s with its name where a function does not work, and nowhere else",
    (module, functions) => {
      const stubs: string[] = [];
      for (const [name, signatures] of Object.entries(functions)) {
        const args = [...signatures[0]!.replace(/>.*/, "")].map((type) => (type === "I" ? 0n : 0));
        const { exit } = inside(({ call }) => call(`${shortName(module)}.${name}`, ...args));
        if (exit.text.startsWith("not supported yet")) {
          expect(exit).toEqual({ reason: "trap", text: `not supported yet: ${module}.${name}` });
          stubs.push(name);
        }
      }
      const working: readonly string[] = workingFunctions[module];
      expect(stubs).toEqual(Object.keys(functions).filter((name) => !working.includes(name)));
    },
  );
});

describe("abort of AssemblyScript", () => {
  const abort = (message: string, file: string) =>
    inside(({ call, memory }) => {
      const put = (text: string, at: number): number => {
        memory().writeUInt32LE(text.length * 2, at - 4);
        memory().write(text, at, "utf16le");
        return at;
      };
      call("env.abort", put(message, 1024), put(file, 32_768), 12, 34);
    }).exit;

  it("traps with its message and place", () => {
    expect(abort("žluť", "a.ts")).toEqual({ reason: "trap", text: "abort: žluť at a.ts:12:34" });
    expect(inside(({ call }) => call("env.abort", 0, 0, 0, 0)).exit.text).toBe("abort:  at :0:0");
  });

  it("says it in one line without control characters, and not without end", () => {
    expect(abort("one\ntwo\r\x1b[31m", "a\0b").text).toBe("abort: one two  [31m at a b:12:34");
    expect(abort("x".repeat(10_000), "a.ts").text).toBe(`abort: ${"x".repeat(512)} at a.ts:12:34`);
  });

  it("traps all the same where its pointers lead nowhere", () => {
    for (const pointer of [-1, 131_072, 131_074, 3]) {
      expect(inside(({ call }) => call("env.abort", pointer, pointer, 0, 0)).exit.reason).toBe("trap");
    }
  });
});

describe("a guest that catches everything", () => {
  it.each(["e", "h", "E", "H"])("does not survive proc_exit or a refusal (%s)", async (letter) => {
    const carrier = new LocalCarrier();
    const actor = carrier.started(await compile("catch-all"));
    const { exit, replies } = carrier.run(actor, { body: Buffer.from(letter) });
    expect(replies).toEqual([]);
    expect(exit.reason).toBe(letter.toLowerCase() === "e" ? "exit" : "trap");
    if (exit.reason === "exit") expect(exit.text).toBe("7");
  });

  it("does not survive its own recursion, whoever's frame the stack ends in", async () => {
    const bytes = wasm(`(module
      (import "lunatic::message" "create_data" (func $create_data (param i64 i64)))
      (memory (export "memory") 1)
      (func $down
        (try (do (call $create_data (i64.const 0) (i64.const 0)) (call $down)) (catch_all))
        (call $create_data (i64.const 0) (i64.const 0)))
      (func (export "frenezulo_main") (call $down)))`);
    const carrier = new LocalCarrier();
    const { exit } = carrier.run(carrier.started(await compile(bytes)));
    expect(exit).toEqual({ reason: "trap", text: "stack exhausted: its recursion is too deep" });
  });
});
