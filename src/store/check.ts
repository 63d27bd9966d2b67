// Looks at the database before LMDB does. LMDB maps its file and follows what stands there: on a damaged one it ends
// the process, by SIGSEGV, SIGBUS or SIGABRT. So all trees are walked first, by read(2): every page that LMDB could
// come to, and the list of pages that it would write to. Values that have pages of their own (modules) are not read;
// what a module's bytes are is seen when they are used (store.ts).
import { closeSync, fstatSync, openSync, readSync, type Stats, statSync } from "node:fs";
import { join } from "node:path";
import { FrenezuloError, reasonOf } from "../errors.ts";
import {
  assertHeader,
  childOf,
  Damage,
  HEADER_BYTES,
  isMagic,
  keyOf,
  META_BYTES,
  METAS,
  type Meta,
  nodesOf,
  overflowPages,
  readMeta,
  storedValue,
  type Tree,
  u64,
  type Value,
} from "./pages.ts";

const KEY_BYTES_MAX = 1978;
/** The file may end before its last pages if those are free; by how many pages is not bounded by LMDB. */
const beyondEnd = (pages: number): number => 2 * pages + 65_536;

/** What to do with a store that cannot be used. */
export function remedy(folder: string): string {
  return `restore ${folder} from a backup, or move it away to start without the services that came by the API`;
}

/** Passes a folder without a database, or with an empty one. @throws store_failed */
export function assertDatabase(folder: string): void {
  for (const name of ["data.mdb", "lock.mdb"]) {
    const path = join(folder, name);
    const found = stat(path);
    if (found === undefined || found.isFile()) continue;
    const kind = found.isDirectory() ? "a directory" : "not a regular file";
    throw new FrenezuloError("store_failed", { why: `${path} is ${kind}; ${remedy(folder)}` });
  }
  const path = join(folder, "data.mdb");
  if (stat(path) === undefined) return;
  let file: number | undefined;
  try {
    file = openSync(path, "r");
    const { size } = fstatSync(file);
    if (size > 0) new Walk(file, size).run();
  } catch (thrown) {
    const isDamage = thrown instanceof Damage;
    const why = isDamage ? `is damaged: ${thrown.message}; ${remedy(folder)}` : `cannot be read (${reasonOf(thrown)})`;
    throw new FrenezuloError("store_failed", { why: `${path} ${why}` }, { cause: thrown });
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

function stat(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT") return undefined;
    throw new FrenezuloError("store_failed", { why: `${path} cannot be read (${reasonOf(thrown)})` });
  }
}

class Walk {
  readonly #file: number;
  readonly #bytes: number;
  #meta!: Meta;
  /** Pages that lie in the file. */
  #pages = 0;
  /** One byte a page of the file: 1 if a tree leads there. */
  #seen = new Uint8Array(0);
  /** A page for each level of a tree. */
  readonly #buffers: Buffer[] = [];
  readonly #named: Tree[] = [];
  readonly #free: [first: number, count: number][] = [];

  constructor(file: number, bytes: number) {
    this.#file = file;
    this.#bytes = bytes;
  }

  run(): void {
    const first = Buffer.alloc(META_BYTES);
    this.#read(first, 0, "its first page");
    if (!isMagic(first)) throw new Damage("it is not a database of frenezulo's");
    const one = readMeta(first, 0);
    this.#read(first, one.pageBytes, "its second page");
    const two = readMeta(first, 1);
    if (two.pageBytes !== one.pageBytes) throw new Damage("its two meta pages differ in the size of a page");
    const meta = one.transaction >= two.transaction ? one : two;
    this.#meta = meta;
    this.#pages = Math.floor(this.#bytes / meta.pageBytes);
    if (meta.lastPage < METAS - 1 || meta.lastPage > beyondEnd(this.#pages)) {
      throw new Damage(`it has ${this.#pages} pages, and its last one is to be page ${meta.lastPage}`);
    }
    this.#seen = new Uint8Array(this.#pages);
    this.#seen.fill(1, 0, METAS);
    this.#walkTree(meta.free);
    this.#walkTree(meta.main, this.#named);
    for (const tree of this.#named) this.#walkTree(tree);
    for (const [page, count] of this.#free) this.#assertFree(page, count);
  }

  /** @param named takes the trees that are values of this one; without it there must be none */
  #walkTree(tree: Tree, named?: Tree[]): void {
    if (tree.root !== null) this.#walk(tree, tree.root, 1, null, named);
  }

  /** @param bound the key in the page above: no key here is less */
  #walk(tree: Tree, number: number, level: number, bound: Buffer | null, named?: Tree[]): void {
    const isLeaf = level === tree.depth;
    this.#take(number, 1);
    this.#buffers[level] ??= Buffer.alloc(this.#meta.pageBytes);
    const page = this.#buffers[level] as Buffer;
    this.#read(page, number * page.length, `page ${number}`);
    assertHeader(page, number, isLeaf ? "leaf" : "branch", this.#meta.transaction);
    const nodes = nodesOf(page, number, isLeaf || tree.isFreeList ? 1 : 2);
    let before: Buffer | null = bound;
    for (const [index, at] of nodes.entries()) {
      const key = keyOf(page, at);
      // The first key of a branch is never looked at, and is empty.
      if (isLeaf || index > 0) {
        this.#assertKey(tree, number, key, before, index === 0);
        before = key;
      }
      if (!isLeaf) {
        // The page below has a buffer of its own, so the keys here stay as they are.
        this.#walk(tree, childOf(page, at), level + 1, before, named);
        continue;
      }
      const value = storedValue(page, number, at);
      if (value.kind === "overflow") this.#takeOverflow(value.page, value.pages);
      if (tree.isFreeList) this.#readFreeList(page, number, value);
      else if (value.kind === "tree" && named === undefined) throw new Damage(`page ${number} has a tree in a tree`);
      else if (value.kind === "tree") named?.push(value.tree);
    }
  }

  #assertKey({ isFreeList }: Tree, number: number, key: Buffer, before: Buffer | null, mayEqual: boolean): void {
    const isSound = isFreeList ? key.length === 8 : key.length > 0 && key.length <= KEY_BYTES_MAX;
    if (!isSound) throw new Damage(`page ${number} has a key of ${key.length} bytes`);
    if (before === null) return;
    const order = isFreeList ? u64(before, 0) - u64(key, 0) : before.compare(key);
    if (order > 0 || (order === 0 && !mayEqual)) throw new Damage(`the keys of page ${number} are out of order`);
  }

  /** Marks pages that a tree leads to. */
  #take(number: number, count: number): void {
    if (number < METAS || number + count > this.#pages || number + count - 1 > this.#meta.lastPage) {
      throw new Damage(`it ends before page ${number + count - 1}, which it needs`);
    }
    for (let i = number; i < number + count; i++) {
      if (this.#seen[i] !== 0) throw new Damage(`page ${i} is used twice`);
      this.#seen[i] = 1;
    }
  }

  #takeOverflow(number: number, count: number): void {
    this.#take(number, count);
    const head = Buffer.alloc(HEADER_BYTES);
    this.#read(head, number * this.#meta.pageBytes, `page ${number}`);
    assertHeader(head, number, "overflow", this.#meta.transaction);
    if (overflowPages(head) !== count) throw new Damage(`page ${number} has not as many pages as its value`);
  }

  /** A list: how many words follow; 0 (nothing), a page, or minus how many pages from the one in the next word on. */
  #readFreeList(page: Buffer, number: number, value: Value): void {
    if (value.kind === "tree") throw new Damage(`page ${number} has a tree among the free pages`);
    let list: Buffer;
    if (value.kind === "inline") list = page.subarray(value.at, value.at + value.bytes);
    else {
      list = Buffer.alloc(value.bytes);
      this.#read(list, value.page * this.#meta.pageBytes + HEADER_BYTES, `page ${value.page}`);
    }
    const fail = (): never => {
      throw new Damage(`page ${number} has a list of free pages that is none`);
    };
    if (list.length < 8 || list.length % 8 !== 0) fail();
    const words = u64(list, 0);
    if (words > list.length / 8 - 1) fail();
    for (let i = 1; i <= words; i++) {
      const word = list.readBigInt64LE(8 * i);
      if (word === 0n) continue;
      const count = word < 0n ? Number(-word) : 1;
      if (word < 0n && ++i > words) fail();
      this.#free.push([u64(list, 8 * i), count]);
    }
  }

  /** LMDB writes to free pages. */
  #assertFree(number: number, count: number): void {
    if (number < METAS || number + count - 1 > this.#meta.lastPage) {
      throw new Damage(`page ${number} is among its free pages and does not exist`);
    }
    for (let i = number; i < Math.min(number + count, this.#pages); i++) {
      if (this.#seen[i] !== 0) throw new Damage(`page ${i} is free and used`);
    }
  }

  #read(into: Buffer, at: number, what: string): void {
    if (at + into.length > this.#bytes) throw new Damage(`it ends before ${what} does`);
    const length = readSync(this.#file, into, 0, into.length, at);
    if (length < into.length) throw new Damage(`it ends before ${what} does`);
  }
}
