// Files of guests as programs use them, through the C library and Rust's: what they make is on the disk, nothing else.
import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Preopen } from "../../../../wire/specs.ts";
import { whySkipped } from "../../../guests/guests.ts";
import { type Compiled, compile, LocalCarrier } from "../../../harness/local-carrier.ts";

const [EXIST, ISDIR, LOOP, MFILE, NOENT, NOTDIR] = [20, 31, 32, 33, 44, 54];
const [NFILE, NOTEMPTY, NOTSUP, PERM, ROFS] = [41, 55, 58, 63, 69];

let program: Compiled;
let folder: string;
let server: Server;
const openDescriptors = (): number => readdirSync("/proc/self/fd").length;

beforeAll(async () => {
  program = await compile("files");
});
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "frenezulo-files-"));
  for (const name of ["rw", "ro", "secret"]) mkdirSync(join(folder, name));
  writeFileSync(join(folder, "ro/page"), "a page");
  writeFileSync(join(folder, "secret/key"), "secret");
});
afterEach(() => rmSync(folder, { recursive: true }));
afterAll(() => server?.close());

const preopens = (): Preopen[] => [
  { guest: "rw", host: join(folder, "rw"), isReadOnly: false },
  { guest: "/ro", host: join(folder, "ro"), isReadOnly: true },
];

/** Runs the program with these operations. @returns what it printed of each, without its name */
function run(operations: readonly (readonly string[])[], carrier = new LocalCarrier()): string[] {
  const args = ["files", ...operations.flat()];
  const actor = carrier.started(program, { args, preopens: preopens() });
  const { exit, output } = carrier.run(actor);
  expect(exit).toEqual({ reason: "normal", text: "" });
  actor.end({ reason: "shutdown", text: "" });
  return output
    .split("\n")
    .slice(0, -1)
    .map((line) => line.replace(/^\w+: /, ""));
}

const error = (errno: number): string => `error ${errno}`;

describe("a program in C", () => {
  it("writes, appends, reads, and finds what it wrote", () => {
    const name = "rw/a file";
    expect(
      run([
        ["write", name, "one"],
        ["append", name, " two"],
        ["cat", name],
        ["stat", name],
        ["stat", "rw"],
      ]),
    ).toEqual(["", "", "one two", "file of 7", "directory of 0"]);
    expect(readFileSync(join(folder, name), "utf8")).toBe("one two");
  });

  it("moves about in a file as POSIX has it", () => {
    expect(run([["seek", "rw/f"]])).toEqual(["2 4 cdXYcd 9"]);
    expect(readFileSync(join(folder, "rw/f"), "utf8")).toBe("XYcdef\0\0\0");
  });

  it("makes, lists, renames and removes directories", () => {
    const operations = [
      ["mkdir", "rw/d"],
      ["mkdir", "rw/d"],
      ["write", "rw/d/x", "x"],
      ["symlink", "d/x", "rw/link"],
      ["ls", "rw"],
      ["rmdir", "rw/d"],
      ["mv", "rw/d", "rw/e"],
      ["ls", "rw/e/"],
      ["rm", "rw/e"],
      ["rm", "rw/e/x"],
      ["rmdir", "rw/e"],
      ["cat", "rw/link"],
      ["rm", "rw/link"],
      ["ls", "rw"],
    ];
    expect(run(operations)).toEqual([
      "",
      error(EXIST),
      "",
      "",
      ". .. d/ link@",
      error(NOTEMPTY),
      "",
      ". .. x",
      error(ISDIR),
      "",
      "",
      error(NOENT),
      "",
      ". ..",
    ]);
  });

  it("lists a directory of thousands, each entry once", () => {
    const names = Array.from({ length: 3000 }, (_, i) => `entry-${String(i).padStart(4, "0")}`);
    for (const name of names) writeFileSync(join(folder, "rw", name), "");
    expect(run([["ls", "rw"]])[0]?.split(" ")).toEqual([".", "..", ...names]);
  });

  it("follows links, reads them, and gives files further names", () => {
    const operations = [
      ["write", "rw/f", "text"],
      ["symlink", "f", "rw/s"],
      ["symlink", "../rw/s", "rw/out"],
      ["symlink", "loop", "rw/loop"],
      ["cat", "rw/s"],
      ["stat", "rw/s"],
      ["lstat", "rw/s"],
      ["readlink", "rw/s"],
      ["readlink", "rw/f"],
      ["cat", "rw/out"],
      ["cat", "rw/loop"],
      ["ln", "rw/f", "rw/g"],
      ["cat", "rw/g"],
      ["cat", "rw/f/"],
      ["cat", "rw/f/x"],
    ];
    expect(run(operations)).toEqual([
      "",
      "",
      "",
      "",
      "text",
      "file of 4",
      "link of 0",
      "f",
      error(28),
      error(PERM),
      error(LOOP),
      "",
      "text",
      error(NOTDIR),
      error(NOTDIR),
    ]);
  });

  it("sets sizes and times", () => {
    expect(
      run([
        ["write", "rw/f", "text"],
        ["truncate", "rw/f", "2"],
        ["cat", "rw/f"],
        ["touch", "rw/f", "1000000"],
      ]),
    ).toEqual(["", "", "te", "1000000 1000001.500"]);
  });

  it("reads in a read-only directory and changes nothing there by any way", () => {
    const operations = [
      ["cat", "/ro/page"],
      ["ls", "/ro"],
      ["write", "/ro/page", "x"],
      ["append", "/ro/page", "x"],
      ["write", "/ro/new", "x"],
      ["truncate", "/ro/page", "0"],
      ["touch", "/ro/page", "1"],
      ["rm", "/ro/page"],
      ["mkdir", "/ro/d"],
      ["rmdir", "/ro/d"],
      ["mv", "/ro/page", "rw/page"],
      ["write", "rw/own", ""],
      ["mv", "rw/own", "/ro/own"],
      ["ln", "/ro/page", "rw/page"],
      ["ln", "rw/own", "/ro/own"],
      ["symlink", "page", "/ro/link"],
    ];
    const refused = operations.map(([what]) => (what === "cat" ? "a page" : what === "ls" ? ". .. page" : error(ROFS)));
    refused[11] = "";
    expect(run(operations)).toEqual(refused);
    expect(readdirSync(join(folder, "ro"))).toEqual(["page"]);
    expect(readFileSync(join(folder, "ro/page"), "utf8")).toBe("a page");
  });

  it("finds nothing where no directory was given", () => {
    expect(
      run([
        ["cat", "/etc/passwd"],
        ["cat", "secret/key"],
        ["ls", "."],
      ]),
    ).toEqual(Array(3).fill(error(NOENT)));
  });

  it("does not get out by dots, links, or links that the host has there", () => {
    symlinkSync("../secret", join(folder, "rw/up"));
    symlinkSync("/etc", join(folder, "rw/etc"));
    symlinkSync(join(folder, "rw"), join(folder, "rw/absolute"));
    symlinkSync("../secret/new", join(folder, "rw/new"));
    const outside = ["rw/../secret/key", "rw/up/key", "rw/etc/passwd", "rw/absolute/up", "rw/d/../../secret/key"];
    expect(run([["mkdir", "rw/d"], ...outside.map((name) => ["cat", name])])).toEqual([
      "",
      ...outside.map(() => error(PERM)),
    ]);
    const changes = [
      ["write", "rw/new", "x"],
      ["write", "rw/../secret/new", "x"],
      ["mkdir", "rw/up/d"],
      ["rm", "rw/up/key"],
      ["mv", "rw/up/key", "rw/key"],
      ["ln", "rw/up/key", "rw/key"],
      ["symlink", "/etc", "rw/etc2"],
      ["ls", "rw/up"],
      ["ls", "rw/.."],
    ];
    expect(run(changes)).toEqual(changes.map(() => error(PERM)));
    expect(readdirSync(join(folder, "secret"))).toEqual(["key"]);
    expect(
      run([
        ["stat", "rw/d/.."],
        ["readlink", "rw/up"],
        ["rm", "rw/up"],
        ["stat", "rw/./d//."],
      ]),
    ).toEqual(["directory of 0", "../secret", "", "directory of 0"]);
  });

  it("is refused a FIFO, a socket and a device at once, and may see and remove them", () => {
    execFileSync("mkfifo", [join(folder, "rw/fifo")]);
    server = createServer().listen(join(folder, "rw/socket"));
    symlinkSync("fifo", join(folder, "rw/to-fifo"));
    const names = ["rw/fifo", "rw/to-fifo"];
    if (existsSync(join(folder, "rw/socket"))) names.push("rw/socket");
    for (const what of ["cat", "write", "append"]) {
      const operations = names.map((name) => (what === "cat" ? [what, name] : [what, name, "x"]));
      expect(run(operations)).toEqual(names.map(() => error(NOTSUP)));
    }
    expect(
      run([
        ["stat", "rw/fifo"],
        ["rm", "rw/fifo"],
        ["ls", "rw/fifo"],
      ]),
    ).toEqual(["other of 0", "", error(NOENT)]);
  });

  it("is told when it has too many open, and all are closed with it", () => {
    writeFileSync(join(folder, "rw/f"), "");
    const before = openDescriptors();
    const carrier = new LocalCarrier();
    expect(run([["flood", "rw/f"]], carrier)).toEqual([`${1024 - 5} ${error(MFILE)}`]);
    expect(openDescriptors()).toBe(before);
    expect(carrier.host.fileBudget.open).toBe(0);
    carrier.host.fileBudget.max = 20;
    expect(run([["flood", "rw/f"]], carrier)).toEqual([`19 ${error(NFILE)}`]);
    expect(run([["flood", "rw/f"]], carrier)).toEqual([`19 ${error(NFILE)}`]);
    expect(openDescriptors()).toBe(before);
  });

  it("reaches what lies there now where its directory was put anew", () => {
    expect(run([["write", "rw/f", "old"]])).toEqual([""]);
    rmSync(join(folder, "rw"), { recursive: true });
    expect(run([["cat", "rw/f"]])).toEqual([error(NOENT)]);
    mkdirSync(join(folder, "rw"));
    writeFileSync(join(folder, "rw/f"), "new");
    expect(run([["cat", "rw/f"]])).toEqual(["new"]);
    rmSync(join(folder, "rw"), { recursive: true });
    symlinkSync("secret", join(folder, "rw"));
    expect(run([["cat", "rw/key"]])).toEqual([error(NOTDIR)]);
  });
});

describe("a program in Rust", () => {
  const why = whySkipped("files-rust");
  it("uses std::fs", async ({ skip }) => {
    if (why !== undefined) skip(why);
    const carrier = new LocalCarrier();
    const data = { guest: "data", host: join(folder, "rw"), isReadOnly: false };
    const actor = carrier.started(await compile("files-rust"), { preopens: [data] });
    const { exit, output } = carrier.run(actor);
    expect(output.split("\n")).toEqual([
      "second first 5",
      '["b", "four", "three", "two"] 200',
      "true true",
      `Err(Some(${PERM}))`,
      expect.stringMatching(/^Some\(/),
      "0",
      "",
    ]);
    expect(exit).toEqual({ reason: "normal", text: "" });
  });
});
