// WASI's file functions one by one: layouts, rights, flags, errors, bounds. What programs make of them: files.test.ts.
import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  ALL_RIGHTS,
  DIR,
  FDFLAGS,
  OFLAGS,
  READ,
  type WasiGuest,
  WRITE,
  withFiles,
} from "../../../harness/wasi-guest.ts";

const [SUCCESS, BADF, EXIST, ILSEQ, INVAL, ISDIR, LOOP, NAMETOOLONG] = [0, 8, 20, 25, 28, 31, 32, 37];
const [NOENT, NOTDIR, PERM, ROFS, SPIPE, NOTCAPABLE] = [44, 54, 63, 69, 70, 76];
const READ_ONLY = DIR + 1;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "frenezulo-wasi-"));
  for (const name of ["rw", "ro", "rw/d"]) mkdirSync(join(folder, name));
  writeFileSync(join(folder, "rw/f"), "0123456789");
  writeFileSync(join(folder, "ro/f"), "read only");
  symlinkSync("f", join(folder, "rw/s"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const onDisk = (name: string): string => readFileSync(join(folder, name), "latin1");

/** Runs `step` with two directories, "rw" and read-only "/ro", whose descriptors are 3 and 4. */
function guest(step: (guest: WasiGuest) => void, bytesMax?: number): void {
  const directory = (name: string, isReadOnly: boolean, as: string) => ({
    guest: as,
    host: join(folder, name),
    isReadOnly,
  });
  const { exit } = withFiles([directory("rw", false, "rw"), directory("ro", true, "/ro")], (each) => {
    if (bytesMax !== undefined) each.carrier.host.fileBudget.max = bytesMax;
    step(each);
  });
  expect(exit).toEqual({ reason: "normal", text: "" });
}

describe("preopened directories", () => {
  it("have their names from 3 on, until one ends the list", () => {
    guest((g) => {
      const names = [3, 4].map((fd) => {
        expect(g.call("fd_prestat_get", fd, 100)).toBe(SUCCESS);
        expect(g.memory.readUInt8(100)).toBe(0);
        const length = g.memory.readUInt32LE(104);
        expect(g.call("fd_prestat_dir_name", fd, 200, length - 1)).toBe(NAMETOOLONG);
        g.memory.fill(0xee, 200, 220);
        expect(g.call("fd_prestat_dir_name", fd, 200, length)).toBe(SUCCESS);
        expect(g.memory[200 + length]).toBe(0xee);
        return g.memory.toString("utf8", 200, 200 + length);
      });
      expect(names).toEqual(["rw", "/ro"]);
      for (const fd of [0, 5, -1]) expect(g.call("fd_prestat_get", fd, 100)).toBe(BADF);
      expect(g.call("fd_prestat_dir_name", 5, 200, 100)).toBe(BADF);
    });
  });

  it("are opened when they are used, not before", () => {
    guest((g) => {
      g.call("fd_prestat_get", 3, 100);
      g.call("fd_fdstat_get", 3, 100);
      expect(g.memory[100]).toBe(3);
      expect([g.carrier.host.fileBudget.open, g.carrier.host.process.files?.isTouched]).toEqual([0, false]);
      g.stat("f");
      expect([g.carrier.host.fileBudget.open, g.carrier.host.process.files?.isTouched]).toEqual([1, true]);
    });
  });
});

describe("reading and writing", () => {
  it("goes on where it was, over all vectors, until the end", () => {
    guest((g) => {
      const fd = g.open("f");
      expect(fd).toBe(5);
      expect(g.read(fd, [2, 0, 3])).toBe("01234");
      expect(g.number("fd_tell", fd)).toBe(5n);
      expect(g.read(fd, [2], 8n)).toBe("89");
      expect(g.read(fd, [100])).toBe("56789");
      expect(g.read(fd, [100])).toBe("");
      expect(g.write(fd, "ab")).toBe(2);
      expect(g.write(fd, "XY", 1n)).toBe(2);
      expect(g.number("fd_tell", fd)).toBe(12n);
      expect(onDisk("rw/f")).toBe("0XY3456789ab");
    });
  });

  it("moves at most 8 MiB a call, and takes no more than 1,024 vectors", () => {
    writeFileSync(join(folder, "rw/large"), Buffer.alloc(16 << 20, "x"));
    guest((g) => {
      const fd = g.open("large");
      for (let i = 0; i < 1025; i++) {
        g.memory.writeUInt32LE(0, 16_384 + i * 8);
        g.memory.writeUInt32LE(65_536, 16_384 + i * 8 + 4);
      }
      // Vectors may overlap each other and themselves: the list is copied first.
      expect(g.call("fd_read", fd, 16_384, 1024, 60_000)).toBe(SUCCESS);
      expect(g.number("fd_tell", fd)).toBe(8n << 20n);
      expect(g.call("fd_read", fd, 70_000, 1025, 60_000)).toBe(INVAL);
      expect(g.call("fd_pwrite", fd, 70_000, -1, 0n, 60_000)).toBe(INVAL);
    });
  });

  it("appends where the file ends now, whatever the position", () => {
    guest((g) => {
      const fd = g.open("f", { flags: FDFLAGS.append });
      expect(g.number("fd_seek", fd, 3n, 0)).toBe(3n);
      expect(g.write(fd, "ab")).toBe(2);
      expect(g.number("fd_tell", fd)).toBe(12n);
      expect(g.call("fd_fdstat_set_flags", fd, 0)).toBe(SUCCESS);
      g.number("fd_seek", fd, 0n, 0);
      expect(g.write(fd, "Z")).toBe(1);
      expect(g.call("fd_fdstat_set_flags", fd, FDFLAGS.append | FDFLAGS.nonblock)).toBe(SUCCESS);
      expect(g.write(fd, "!")).toBe(1);
      expect(g.call("fd_fdstat_set_flags", fd, FDFLAGS.sync)).toBe(INVAL);
      expect(onDisk("rw/f")).toBe("Z123456789ab!");
    });
  });

  it("seeks from three places, never before the beginning, and not on streams", () => {
    guest((g) => {
      const fd = g.open("f");
      expect(g.number("fd_seek", fd, 4n, 0)).toBe(4n);
      expect(g.number("fd_seek", fd, -1n, 1)).toBe(3n);
      expect(g.number("fd_seek", fd, 5n, 2)).toBe(15n);
      for (const [by, whence] of [
        [-1n, 0],
        [-16n, 1],
        [-11n, 2],
        [0n, 3],
        [1n << 60n, 0],
      ] as const) {
        expect(g.number("fd_seek", fd, by, whence)).toBe(BigInt(-INVAL));
      }
      expect(g.number("fd_tell", fd)).toBe(15n);
      expect(g.write(fd, "end")).toBe(3);
      expect(onDisk("rw/f")).toBe("0123456789\0\0\0\0\0end");
      expect(g.call("fd_pread", 0, 0, 0, 0n, 100)).toBe(SPIPE);
      expect(g.read(fd, [1], -1n)).toBe(INVAL);
      expect(g.write(fd, "x", 1n << 62n)).toBe(-INVAL);
      expect(g.call("fd_seek", DIR, 0n, 0, 100)).toBe(BADF);
    });
  });

  it("sets sizes, allocates, syncs, and takes every advice", () => {
    guest((g) => {
      const fd = g.open("f");
      expect(g.call("fd_filestat_set_size", fd, 3n)).toBe(SUCCESS);
      expect(g.call("fd_allocate", fd, 2n, 6n)).toBe(SUCCESS);
      expect(g.call("fd_allocate", fd, 0n, 2n)).toBe(SUCCESS);
      expect(onDisk("rw/f")).toBe("012\0\0\0\0\0");
      for (const [offset, length] of [
        [0n, 0n],
        [-1n, 1n],
        [1n << 62n, 1n],
      ] as const)
        expect(g.call("fd_allocate", fd, offset, length)).toBe(INVAL);
      expect(g.call("fd_filestat_set_size", fd, -1n)).toBe(INVAL);
      const directory = g.open("d", { oflags: OFLAGS.directory });
      for (const each of [fd, directory, DIR]) {
        expect(g.call("fd_sync", each)).toBe(SUCCESS);
        expect(g.call("fd_datasync", each)).toBe(SUCCESS);
      }
      for (let advice = 0; advice < 6; advice++) expect(g.call("fd_advise", fd, 0n, 0n, advice)).toBe(SUCCESS);
      expect(g.call("fd_advise", fd, 0n, 0n, 6)).toBe(INVAL);
      expect(g.call("fd_sync", 1)).toBe(BADF);
    });
  });

  it("says what a file is, with times of whole milliseconds, and sets them", () => {
    linkSync(join(folder, "rw/f"), join(folder, "rw/g"));
    guest((g) => {
      expect(g.stat("f")).toMatchObject({ type: 4n, links: 2n, size: 10n });
      expect([g.stat("s"), g.stat("s", false), g.stat("d")]).toMatchObject([{ type: 4n }, { type: 7n }, { type: 3n }]);
      const fd = g.open("f");
      expect(g.call("fd_filestat_get", fd, 100)).toBe(SUCCESS);
      expect(g.memory.readBigUInt64LE(148) % 1_000_000n).toBe(0n);
      expect(g.call("fd_filestat_set_times", fd, 5_000_000n, 1_234_567_890_123_456_789n, 4)).toBe(SUCCESS);
      expect(g.stat("f")).toMatchObject({ modified: 1_234_567_890_123_000_000n });
      expect(g.call("path_filestat_set_times", DIR, 0, "s", 0n, 7_000_000n, 4)).toBe(SUCCESS);
      expect([g.stat("s", false), g.stat("f")]).toMatchObject([
        { modified: 7_000_000n },
        { modified: 1_234_567_890_123_000_000n },
      ]);
      expect(g.call("path_filestat_set_times", DIR, 1, "s", 0n, 8_000_000n, 4)).toBe(SUCCESS);
      expect(g.stat("f")).toMatchObject({ modified: 8_000_000n });
      expect(g.call("fd_filestat_set_times", fd, 0n, 0n, 8)).toBe(SUCCESS);
      expect(statSync(join(folder, "rw/f")).mtimeMs).toBeGreaterThan(Date.now() - 60_000);
      for (const flags of [3, 12, 16]) expect(g.call("fd_filestat_set_times", fd, 0n, 0n, flags)).toBe(INVAL);
    });
  });
});

describe("opening", () => {
  it("creates, truncates, is exclusive, and wants what it says", () => {
    const { create, exclusive, truncate, directory } = OFLAGS;
    guest((g) => {
      const outcome = (path: string, oflags: number, rights = ALL_RIGHTS): number => {
        const fd = g.open(path, { oflags, rights });
        if (fd > 0) g.call("fd_close", fd);
        return Math.min(fd, 1);
      };
      expect([outcome("n", 0), outcome("n", create), outcome("n", create | exclusive)]).toEqual([-NOENT, 1, -EXIST]);
      expect([outcome("f", create), onDisk("rw/f")]).toEqual([1, "0123456789"]);
      expect([outcome("f", truncate), onDisk("rw/f")]).toEqual([1, ""]);
      expect([outcome("d", directory), outcome("f", directory), outcome("f/", 0)]).toEqual([1, -NOTDIR, -NOTDIR]);
      expect([outcome("d", 0), outcome("d", 0, READ), outcome("d/", 0), outcome("d", create)]).toEqual([
        -ISDIR,
        1,
        1,
        -ISDIR,
      ]);
      expect([outcome("n2/", create), outcome("d/..", 0, READ), outcome("d/.", create)]).toEqual([-ISDIR, 1, -ISDIR]);
      expect([outcome("n3", create | directory), outcome("f", 16), outcome("none/n", create)]).toEqual([
        -INVAL,
        -INVAL,
        -NOENT,
      ]);
      symlinkSync("made", join(folder, "rw/dangling"));
      expect([outcome("dangling", create | exclusive), outcome("dangling", 0)]).toEqual([-EXIST, -NOENT]);
      expect([outcome("dangling", create), existsSync(join(folder, "rw/made"))]).toEqual([1, true]);
      expect(g.open("s", { isFollowing: false })).toBe(-LOOP);
      expect(g.open("f", { flags: 32 })).toBe(-INVAL);
      for (const flags of [FDFLAGS.dsync, FDFLAGS.rsync, FDFLAGS.sync])
        expect(g.open("f", { flags })).toBeGreaterThan(0);
    });
  });

  it("gives what was asked for of what the directory has, and no more", () => {
    guest((g) => {
      const rights = (fd: number): [bigint, bigint] => {
        expect(g.call("fd_fdstat_get", fd, 100)).toBe(SUCCESS);
        return [g.memory.readBigUInt64LE(108), g.memory.readBigUInt64LE(116)];
      };
      const file = g.open("f", { rights: READ | (1n << 63n) });
      expect(rights(file)[0]).toBe(READ);
      expect(g.write(file, "x")).toBe(-NOTCAPABLE);
      expect(g.number("fd_seek", file, 0n, 0)).toBe(BigInt(-NOTCAPABLE));
      const writable = g.open("f", { rights: WRITE });
      expect(g.read(writable, [1])).toBe(NOTCAPABLE);
      const directory = g.open("d", { oflags: OFLAGS.directory, rights: 1n << 13n, inheriting: READ });
      expect(rights(directory)).toEqual([1n << 13n, READ]);
      expect(g.open("../f", {}, directory)).toBe(-PERM);
      expect(g.call("path_create_directory", directory, "x")).toBe(NOTCAPABLE);
      expect(g.open("n", { oflags: OFLAGS.create }, directory)).toBe(-NOTCAPABLE);
      writeFileSync(join(folder, "rw/d/x"), "x");
      expect(rights(g.open("x", {}, directory))[0]).toBe(READ);
      expect(g.call("fd_fdstat_set_rights", file, READ | WRITE, 0n)).toBe(NOTCAPABLE);
      expect(g.call("fd_fdstat_set_rights", file, 0n, 0n)).toBe(SUCCESS);
      expect(g.read(file, [1])).toBe(NOTCAPABLE);
    });
  });

  it("numbers descriptors from the lowest free one; they can be closed and moved", () => {
    guest((g) => {
      const [a, b, c] = [g.open("f"), g.open("f"), g.open("d", { rights: READ })];
      expect([a, b, c]).toEqual([5, 6, 7]);
      expect(g.call("fd_close", 6)).toBe(SUCCESS);
      expect([g.call("fd_close", 6), g.read(6, [1])]).toEqual([BADF, BADF]);
      expect([g.open("f"), g.open("f")]).toEqual([6, 8]);
      g.read(8, [4]);
      expect(g.call("fd_renumber", 8, 5)).toBe(SUCCESS);
      expect([g.read(5, [2]), g.call("fd_close", 8)]).toEqual(["45", BADF]);
      expect([g.call("fd_renumber", 5, 5), g.call("fd_renumber", 5, 99), g.call("fd_renumber", 99, 5)]).toEqual([
        SUCCESS,
        BADF,
        BADF,
      ]);
      const before = g.carrier.host.fileBudget.open;
      expect(g.call("fd_renumber", 5, DIR)).toBe(SUCCESS);
      expect(g.carrier.host.fileBudget.open).toBe(before - 1);
      expect([g.read(DIR, [2]), g.call("fd_prestat_get", DIR, 100)]).toEqual(["67", BADF]);
    });
  });

  it("refuses paths that are none", () => {
    guest((g) => {
      expect(["", "/f", "a\0b", "x".repeat(4097), "x".repeat(300)].map((path) => -g.open(path))).toEqual([
        NOENT,
        PERM,
        INVAL,
        NAMETOOLONG,
        NAMETOOLONG,
      ]);
      g.memory.set([0xff, 0xfe], 1024);
      expect(g.call("path_unlink_file", DIR, 1024, 2)).toBe(ILSEQ);
      expect(g.call("path_open", DIR, 0, 1024, 2, 0, 0n, 0n, 0, 100)).toBe(ILSEQ);
      expect(g.call("path_filestat_get", DIR, 0, 1024, 2, 200)).toBe(ILSEQ);
      expect(g.open("d/../".repeat(700))).toBe(-NAMETOOLONG);
      expect([g.open("f", {}, 99), g.open("f", {}, 1), g.open("f", {}, g.open("f"))].map((each) => -each)).toEqual([
        BADF,
        NOTDIR,
        NOTDIR,
      ]);
    });
  });

  it("holds no more descriptors than its carrier may, whatever it tries", () => {
    guest((g) => {
      for (let i = 0; i < 30; i++) g.open("f");
      expect(g.carrier.host.fileBudget.open).toBe(10);
      for (let i = 0; i < 30; i++) {
        g.readdir(DIR, 100, 0n);
        g.open("d", { rights: READ });
        g.open("none");
        g.open(`n${i}`, { oflags: OFLAGS.create });
      }
      expect(g.carrier.host.fileBudget.open).toBe(10);
      for (let fd = 3; fd < 40; fd++) g.call("fd_close", fd);
      expect(g.carrier.host.fileBudget.open).toBe(0);
    }, 10);
  });
});

describe("names in a directory", () => {
  it("of a read-only one are refused for everything that changes", () => {
    guest((g) => {
      const refused = [
        g.call("path_create_directory", READ_ONLY, "n"),
        g.call("path_remove_directory", READ_ONLY, "n"),
        g.call("path_unlink_file", READ_ONLY, "f"),
        g.call("path_symlink", "f", READ_ONLY, "n"),
        g.call("path_rename", READ_ONLY, "f", DIR, "n"),
        g.call("path_rename", DIR, "f", READ_ONLY, "n"),
        g.call("path_link", READ_ONLY, 0, "f", DIR, "n"),
        g.call("path_link", DIR, 0, "f", READ_ONLY, "n"),
        g.call("path_filestat_set_times", READ_ONLY, 0, "f", 0n, 0n, 5),
        -g.open("f", { rights: WRITE }, READ_ONLY),
        -g.open("f", { rights: READ, oflags: OFLAGS.truncate }, READ_ONLY),
        -g.open("n", { rights: READ, oflags: OFLAGS.create }, READ_ONLY),
      ];
      expect(refused).toEqual(refused.map(() => ROFS));
      const fd = g.open("f", { rights: ALL_RIGHTS & ~WRITE }, READ_ONLY);
      expect(g.read(fd, [20])).toBe("read only");
      expect(g.call("fd_filestat_set_times", fd, 0n, 0n, 5)).toBe(ROFS);
      expect([g.write(fd, "x"), -g.call("fd_filestat_set_size", fd, 0n), -g.call("fd_allocate", fd, 0n, 99n)]).toEqual(
        Array(3).fill(-NOTCAPABLE),
      );
      expect(g.call("fd_fdstat_set_flags", fd, FDFLAGS.append)).toBe(SUCCESS);
      expect(g.write(fd, "x")).toBe(-NOTCAPABLE);
    });
    expect(onDisk("ro/f")).toBe("read only");
  });

  it("with a slash behind are directories; dots name the directory itself", () => {
    guest((g) => {
      const outcome = [
        g.call("path_create_directory", DIR, "n/"),
        g.call("path_unlink_file", DIR, "n/"),
        g.call("path_unlink_file", DIR, "f/"),
        g.call("path_rename", DIR, "f", DIR, "m/"),
        g.call("path_rename", DIR, "n/", DIR, "m/"),
        g.call("path_link", DIR, 0, "f", DIR, "g/"),
        g.call("path_link", DIR, 1, "f", DIR, "g"),
        g.call("path_symlink", "f", DIR, "t/"),
        g.call("path_remove_directory", DIR, "m/."),
        g.call("path_remove_directory", DIR, "m/"),
        g.call("path_create_directory", DIR, "."),
        g.call("path_remove_directory", DIR, "d/.."),
        g.call("path_unlink_file", DIR, "."),
        g.call("path_rename", DIR, ".", DIR, "n"),
      ];
      const expected = [
        SUCCESS,
        ISDIR,
        NOTDIR,
        NOTDIR,
        SUCCESS,
        NOENT,
        INVAL,
        NOENT,
        INVAL,
        SUCCESS,
        EXIST,
        INVAL,
        ISDIR,
        INVAL,
      ];
      expect(outcome).toEqual(expected);
    });
  });

  it("are listed from any of them on, in buffers of any size, each once", () => {
    const names = Array.from({ length: 100 }, (_, i) => `${"ž".repeat(i % 20)}${i}`);
    for (const name of names) writeFileSync(join(folder, "rw/d", name), "");
    guest((g) => {
      const fd = g.open("d", { rights: ALL_RIGHTS & ~WRITE });
      const all = g.readdir(fd, 60_000, 0n).entries;
      expect(all.map(({ name }) => name).sort()).toEqual([".", "..", ...names].sort());
      expect(all.slice(0, 2)).toMatchObject([
        { name: ".", type: 3 },
        { name: "..", type: 3 },
      ]);
      expect(all.every(({ type, inode }, i) => i < 2 || (type === 4 && inode > 0n))).toBe(true);
      fc.assert(
        fc.property(
          fc.nat(all.length),
          fc.array(fc.integer({ min: 70, max: 3000 }), { minLength: 1 }),
          (first, sizes) => {
            const listed: string[] = [];
            let cookie = first === 0 ? 0n : (all[first - 1]?.next as bigint);
            for (let i = 0; ; i++) {
              const size = sizes[i % sizes.length] as number;
              const { entries, used } = g.readdir(fd, size, cookie);
              listed.push(...entries.map(({ name }) => name));
              cookie = entries.at(-1)?.next ?? cookie;
              if (used < size) break;
              expect(entries.length).toBeGreaterThan(0);
            }
            expect(listed).toEqual(all.slice(first).map(({ name }) => name));
          },
        ),
        { numRuns: 50 },
      );
      expect(g.readdir(fd, 100, 1n << 40n)).toEqual({ errno: SUCCESS, used: 0, entries: [] });
      expect([g.readdir(fd, 100, -1n).errno, g.readdir(fd, 300_000, 0n).errno]).toEqual([INVAL, INVAL]);
      expect(g.call("fd_readdir", g.open("f"), 65_536, 100, 0n, 100)).toBe(NOTDIR);
    });
  });

  it("of links are read as far as there is room", () => {
    guest((g) => {
      expect(g.call("path_symlink", "some/where", DIR, "link")).toBe(SUCCESS);
      expect(g.call("path_readlink", DIR, "link", 30_000, 5, 100)).toBe(SUCCESS);
      expect([g.memory.readUInt32LE(100), g.memory.toString("utf8", 30_000, 30_006)]).toEqual([5, "some/\0"]);
      expect(g.call("path_readlink", DIR, "f", 30_000, 5, 100)).toBe(INVAL);
      expect(g.call("path_symlink", "/absolute", DIR, "link2")).toBe(PERM);
      expect(g.call("path_symlink", "f", DIR, "link")).toBe(EXIST);
    });
  });
});
