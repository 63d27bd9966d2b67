// lunatic::sqlite as a guest sees it: databases in memory and in real folders, and the locks between carriers.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { Directories } from "../../../../actors/abi/sqlite/directories.ts";
import { loadSqlite3 } from "../../../../actors/abi/sqlite/library.ts";
import { SqliteLoaders } from "../../../../actors/abi/sqlite/loader.ts";
import { decodeBindings } from "../../../../actors/abi/sqlite/values.ts";
import { FileTable } from "../../../../actors/files/files.ts";
import { clearLocks, FileLocks, LEVEL, LOCKS_BYTES, type LockHolder } from "../../../../wire/file-locks.ts";
import type { Preopen } from "../../../../wire/specs.ts";
import { bundle } from "../../../harness/bundle.ts";
import { type Inside, inside, type Ran } from "../../../harness/local-carrier.ts";
import { result } from "../../../harness/threads.ts";

/** The number of the environment that local-carrier.ts gives its guests. */
const ENVIRONMENT = 1;

/** Of a carrier whose guests run here. */
const loaders = new SqliteLoaders();
let folder: string;
beforeAll(() => loaders.of(ENVIRONMENT).load());
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sqlite-"));
  mkdirSync(join(folder, "data"));
});
afterEach(() => rmSync(folder, { recursive: true }));

type Sql = number | bigint | string | Buffer | null;

/** What a guest does with SQLite, in short. */
class Guest {
  readonly inside: Inside;

  constructor(one: Inside) {
    this.inside = one;
  }

  #put(bytes: Buffer): [number, number] {
    this.inside.memory().set(bytes, 1024);
    return [1024, bytes.length];
  }

  /** @returns the connection, or the text of the error */
  open(path: string): bigint | string {
    const { call, memory } = this.inside;
    const [at, length] = this.#put(Buffer.from(path));
    const result = call("sqlite.open", at, length, 16);
    const id = memory().readBigUInt64LE(16);
    if (result === 0n) return id;
    const size = Number(call("error.string_size", id));
    call("error.to_string", id, 1024);
    return memory().toString("utf8", 1024, 1024 + size);
  }

  execute(sql: string, connection = 0n): number {
    return Number(this.inside.call("sqlite.execute", connection, ...this.#put(Buffer.from(sql))));
  }

  prepare(sql: string, connection = 0n): bigint {
    return this.inside.call("sqlite.query_prepare", connection, ...this.#put(Buffer.from(sql))) as bigint;
  }

  bind(statement: bigint, ...values: (Sql | readonly [number | string, Sql])[]): void {
    this.inside.call("sqlite.bind_value", statement, ...this.#put(list(values)));
  }

  step(statement: bigint): number {
    return Number(this.inside.call("sqlite.sqlite3_step", statement));
  }

  given(name: string, ...args: (number | bigint)[]): Buffer {
    const at = Number(this.inside.call(`sqlite.${name}`, ...args, 8)) >>> 0;
    const memory = this.inside.memory();
    return Buffer.from(memory.subarray(at, at + memory.readUInt32LE(8)));
  }

  row(statement: bigint): Sql[] {
    return readRow(this.given("read_row", statement));
  }

  all(sql: string, connection = 0n): Sql[][] {
    const statement = this.prepare(sql, connection);
    const rows: Sql[][] = [];
    while (this.step(statement) === 100) rows.push(this.row(statement));
    this.inside.call("sqlite.sqlite3_finalize", statement);
    return rows;
  }

  lastError(connection = 0n): [number, string] {
    const bytes = this.given("last_error", connection);
    expect([bytes[0], bytes[5], Number(bytes.readBigUInt64LE(6))]).toEqual([1, 1, bytes.length - 14]);
    return [bytes.readUInt32LE(1), bytes.toString("utf8", 14)];
  }
}

const u32 = (value: number): Buffer => Buffer.from(Uint32Array.of(value).buffer);
const u64 = (value: number | bigint): Buffer => Buffer.from(BigUint64Array.of(BigInt(value)).buffer);

function list(values: readonly (Sql | readonly [number | string, Sql])[]): Buffer {
  const parts = values.flatMap((each) => {
    const [key, value] = Array.isArray(each) ? (each as [number | string, Sql]) : [null, each as Sql];
    const name = Buffer.from(String(key));
    const first =
      key === null ? [u32(0)] : typeof key === "number" ? [u32(1), u64(key)] : [u32(2), u64(name.length), name];
    if (value === null) return [...first, u32(0)];
    if (Buffer.isBuffer(value)) return [...first, u32(1), u64(value.length), value];
    if (typeof value === "string") return [...first, u32(2), u64(Buffer.byteLength(value)), Buffer.from(value)];
    if (typeof value === "number") return [...first, u32(3), Buffer.from(Float64Array.of(value).buffer)];
    return [...first, u32(5), Buffer.from(BigInt64Array.of(value).buffer)];
  });
  return Buffer.concat([u64(values.length), ...parts]);
}

function readRow(bytes: Buffer): Sql[] {
  let at = 8;
  const row = Array.from({ length: Number(bytes.readBigUInt64LE(0)) }, () => {
    const kind = bytes.readUInt32LE(at);
    at += 4;
    if (kind === 0) return null;
    at += 8;
    if (kind === 3) return bytes.readDoubleLE(at - 8);
    if (kind === 4) return bytes.readBigInt64LE(at - 8);
    const length = Number(bytes.readBigUInt64LE(at - 8));
    at += length;
    const value = Buffer.from(bytes.subarray(at - length, at));
    return kind === 2 ? value.toString("utf8") : value;
  });
  expect(at).toBe(bytes.length);
  return row;
}

function use({ carrier: { host } }: Inside, sqlites: SqliteLoaders): void {
  Object.assign(host, { sqlites: Object.assign(sqlites, { mustStop: host.sqlites.mustStop }) });
}

function withSqlite(step: (guest: Guest) => void, isReadOnly = false): ReturnType<typeof inside> {
  const preopens: Preopen[] = [{ guest: "/data", host: join(folder, "data"), isReadOnly }];
  const ran = inside(
    (one) => {
      use(one, loaders);
      step(new Guest(one));
    },
    { spec: { preopens, replyBytesMax: 1 << 16 } },
  );
  const { process } = ran.carrier;
  process.closeAll();
  expect(ran.carrier.host.fileBudget.open).toBe(0);
  return ran;
}

const normal = (step: (guest: Guest) => void, isReadOnly = false): void =>
  expect(withSqlite(step, isReadOnly).exit).toEqual({ reason: "normal", text: "" });

describe("a database in memory", () => {
  it("keeps values exactly", () => {
    const value = fc.oneof(
      fc.constant(null),
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
      fc.double({ noNaN: true }),
      fc.string({ unit: "binary" }),
      fc.uint8Array().map((bytes) => Buffer.from(bytes)),
    );
    normal((guest) => {
      expect(guest.open(":memory:")).toBe(0n);
      const statement = guest.prepare("SELECT ?1, ?2, :name");
      fc.assert(
        fc.property(value, value, value, (a, b, c) => {
          guest.bind(statement, a, [2, b], [":name", c]);
          expect(guest.step(statement)).toBe(100);
          // SQLite has no negative zero.
          const same = (each: Sql): Sql => (Object.is(each, -0) ? 0 : each);
          expect(guest.row(statement).map(same)).toEqual([a, b, c].map(same));
          guest.inside.call("sqlite.statement_reset", statement);
        }),
        { numRuns: 300 },
      );
    });
  });

  it("has names, counts, changes and errors", () => {
    normal((guest) => {
      expect(guest.open("")).toBe(0n);
      expect(guest.open(":memory:")).toBe(1n);
      expect(guest.execute("CREATE TABLE t(a, b); INSERT INTO t VALUES (1, 'x'), (2, 'y'), (3, 'z')")).toBe(0);
      expect(guest.inside.call("sqlite.sqlite3_changes", 0n)).toBe(3);
      expect(guest.all("SELECT a, b FROM t WHERE a > 1")).toEqual([
        [2n, "y"],
        [3n, "z"],
      ]);
      const statement = guest.prepare('SELECT a AS "naïve", b FROM t');
      expect(guest.inside.call("sqlite.column_count", statement)).toBe(2);
      expect(guest.given("column_name", statement, 0).toString()).toBe("naïve");
      const names = Buffer.concat([u64(2), u64(6), Buffer.from("naïve"), u64(1), Buffer.from("b")]);
      expect(guest.given("column_names", statement)).toEqual(names);
      guest.step(statement);
      expect(guest.given("read_column", statement, 1)).toEqual(Buffer.concat([u32(2), u64(1), Buffer.from("x")]));
      expect(guest.execute("SELECT * FROM missing")).toBe(1);
      expect(guest.lastError()).toEqual([1, "no such table: missing"]);
      expect(guest.execute("SELECT 1", 1n)).toBe(0);
      expect(guest.all("SELECT CAST(x'61ff62' AS TEXT)")).toEqual([["a\ufffdb"]]);
    });
  });

  it("takes a text in double quotes, as lunatic's SQLite does", () => {
    normal((guest) => {
      guest.open(":memory:");
      expect(guest.all('SELECT "Hello"')).toEqual([["Hello"]]);
      expect(guest.execute('CREATE TABLE t(a CHECK (a <> "x")); INSERT INTO t VALUES ("y")')).toBe(0);
      expect(guest.all('SELECT "a" FROM t')).toEqual([["y"]]);
      expect(guest.execute('INSERT INTO t VALUES ("x")')).toBe(19);
    });
  });

  it("traps where lunatic does, with SQLite's text", () => {
    const ends = (step: (guest: Guest) => void): string =>
      withSqlite((guest) => {
        guest.open(":memory:");
        step(guest);
      }).exit.text;
    expect(ends((guest) => guest.prepare("SELEC 1"))).toBe('SQLite: near "SELEC": syntax error');
    expect(ends((guest) => guest.execute("SELECT 1", 5n))).toBe("there is no connection 5");
    expect(ends((guest) => guest.step(0n))).toBe("there is no statement 0");
    expect(ends((guest) => guest.lastError())).toBe("the connection had no error");
    expect(ends((guest) => guest.step(guest.prepare("SELECT abs(-9223372036854775808)")))).toBe(
      "SQLite: integer overflow",
    );
    expect(ends((guest) => guest.bind(guest.prepare("SELECT ?"), 1n, 2n))).toMatch(
      /^SQLite: column index out of range/,
    );
    expect(ends((guest) => guest.bind(guest.prepare("SELECT ?"), [":x", 2n]))).toBe(
      "the statement has no parameter :x",
    );
    expect(ends((guest) => guest.given("read_column", guest.prepare("SELECT 1"), 1))).toBe("there is no column 1");
    expect(ends((guest) => guest.all("SELECT zeroblob(200000)"))).toMatch(/too big|more than/);
    const forged = (guest: Guest): void => void guest.prepare("SELECT [a\nwasm://forged]");
    expect(ends(forged)).toMatch(/^SQLite: no such column: a wasm:\/\/forged/);
    expect(ends((guest) => guest.prepare(`SELECT [${"a".repeat(30_000)}]`)).length).toBe(1024);
    const nameless = ends((guest) => guest.bind(guest.prepare("SELECT ?"), [`:${"\n".repeat(30_000)}`, 1n]));
    expect(nameless).toMatch(/^.{1024}$/);
    const twice = (guest: Guest): void => {
      const statement = guest.prepare("SELECT 1");
      guest.inside.call("sqlite.sqlite3_finalize", statement);
      guest.inside.call("sqlite.sqlite3_finalize", statement);
    };
    expect(ends(twice)).toBe("there is no statement 0");
  });

  it("takes no bytes that are no list of bindings", () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        try {
          decodeBindings(Buffer.from(bytes));
        } catch (thrown) {
          expect(thrown instanceof RangeError || thrown instanceof TypeError).toBe(true);
        }
      }),
    );
    expect(() => decodeBindings(Buffer.alloc(8, 0xff))).toThrow(RangeError);
  });

  it("is ended with its process in the middle of a query, and has no more memory than a carrier's", () => {
    const endless = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c";
    const { exit } = withSqlite((guest) => {
      guest.open(":memory:");
      const { carrier } = guest.inside;
      Object.assign(carrier.host.services, {
        mayGoOn: () => {
          carrier.process.dying ??= { reason: "killed", text: "by a test" };
        },
      });
      guest.execute(endless);
    });
    expect(exit).toEqual({ reason: "killed", text: "by a test" });
    normal((guest) => {
      guest.open(":memory:");
      expect(guest.execute("PRAGMA hard_heap_limit = 1000")).toBe(23);
      const fill =
        "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) INSERT INTO t SELECT zeroblob(60000) FROM c";
      expect(guest.execute(`CREATE TABLE t(a); ${fill}`)).toBe(7);
      expect(guest.execute("SELECT 1")).toBe(0);
    });
  });
});

describe("a null pointer for the id", () => {
  it("means 0: nothing is written or kept, however often a path is refused", () => {
    normal((guest) => {
      const { call, memory } = guest.inside;
      memory().write("/elsewhere:memory:", 1024);
      const before = Buffer.from(memory().subarray(0, 8));
      for (let i = 0; i < 3000; i++) expect(call("sqlite.open", 1024, 10, 0)).toBe(1n);
      expect(call("sqlite.open", 1034, 8, 0)).toBe(0n);
      expect(memory().subarray(0, 8)).toEqual(before);
      expect(guest.all("SELECT 1")).toEqual([[1n]]);
    });
  });
});

describe("a database in a file", () => {
  it("is there for the next process, and rolls back what one had not finished", () => {
    normal((guest) => {
      expect(guest.open("/data/x.db")).toBe(0n);
      expect(guest.execute("CREATE TABLE t(a); INSERT INTO t VALUES (1); BEGIN; INSERT INTO t VALUES (2)")).toBe(0);
    });
    normal((guest) => {
      guest.open("/data/x.db");
      expect(guest.all("SELECT a FROM t")).toEqual([[1n]]);
      expect(guest.all("PRAGMA journal_mode = WAL")).toEqual([["delete"]]);
    });
    expect(readdirSync(join(folder, "data"))).toEqual(["x.db"]);
  });

  it("is closed once, however often its process is", () => {
    for (let i = 0; i < 3; i++) {
      const { exit, carrier } = withSqlite((guest) => {
        expect(guest.open("/data/x.db")).toBe(0n);
        guest.execute("CREATE TABLE IF NOT EXISTS t(a)");
        guest.step(guest.prepare("SELECT count(*) FROM t"));
      });
      expect(exit).toEqual({ reason: "normal", text: "" });
      carrier.process.closeAll(); // an actor closes it, and so does the kernel when it leaves the table
    }
  });

  it("locks others out while it writes", () => {
    normal((guest) => {
      guest.open("/data/x.db");
      guest.open("/data/../data/./x.db");
      guest.open("/data/./x.db");
      expect(guest.execute("CREATE TABLE t(a); BEGIN IMMEDIATE; INSERT INTO t VALUES (1)")).toBe(0);
      expect(guest.all("SELECT count(*) FROM t", 1n)).toEqual([[0n]]);
      expect(guest.execute("PRAGMA busy_timeout = 60000; INSERT INTO t VALUES (2)", 1n)).toBe(5);
      expect(guest.lastError(1n)).toEqual([5, "database is locked"]);
      expect(guest.execute("COMMIT")).toBe(0);
      expect(guest.execute("INSERT INTO t VALUES (2)", 1n)).toBe(0);
    });
  });

  it("lies in the process's directories: no name, link, ATTACH or VACUUM leads out", () => {
    writeFileSync(join(folder, "secret.db"), "");
    symlinkSync("../secret.db", join(folder, "data/link.db"));
    symlinkSync("..", join(folder, "data/up"));
    symlinkSync("../stolen", join(folder, "data/x.db-journal"));
    normal((guest) => {
      expect(guest.open("/etc/x.db")).toMatch(
        /^\/etc\/x\.db lies in no directory of the process: `dirs` of its policy/,
      );
      expect(guest.open("x.db")).toMatch(/lies in no directory/);
      expect(guest.open("/database.db")).toMatch(/lies in no directory/);
      expect(guest.open("/data/../secret.db")).toMatch(/leads out of its directory/);
      expect(guest.open("/data/up/secret.db")).toMatch(/leads out of its directory/);
      expect(guest.open("/data/link.db")).toMatch(/no regular file/);
      expect(guest.open("/data/up")).toMatch(/no regular file/);
      expect(guest.open("file:/data/y.db?vfs=unix")).toMatch(/lies in no directory/);
      expect(guest.open(":memory:")).toBe(0n);
      for (const path of [
        "/data/../secret.db",
        "/etc/passwd",
        "/data/link.db",
        "file:/tmp/x?vfs=unix",
        "file:/m?vfs=memdb",
      ]) {
        expect(guest.execute(`ATTACH '${path}' AS other`), path).toBe(14);
        expect(guest.execute(`VACUUM INTO '${path}x'`), path).toBe(path.includes("link") ? 0 : 14);
      }
      expect(guest.open("/data/x.db")).toBe(1n);
      expect(guest.execute("CREATE TABLE t(a)", 1n)).toBe(14);
    });
    expect(existsSync(join(folder, "stolen"))).toBe(false);
    expect(readdirSync(folder).sort()).toEqual(["data", "secret.db"]);
  });

  it("is not read past a journal that nobody could look for", () => {
    const preopens: Preopen[] = [{ guest: "/data", host: join(folder, "data"), isReadOnly: false }];
    writeFileSync(join(folder, "data/x.db-journal"), "hot");
    const budget = { open: 0, max: 0 };
    const directories = new Directories(preopens, new FileTable(preopens, budget));
    expect(() => directories.has("/data/x.db-journal")).toThrow(); // too many files: it is there all the same
    budget.max = 1;
    expect(directories.has("/data/x.db-journal")).toBe(true);
    for (const path of ["/data/y.db-journal", "/data/none/y.db", "/data/x.db-journal/y", "/data/../y.db", "/y.db"]) {
      expect(directories.has(path), path).toBe(false);
    }
    directories.close();
  });

  it("is read only in a read-only directory", () => {
    normal((guest) => {
      guest.open("/data/x.db");
      guest.execute("CREATE TABLE t(a); INSERT INTO t VALUES (7)");
    });
    normal((guest) => {
      expect(guest.open("/data/x.db")).toBe(0n);
      expect(guest.all("SELECT a FROM t")).toEqual([[7n]]);
      expect(guest.execute("INSERT INTO t VALUES (8)")).toBe(8);
      expect(guest.open("/data/new.db")).toMatch(/its directory is read-only/);
    }, true);
  });
});

describe("without the package", () => {
  it("says what is missing", async () => {
    const missing = new SqliteLoaders(() =>
      Promise.reject(Object.assign(new Error("x"), { code: "ERR_MODULE_NOT_FOUND" })),
    );
    await missing.of(ENVIRONMENT).load();
    const { exit } = inside((one) => {
      use(one, missing);
      expect(new Guest(one).open(":memory:")).toBe("npm's package @sqlite.org/sqlite-wasm is not installed");
    });
    expect(exit.reason).toBe("normal");
  });
});

it("is loaded later where that failed once, and a plain process is told to come again", async () => {
  let tries = 0;
  const later = new SqliteLoaders(() => (++tries === 1 ? Promise.reject(new Error("too many files")) : loadSqlite3()));
  const loader = later.of(ENVIRONMENT);
  const open = (expected: bigint | RegExp): void => {
    const { exit } = inside((one) => {
      use(one, later);
      const given = new Guest(one).open(":memory:");
      if (typeof expected === "bigint") expect(given).toBe(expected);
      else expect(given).toMatch(expected);
    });
    expect(exit.reason).toBe("normal");
  };
  open(/^SQLite is being loaded in its carrier/);
  await loader.load();
  open(/^too many files$/);
  expect(loader.isLoading).toBe(true);
  await loader.load();
  open(0n);
  expect(tries).toBe(2);
});

describe("locks of carriers", () => {
  const holder = (ino = 1): LockHolder => ({ file: [1, 0, ino, 0], entry: 0 });

  it("follow SQLite's levels", () => {
    const block = new SharedArrayBuffer(LOCKS_BYTES);
    const [one, other] = [new FileLocks(block, 1), new FileLocks(block, 2)];
    const [a, b] = [holder(), holder()];
    expect([one.lock(a, LEVEL.shared), other.lock(b, LEVEL.shared)]).toEqual([true, true]);
    expect([one.lock(a, LEVEL.reserved), other.lock(b, LEVEL.reserved)]).toEqual([true, false]);
    expect(other.isReserved(b)).toBe(true);
    expect(one.lock(a, LEVEL.exclusive)).toBe(false);
    expect([other.lock(holder(), LEVEL.shared), other.lock(holder(2), LEVEL.shared)]).toEqual([false, true]);
    other.unlock(b, LEVEL.none);
    expect(one.lock(a, LEVEL.exclusive)).toBe(true);
    expect(other.lock(b, LEVEL.shared)).toBe(false);
    one.unlock(a, LEVEL.shared);
    expect(other.lock(b, LEVEL.shared)).toBe(true);
  });

  it("keep threads apart", async () => {
    const program = await bundle("test/unit/actors/abi/workers/sqlite-locker.ts");
    const [block, number] = [new SharedArrayBuffer(LOCKS_BYTES), new SharedArrayBuffer(8)];
    await Promise.all([1, 2, 3].map((slot) => result(program, { block, number, slot, times: 2000 })));
    expect(new Int32Array(number)[0]).toBe(6000);
  });

  it("go with their carrier, as does the table's mutex", () => {
    const block = new SharedArrayBuffer(LOCKS_BYTES);
    const [one, other] = [new FileLocks(block, 1), new FileLocks(block, 2)];
    const [a, b] = [holder(), holder()];
    one.lock(a, LEVEL.shared);
    one.lock(a, LEVEL.exclusive);
    new Int32Array(block)[0] = 1; // it ended while it held the mutex
    expect(other.lock(b, LEVEL.shared)).toBe(false);
    clearLocks(block, 1);
    expect(other.lock(b, LEVEL.shared)).toBe(true);
  });

  it("keep a second SQLite out, until its carrier has ended: then the journal is rolled back", async () => {
    const block = new SharedArrayBuffer(LOCKS_BYTES);
    const make = async (slot: number): Promise<SqliteLoaders> => {
      const made = new SqliteLoaders();
      made.locks = new FileLocks(block, slot);
      await made.of(ENVIRONMENT).load();
      return made;
    };
    const [one, two] = [await make(1), await make(2)];
    const preopens: Preopen[] = [{ guest: "/data", host: join(folder, "data"), isReadOnly: false }];
    const run = (sqlites: SqliteLoaders, step: (guest: Guest) => void): Ran =>
      inside(
        (each) => {
          use(each, sqlites);
          step(new Guest(each));
        },
        { spec: { preopens } },
      );
    const first = run(one, (guest) => {
      guest.open("/data/x.db");
      guest.execute("PRAGMA cache_size = 1; CREATE TABLE t(a)");
      guest.execute("BEGIN; INSERT INTO t SELECT zeroblob(20000) FROM (VALUES (1), (2), (3), (4), (5), (6))");
    });
    expect(first.exit.reason).toBe("normal");
    expect(existsSync(join(folder, "data/x.db-journal"))).toBe(true);
    const second = run(two, (guest) => {
      guest.open("/data/x.db");
      expect(guest.execute("SELECT * FROM t")).toBe(5);
      clearLocks(block, 1); // what the main thread does when the first carrier has ended
      expect(guest.all("SELECT count(*) FROM t")).toEqual([[0n]]);
    });
    expect(second.exit).toEqual({ reason: "normal", text: "" });
  });
});

describe("environments of a carrier", () => {
  const OTHER = ENVIRONMENT + 1;
  const FILL =
    "CREATE TABLE t AS WITH c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT randomblob(60000) FROM c";

  it("each have an SQLite of their own: one uses up its memory, and the other does not notice", async () => {
    const both = new SqliteLoaders();
    await Promise.all([ENVIRONMENT, OTHER].map((each) => both.of(each).load()));
    const ran = inside((one) => {
      use(one, both);
      const full = new Guest(one);
      full.open(":memory:");
      expect(full.execute(FILL)).toBe(7);
      full.execute("CREATE TABLE t AS SELECT 1");
    });
    expect(ran.exit.reason).toBe("normal");
    const other = inside(
      (one) => {
        use(one, both);
        const guest = new Guest(one);
        guest.open(":memory:");
        expect(guest.execute("CREATE TABLE t AS SELECT randomblob(60000)")).toBe(0);
      },
      { spec: { environmentId: OTHER, replyBytesMax: 1 << 16 } },
    );
    expect(other.exit.reason).toBe("normal");
  });

  it("are forgotten when they are not here any more", async () => {
    const both = new SqliteLoaders();
    await Promise.all([ENVIRONMENT, OTHER].map((each) => both.of(each).load()));
    both.keep((environment) => environment === OTHER);
    expect([both.of(ENVIRONMENT).library === null, both.of(OTHER).library === null]).toEqual([true, false]);
  });

  it("give an SQLite up that throws, and load another", async () => {
    const own = new SqliteLoaders();
    await own.of(ENVIRONMENT).load();
    const run = (): Ran =>
      inside((one) => {
        use(one, own);
        own.mustStop = () => {
          throw new Error("its stack is used up");
        };
        const guest = new Guest(one);
        expect(guest.open(":memory:")).toBe(0n);
        guest.execute("WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c");
      });
    expect(run().exit).toEqual({ reason: "trap", text: "SQLite failed: its stack is used up" });
    const loader = own.of(ENVIRONMENT);
    expect(loader.library).toBe(null);
    await loader.load();
    expect(run().exit).toEqual({ reason: "trap", text: "SQLite failed: its stack is used up" });
  });
});
