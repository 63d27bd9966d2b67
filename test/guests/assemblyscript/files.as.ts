// WASI preview 1 as a program sees it: arguments, clocks, chance, and files below /db, which is empty before.
import { done, equal, expect, fails, out, Text, test, textAt } from "./lib/tap.as";
import * as wasi from "./lib/wasi.as";

const BAD_FD: u32 = 8;
const EXISTS: u32 = 20;
const INVALID: u32 = 28;
const NO_ENTRY: u32 = 44;
const NOT_SUPPORTED: u32 = 52;
const NOT_EMPTY: u32 = 55;
const NOT_CAPABLE: u32 = 76;
const CREATE: u32 = 1;
const DIRECTORY: u32 = 2;
const ALL: u64 = 0x1fffffff;
const buffer = memory.data(1024, 8);
const vector = memory.data(8, 8);

function ok(result: u32, what: string): void {
  equal(result, 0, what);
}

/** The descriptor of /db. */
function root(): u32 {
  for (let fd: u32 = 3; wasi.fdPrestatGet(fd, buffer) == 0; fd++) {
    const length = load<u32>(buffer, 4);
    ok(wasi.fdPrestatDirName(fd, buffer, length), "fd_prestat_dir_name");
    if (textAt(buffer, length) == "/db") return fd;
  }
  throw new Error("there is no /db");
}

function open(name: string, how: u32 = CREATE): u32 {
  const path = new Text(name);
  const rights = how == DIRECTORY ? ALL & ~0x40 : ALL;
  ok(wasi.pathOpen(root(), 0, path.at, path.length, how, rights, ALL, 0, out), `path_open of ${name}`);
  return load<u32>(out);
}

function at(place: usize, length: u32): usize {
  store<u32>(vector, <u32>place);
  store<u32>(vector, length, 4);
  return vector;
}

function write(fd: u32, said: string): void {
  const text = new Text(said);
  ok(wasi.fdWrite(fd, at(text.at, text.length), 1, out), "fd_write");
  equal(load<u32>(out), text.length, "the bytes written");
}

function read(fd: u32): string {
  ok(wasi.fdRead(fd, at(buffer, 100), 1, out), "fd_read");
  return textAt(buffer, load<u32>(out));
}

function seek(fd: u32, offset: i64, whence: u32): u64 {
  ok(wasi.fdSeek(fd, offset, whence, out), "fd_seek");
  return load<u64>(out);
}

/** The result of path_filestat_get; the stat is in the buffer: type at 16, links at 24, size at 32, times at 40. */
function stat(name: string): u32 {
  const path = new Text(name);
  return wasi.pathFilestatGet(root(), 0, path.at, path.length, buffer);
}

function size(name: string): i64 {
  return stat(name) == 0 ? load<u64>(buffer, 32) : -1;
}

/** The names of a directory but "." and "..", in their order. */
function list(fd: u32): string {
  ok(wasi.fdReaddir(fd, buffer, 1024, 0, out), "fd_readdir");
  const names: string[] = [];
  for (let entry: u32 = 0; entry < load<u32>(out); ) {
    const length = load<u32>(buffer + entry, 16);
    const name = textAt(buffer + entry + 24, length);
    if (name != "." && name != "..") names.push(name);
    entry += 24 + length;
  }
  return names.sort().join(" ");
}

/** A list of the process's: the first text in it, and that sizes and pointers agree. */
function first(count: u32, bytes: u32): string {
  const pointers = load<u32>(buffer);
  equal(pointers, <u32>buffer + 512, "the first pointer");
  expect(count > 0 && bytes < 512, "sizes");
  let length: u32 = 0;
  while (load<u8>(pointers + length) != 0) length++;
  return textAt(pointers, length);
}

function exits(code: i32): void {
  wasi.procExit(code);
}

function now(clock: u32): u64 {
  ok(wasi.clockTimeGet(clock, 0, out), "clock_time_get");
  return load<u64>(out);
}

export function _start(): void {
  test("the first argument is the program's file", () => {
    ok(wasi.argsSizesGet(out, out + 4), "args_sizes_get");
    equal(load<u32>(out), 1, "the count");
    ok(wasi.argsGet(buffer, buffer + 512), "args_get");
    expect(first(load<u32>(out), load<u32>(out, 4)).endsWith("as-files.wasm"), "its name");
  });
  test("variables are NAME=VALUE, or there are none", () => {
    ok(wasi.environSizesGet(out, out + 4), "environ_sizes_get");
    const count = load<u32>(out);
    const bytes = load<u32>(out, 4);
    const room = new ArrayBuffer(<i32>(count * 4 + bytes));
    const start = changetype<usize>(room);
    ok(wasi.environGet(start, start + count * 4), "environ_get");
    let ends: u32 = 0;
    for (let i: u32 = 0; i < bytes; i++) if (load<u8>(start + count * 4 + i) == 0) ends++;
    equal(ends, count, "the texts");
  });
  test("clocks go on, and a poll waits for one", () => {
    ok(wasi.clockResGet(1, out), "clock_res_get");
    equal(load<u64>(out), 1_000_000, "the resolution");
    expect(now(0) > 1_600_000_000_000_000_000, "the time of day");
    const before = now(1);
    memory.fill(buffer, 0, 96);
    store<u64>(buffer, 5);
    store<u32>(buffer, 1, 16);
    store<u64>(buffer, 30_000_000, 24);
    ok(wasi.pollOneoff(buffer, buffer + 512, 1, out), "poll_oneoff");
    equal(load<u32>(out), 1, "events");
    equal(load<u64>(buffer, 512), 5, "whose");
    expect(now(1) - before >= 28_000_000, "the time passed");
    equal(wasi.pollOneoff(buffer, buffer + 512, 0, out), INVALID, "a poll for nothing");
    equal(wasi.clockResGet(9, out), INVALID, "a clock that is none");
    ok(wasi.schedYield(), "sched_yield");
  });
  test("chance differs, and fills what it shall only", () => {
    memory.fill(buffer, 0, 64);
    ok(wasi.randomGet(buffer, 24), "random_get");
    expect(load<u64>(buffer) != load<u64>(buffer, 8) && load<u64>(buffer, 16) != 0, "numbers");
    equal(load<u64>(buffer, 24), 0, "what follows");
  });
  test("exit codes, signals and sockets", () => {
    expect(!fails<i32>(exits, 0) && fails<i32>(exits, 3), "proc_exit");
    equal(wasi.procRaise(9), NOT_SUPPORTED, "proc_raise");
    equal(wasi.sockAccept(3, 0, out), NOT_SUPPORTED, "sock_accept");
    equal(wasi.sockRecv(3, vector, 1, 0, out, out + 4), NOT_SUPPORTED, "sock_recv");
    equal(wasi.sockSend(3, vector, 1, 0, out), NOT_SUPPORTED, "sock_send");
    equal(wasi.sockShutdown(3, 0), NOT_SUPPORTED, "sock_shutdown");
  });
  test("a file is written, sought and read, here and there", () => {
    const fd = open("text");
    write(fd, "one two");
    ok(wasi.fdTell(fd, out), "fd_tell");
    equal(load<u64>(out), 7, "the place");
    equal(seek(fd, -3, 2), 4, "from the end");
    equal(read(fd), "two", "what is there");
    const text = new Text("TWO!");
    ok(wasi.fdPwrite(fd, at(text.at, 4), 1, 4, out), "fd_pwrite");
    ok(wasi.fdPread(fd, at(buffer, 100), 1, 2, out), "fd_pread");
    equal(textAt(buffer, load<u32>(out)), "e TWO!", "from 2");
    equal(read(fd), "!", "the place stayed");
    ok(wasi.fdSync(fd), "fd_sync");
    ok(wasi.fdDatasync(fd), "fd_datasync");
    ok(wasi.fdClose(fd), "fd_close");
    equal(wasi.fdClose(fd), BAD_FD, "a second close");
    equal(size("text"), 8, "its size");
  });
  test("a file's size, times and hints", () => {
    const fd = open("sized");
    ok(wasi.fdFilestatSetSize(fd, 10), "fd_filestat_set_size");
    ok(wasi.fdAllocate(fd, 10, 10), "fd_allocate");
    ok(wasi.fdAdvise(fd, 0, 0, 1), "fd_advise");
    equal(wasi.fdAdvise(fd, 0, 0, 77), INVALID, "an advice that is none");
    ok(wasi.fdFilestatSetTimes(fd, 5_000_000_000, 6_000_000_000, 5), "fd_filestat_set_times");
    ok(wasi.fdFilestatGet(fd, buffer), "fd_filestat_get");
    equal(load<u8>(buffer, 16), 4, "a regular file");
    equal(load<u64>(buffer, 32), 20, "its size");
    equal(load<u64>(buffer, 48), 6_000_000_000, "its change");
    const path = new Text("sized");
    ok(wasi.pathFilestatSetTimes(root(), 0, path.at, path.length, 0, 7_000_000_000, 4), "path_filestat_set_times");
    ok(stat("sized"), "path_filestat_get");
    equal(load<u64>(buffer, 48), 7_000_000_000, "its change now");
    ok(wasi.fdClose(fd), "fd_close");
  });
  test("flags, rights and numbers of a descriptor", () => {
    const fd = open("flags");
    write(fd, "abc");
    seek(fd, 0, 0);
    ok(wasi.fdFdstatSetFlags(fd, 1), "fd_fdstat_set_flags");
    write(fd, "d"); // appends
    equal(size("flags"), 4, "the size");
    ok(wasi.fdFdstatGet(fd, buffer), "fd_fdstat_get");
    equal(load<u8>(buffer), 4, "the type");
    equal(load<u16>(buffer, 2), 1, "the flags");
    const other = open("text");
    ok(wasi.fdRenumber(other, fd), "fd_renumber");
    equal(wasi.fdTell(other, out), BAD_FD, "the old number");
    equal(read(fd), "one TWO!", "the new number");
    ok(wasi.fdFdstatSetRights(fd, 2, 0), "fd_fdstat_set_rights");
    equal(wasi.fdWrite(fd, at(buffer, 1), 1, out), NOT_CAPABLE, "a write without the right");
    equal(wasi.fdFdstatSetRights(fd, 0x42, 0), NOT_CAPABLE, "more rights");
  });
  test("directories are made, listed and removed when empty", () => {
    const folder = new Text("folder");
    ok(wasi.pathCreateDirectory(root(), folder.at, folder.length), "path_create_directory");
    equal(wasi.pathCreateDirectory(root(), folder.at, folder.length), EXISTS, "again");
    ok(wasi.fdClose(open("folder/b")), "fd_close");
    ok(wasi.fdClose(open("folder/a")), "fd_close");
    equal(list(open("folder", DIRECTORY)), "a b", "what is in it");
    equal(wasi.pathRemoveDirectory(root(), folder.at, folder.length), NOT_EMPTY, "with files in it");
    for (let i = 0; i < 2; i++) {
      const path = new Text(i == 0 ? "folder/a" : "folder/b");
      ok(wasi.pathUnlinkFile(root(), path.at, path.length), "path_unlink_file");
    }
    ok(wasi.pathRemoveDirectory(root(), folder.at, folder.length), "path_remove_directory");
    equal(stat("folder"), NO_ENTRY, "after all");
  });
  test("names are linked, pointed at and changed", () => {
    ok(wasi.fdClose(open("source")), "fd_close");
    const source = new Text("source");
    const second = new Text("second");
    const pointer = new Text("pointer");
    ok(wasi.pathLink(root(), 0, source.at, source.length, root(), second.at, second.length), "path_link");
    ok(stat("source"), "path_filestat_get");
    equal(load<u64>(buffer, 24), 2, "links");
    ok(wasi.pathSymlink(source.at, source.length, root(), pointer.at, pointer.length), "path_symlink");
    ok(wasi.pathReadlink(root(), pointer.at, pointer.length, buffer, 100, out), "path_readlink");
    equal(textAt(buffer, load<u32>(out)), "source", "its target");
    const moved = new Text("moved");
    ok(wasi.pathRename(root(), second.at, second.length, root(), moved.at, moved.length), "path_rename");
    equal(stat("second"), NO_ENTRY, "the old name");
    equal(size("moved"), 0, "the new name");
  });
  done();
}
