// The bytes of an LMDB page as lmdb-js 3.5 writes them (mdb.c: MDB_page_header, MDB_meta, MDB_db, MDB_node, MDB_ovpage;
// 64 bits, little-endian). What cannot be is thrown as Damage. Pure.

/** What is wrong with the file, for a sentence that begins with its name. */
export class Damage extends Error {}

export const HEADER_BYTES = 24;
/** What is read of the file to find its page size. */
export const META_BYTES = HEADER_BYTES + 152;
/** Pages 0 and 1 are meta pages. */
export const METAS = 2;
const MAGIC = 0xbeefc0de;
const VERSION = 2;
const KIND = { branch: 1, leaf: 2, overflow: 4, meta: 8 } as const;
/** All flags that say what a page is; the others are of a transaction that has ended. */
const KIND_MASK = 0x7f;
/** The flags of a free-page tree (integer keys), and so of the whole file; of all other trees of ours: none. */
const INTEGER_KEYS = 0x08;
const TREE_FLAGS_MASK = 0x7f;
const TREE_BYTES = 48;
const NODE = { big: 1, tree: 2, bytes: 8 } as const;
const OVERFLOW_BYTES = 24;
const DEPTH_MAX = 32;
const NONE = 0xffff_ffff;

/** One tree: the free pages, the root of names, or a named one. */
export interface Tree {
  readonly isFreeList: boolean;
  readonly depth: number;
  /** null: it is empty. */
  readonly root: number | null;
}

export interface Meta {
  readonly pageBytes: number;
  readonly transaction: number;
  readonly lastPage: number;
  readonly free: Tree;
  readonly main: Tree;
}

/** What a node of a leaf holds besides its key. */
export type Value =
  | { readonly kind: "inline"; readonly at: number; readonly bytes: number }
  | { readonly kind: "overflow"; readonly page: number; readonly pages: number; readonly bytes: number }
  | { readonly kind: "tree"; readonly tree: Tree };

export interface Node {
  readonly key: Buffer;
  readonly value: Value;
}

export const isMagic = (page: Buffer): boolean => page.readUInt32LE(HEADER_BYTES) === MAGIC;

/** A number of 64 bits, exact up to 2^53: what is larger is far out of any range it is held against. */
export function u64(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 0x1_0000_0000;
}

/** @param page at least META_BYTES of it */
export function readMeta(page: Buffer, which: number): Meta {
  const at = HEADER_BYTES;
  const fail = (what: string): never => {
    throw new Damage(`meta page ${which} ${what}`);
  };
  if (page.readUInt16LE(18) !== KIND.meta || !isMagic(page)) fail("is not one");
  if ((page.readUInt32LE(at + 4) & 0xffff) !== VERSION) fail("is of an unknown version");
  const pageBytes = page.readUInt32LE(at + 24);
  if (pageBytes < 512 || pageBytes > 65_536 || (pageBytes & (pageBytes - 1)) !== 0) fail("names no page size");
  const free = readTree(page, at + 24, true);
  const main = readTree(page, at + 24 + TREE_BYTES, false);
  const lastPage = u64(page, at + 24 + 2 * TREE_BYTES);
  return { pageBytes, lastPage, transaction: u64(page, at + 32 + 2 * TREE_BYTES), free, main };
}

function readTree(bytes: Buffer, at: number, isFreeList: boolean): Tree {
  const flags = bytes.readUInt16LE(at + 4) & TREE_FLAGS_MASK;
  const depth = bytes.readUInt16LE(at + 6);
  const isEmpty = bytes.readUInt32LE(at + 40) === NONE && bytes.readUInt32LE(at + 44) === NONE;
  if (flags !== (isFreeList ? INTEGER_KEYS : 0)) throw new Damage("a tree has flags that no tree of ours has");
  if (isEmpty !== (depth === 0) || depth > DEPTH_MAX) throw new Damage(`a tree has ${depth} levels`);
  return { isFreeList, depth, root: isEmpty ? null : u64(bytes, at + 40) };
}

/** What must hold of every page that a tree leads to. */
export function assertHeader(page: Buffer, number: number, kind: keyof typeof KIND, lastTransaction: number): void {
  if (u64(page, 0) !== number) throw new Damage(`page ${number} says that it is page ${u64(page, 0)}`);
  if ((page.readUInt16LE(18) & KIND_MASK) !== KIND[kind]) throw new Damage(`page ${number} is not ${kind} of a tree`);
  // LMDB would take it for one of its own copies in memory and write there: into its read-only map.
  if (u64(page, 8) > lastTransaction) throw new Damage(`page ${number} is of a transaction that never was`);
}

/** Pages of an overflow value, as its first page says. */
export const overflowPages = (page: Buffer): number => page.readUInt32LE(20);

/** Offsets of a branch's or leaf's nodes in the page. */
export function nodesOf(page: Buffer, number: number, atLeast: number): number[] {
  const lower = page.readUInt16LE(20);
  const upper = page.readUInt16LE(22);
  const room = page.length - HEADER_BYTES;
  if (lower % 2 !== 0 || lower > upper || upper > room || lower / 2 < atLeast) {
    throw new Damage(`page ${number} has no sound table of its entries`);
  }
  const nodes: number[] = [];
  for (let i = 0; i < lower; i += 2) {
    const offset = page.readUInt16LE(HEADER_BYTES + i);
    if (offset % 2 !== 0 || offset < upper || offset + NODE.bytes > room) outOfPage(number);
    const at = HEADER_BYTES + offset;
    if (at + NODE.bytes + page.readUInt16LE(at + 6) > page.length) outOfPage(number);
    nodes.push(at);
  }
  return nodes;
}

export function keyOf(page: Buffer, at: number): Buffer {
  return page.subarray(at + NODE.bytes, at + NODE.bytes + page.readUInt16LE(at + 6));
}

/** The page that a branch's node leads to. */
export function childOf(page: Buffer, at: number): number {
  return page.readUInt32LE(at) + page.readUInt16LE(at + 4) * 0x1_0000_0000;
}

export function storedValue(page: Buffer, number: number, at: number): Value {
  const bytes = page.readUInt32LE(at);
  const flags = page.readUInt16LE(at + 4);
  const data = at + NODE.bytes + page.readUInt16LE(at + 6);
  const inPage = flags === NODE.big ? OVERFLOW_BYTES : bytes;
  if (data + inPage > page.length) outOfPage(number);
  if (flags === 0) return { kind: "inline", at: data, bytes };
  if (flags === NODE.tree && bytes === TREE_BYTES) return { kind: "tree", tree: readTree(page, data, false) };
  if (flags !== NODE.big) throw new Damage(`page ${number} has an entry of an unknown kind`);
  const pages = u64(page, data + 16);
  // A shorter value that took the place of a longer one keeps its pages.
  if (pages < Math.ceil((HEADER_BYTES + bytes) / page.length)) {
    throw new Damage(`page ${number} has a value that is larger than its pages`);
  }
  return { kind: "overflow", page: u64(page, data), pages, bytes };
}

function outOfPage(number: number): never {
  throw new Damage(`page ${number} has an entry that does not lie in it`);
}
