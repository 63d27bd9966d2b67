// Programs that test lunatic's functions from inside a guest, run by the built node: each line they print is a test.
//
// The names are read from the sources, so that a test that never came to its line fails, too.
import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { servicePath } from "../guests/guests.ts";
import { frenezulo, type ProgramEnd } from "../harness/frenezulo-run.ts";

const guests = join(import.meta.dirname, "../guests");
const elsewhere = new Set(["networking.c", "networking.as.ts", "pack.as.ts"]); // networking.test.ts, sdk-pack.test.ts
const folder = (name: string, extension: string): string[] =>
  readdirSync(join(guests, name))
    .filter((file) => file.endsWith(extension) && !elsewhere.has(file))
    .map((file) => join(guests, name, file))
    .sort();

/** Source of a program → its module. */
const programs = new Map(
  [
    ...folder("lunatic", ".c").map((path) => [path, `lunatic-${basename(path, ".c")}.wasm`] as const),
    ...folder("assemblyscript", ".as.ts").map((path) => [path, `as-${basename(path, ".as.ts")}.wasm`] as const),
  ].map(([source, module]) => [source, join(guests, "build", module)]),
);

describe.each([...programs])("%s", (source, module) => {
  const names = [...readFileSync(source, "utf8").matchAll(/\b(?:TEST|test)\("([^"]+)"/g)].map(([, name]) => name!);
  const files = join(tmpdir(), `frenezulo-programs-${process.pid}-${basename(module)}`);
  let end: ProgramEnd;

  beforeAll(async () => {
    mkdirSync(files);
    end = await frenezulo(["run", "--dir", `${files}::/db`, module]);
  });

  afterAll(() => rmSync(files, { recursive: true }));

  it.each(names)("%s", (name) => {
    const line = end.stdout.split("\n").find((text) => text.replace(/^(not )?ok \d+ /, "").startsWith(name));
    expect(line, `it printed no line for it\n${end.stdout}\n${end.stderr}`).toBeDefined();
    expect(line, end.stderr).toMatch(/^ok /);
  });

  it("ends with code 0 and no test of another name", () => {
    expect(end.stdout.match(/^(not )?ok \d+ /gm)).toHaveLength(names.length);
    expect({ code: end.code, signal: end.signal }, end.stderr).toEqual({ code: 0, signal: null });
  });
});

it("a service is refused as a program, with what it is for", async () => {
  const { code, stderr } = await frenezulo(["run", servicePath("hello")]);
  expect(stderr).toMatch(/^frenezulo: hello\.wasm exports no _start, so it cannot be run: it is a service, .*add.*\n$/);
  expect(code).toBe(2);
});

describe("start functions", () => {
  it("may wait, in the first process and in those it spawns", async () => {
    const { code, stdout, stderr } = await frenezulo(["run", join(guests, "build/lunatic-start-waits.wasm")]);
    expect(stderr).toBe("");
    expect(stdout).toBe("both have started\n");
    expect(code).toBe(0);
  });

  it("may not spawn", async () => {
    const { code, stderr } = await frenezulo(["run", join(guests, "build/lunatic-start-spawns.wasm")]);
    expect(stderr).toContain("a spawn while the module starts");
    expect(code).toBe(1);
  });
});
