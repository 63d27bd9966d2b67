// WASI's rights: what may be done with a descriptor, as bits, and which of them a kind of descriptor can have.
//
// A right that is missing gives "not capable", as lunatic's runtime does. That a preopened directory is read-only is no
// right: guests mask what they ask for with the rights of the directory, so that a missing right to write would turn
// into a file that opens and cannot be written; they are told at once ("read-only file system").

export const RIGHT = {
  datasync: 1 << 0,
  read: 1 << 1,
  seek: 1 << 2,
  setFlags: 1 << 3,
  sync: 1 << 4,
  tell: 1 << 5,
  write: 1 << 6,
  advise: 1 << 7,
  allocate: 1 << 8,
  createDirectory: 1 << 9,
  createFile: 1 << 10,
  linkSource: 1 << 11,
  linkTarget: 1 << 12,
  open: 1 << 13,
  readdir: 1 << 14,
  readlink: 1 << 15,
  renameSource: 1 << 16,
  renameTarget: 1 << 17,
  pathStat: 1 << 18,
  pathSetSize: 1 << 19,
  pathSetTimes: 1 << 20,
  stat: 1 << 21,
  setSize: 1 << 22,
  setTimes: 1 << 23,
  symlink: 1 << 24,
  removeDirectory: 1 << 25,
  unlinkFile: 1 << 26,
  poll: 1 << 27,
} as const;

const R = RIGHT;

/** What can be done with a file that is open for writing. */
const WRITING = R.write | R.allocate | R.setSize;

export const FILE_RIGHTS =
  WRITING | R.datasync | R.read | R.seek | R.setFlags | R.sync | R.tell | R.advise | R.stat | R.setTimes | R.poll;

export const DIRECTORY_RIGHTS =
  R.createDirectory |
  R.createFile |
  R.linkSource |
  R.linkTarget |
  R.open |
  R.readdir |
  R.readlink |
  R.renameSource |
  R.renameTarget |
  R.pathStat |
  R.pathSetSize |
  R.pathSetTimes |
  R.symlink |
  R.removeDirectory |
  R.unlinkFile |
  R.datasync |
  R.setFlags |
  R.sync |
  R.stat |
  R.setTimes;

/** The rights of this host among those that a guest names; the others mean nothing here. */
export function rightsOf(bits: bigint): number {
  return Number(BigInt.asUintN(28, bits));
}

/** Rights of a file that was not opened for writing, or lies in a read-only directory. */
export function withoutWriting(rights: number): number {
  return rights & ~WRITING;
}
