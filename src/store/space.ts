// What a row or a module takes of the store's limit. Pure.

export const pageBytes = 4096;
/** Room counted for a row beside its text: key, page header, its share of a tree that is not full. */
const rowOverheadBytes = 128;
/** LMDB's header of a value that has pages of its own, as every value beyond half a page has. */
const valueHeaderBytes = 16;

export function moduleBytesOf(version: { readonly bytes: number }): number {
  return Math.ceil((version.bytes + valueHeaderBytes) / pageBytes) * pageBytes;
}

/** Bytes of a row; none where there is none. */
export function rowBytes(row: object | undefined): number {
  return row === undefined ? 0 : Buffer.byteLength(JSON.stringify(row)) + rowOverheadBytes;
}
