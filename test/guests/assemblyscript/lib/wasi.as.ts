// WASI preview 1, as it says itself: the result of each is 0 or an error's number.

@external("wasi_snapshot_preview1", "args_get")
export declare function argsGet(pointers: usize, bytes: usize): u32;

@external("wasi_snapshot_preview1", "args_sizes_get")
export declare function argsSizesGet(count: usize, size: usize): u32;

@external("wasi_snapshot_preview1", "environ_get")
export declare function environGet(pointers: usize, bytes: usize): u32;

@external("wasi_snapshot_preview1", "environ_sizes_get")
export declare function environSizesGet(count: usize, size: usize): u32;

@external("wasi_snapshot_preview1", "clock_res_get")
export declare function clockResGet(clock: u32, nanoseconds: usize): u32;

@external("wasi_snapshot_preview1", "clock_time_get")
export declare function clockTimeGet(clock: u32, precision: u64, nanoseconds: usize): u32;

@external("wasi_snapshot_preview1", "fd_advise")
export declare function fdAdvise(fd: u32, offset: u64, length: u64, advice: u32): u32;

@external("wasi_snapshot_preview1", "fd_allocate")
export declare function fdAllocate(fd: u32, offset: u64, length: u64): u32;

@external("wasi_snapshot_preview1", "fd_close")
export declare function fdClose(fd: u32): u32;

@external("wasi_snapshot_preview1", "fd_datasync")
export declare function fdDatasync(fd: u32): u32;

@external("wasi_snapshot_preview1", "fd_fdstat_get")
export declare function fdFdstatGet(fd: u32, stat: usize): u32;

@external("wasi_snapshot_preview1", "fd_fdstat_set_flags")
export declare function fdFdstatSetFlags(fd: u32, flags: u32): u32;

@external("wasi_snapshot_preview1", "fd_fdstat_set_rights")
export declare function fdFdstatSetRights(fd: u32, base: u64, inheriting: u64): u32;

@external("wasi_snapshot_preview1", "fd_filestat_get")
export declare function fdFilestatGet(fd: u32, stat: usize): u32;

@external("wasi_snapshot_preview1", "fd_filestat_set_size")
export declare function fdFilestatSetSize(fd: u32, size: u64): u32;

@external("wasi_snapshot_preview1", "fd_filestat_set_times")
export declare function fdFilestatSetTimes(fd: u32, access: u64, change: u64, flags: u32): u32;

@external("wasi_snapshot_preview1", "fd_pread")
export declare function fdPread(fd: u32, vectors: usize, count: u32, offset: u64, got: usize): u32;

@external("wasi_snapshot_preview1", "fd_prestat_get")
export declare function fdPrestatGet(fd: u32, prestat: usize): u32;

@external("wasi_snapshot_preview1", "fd_prestat_dir_name")
export declare function fdPrestatDirName(fd: u32, to: usize, length: u32): u32;

@external("wasi_snapshot_preview1", "fd_pwrite")
export declare function fdPwrite(fd: u32, vectors: usize, count: u32, offset: u64, written: usize): u32;

@external("wasi_snapshot_preview1", "fd_read")
export declare function fdRead(fd: u32, vectors: usize, count: u32, got: usize): u32;

@external("wasi_snapshot_preview1", "fd_readdir")
export declare function fdReaddir(fd: u32, to: usize, length: u32, cookie: u64, used: usize): u32;

@external("wasi_snapshot_preview1", "fd_renumber")
export declare function fdRenumber(from: u32, to: u32): u32;

@external("wasi_snapshot_preview1", "fd_seek")
export declare function fdSeek(fd: u32, offset: i64, whence: u32, position: usize): u32;

@external("wasi_snapshot_preview1", "fd_sync")
export declare function fdSync(fd: u32): u32;

@external("wasi_snapshot_preview1", "fd_tell")
export declare function fdTell(fd: u32, position: usize): u32;

@external("wasi_snapshot_preview1", "fd_write")
export declare function fdWrite(fd: u32, vectors: usize, count: u32, written: usize): u32;

@external("wasi_snapshot_preview1", "path_create_directory")
export declare function pathCreateDirectory(fd: u32, path: usize, length: u32): u32;

@external("wasi_snapshot_preview1", "path_filestat_get")
export declare function pathFilestatGet(fd: u32, follow: u32, path: usize, length: u32, stat: usize): u32;

@external("wasi_snapshot_preview1", "path_filestat_set_times")
export declare function pathFilestatSetTimes(
  fd: u32,
  follow: u32,
  path: usize,
  length: u32,
  access: u64,
  change: u64,
  flags: u32,
): u32;

@external("wasi_snapshot_preview1", "path_link")
export declare function pathLink(
  fd: u32,
  follow: u32,
  path: usize,
  length: u32,
  toFd: u32,
  toPath: usize,
  toLength: u32,
): u32;

@external("wasi_snapshot_preview1", "path_open")
export declare function pathOpen(
  fd: u32,
  follow: u32,
  path: usize,
  length: u32,
  open: u32,
  base: u64,
  inheriting: u64,
  flags: u32,
  opened: usize,
): u32;

@external("wasi_snapshot_preview1", "path_readlink")
export declare function pathReadlink(fd: u32, path: usize, length: u32, to: usize, max: u32, used: usize): u32;

@external("wasi_snapshot_preview1", "path_remove_directory")
export declare function pathRemoveDirectory(fd: u32, path: usize, length: u32): u32;

@external("wasi_snapshot_preview1", "path_rename")
export declare function pathRename(fd: u32, path: usize, length: u32, toFd: u32, toPath: usize, toLength: u32): u32;

@external("wasi_snapshot_preview1", "path_symlink")
export declare function pathSymlink(target: usize, targetLength: u32, fd: u32, path: usize, length: u32): u32;

@external("wasi_snapshot_preview1", "path_unlink_file")
export declare function pathUnlinkFile(fd: u32, path: usize, length: u32): u32;

@external("wasi_snapshot_preview1", "poll_oneoff")
export declare function pollOneoff(subscriptions: usize, events: usize, count: u32, happened: usize): u32;

@external("wasi_snapshot_preview1", "proc_exit")
export declare function procExit(code: u32): void;

@external("wasi_snapshot_preview1", "proc_raise")
export declare function procRaise(signal: u32): u32;

@external("wasi_snapshot_preview1", "sched_yield")
export declare function schedYield(): u32;

@external("wasi_snapshot_preview1", "random_get")
export declare function randomGet(to: usize, length: u32): u32;

@external("wasi_snapshot_preview1", "sock_accept")
export declare function sockAccept(fd: u32, flags: u32, accepted: usize): u32;

@external("wasi_snapshot_preview1", "sock_recv")
export declare function sockRecv(fd: u32, vectors: usize, count: u32, flags: u32, got: usize, outFlags: usize): u32;

@external("wasi_snapshot_preview1", "sock_send")
export declare function sockSend(fd: u32, vectors: usize, count: u32, flags: u32, sent: usize): u32;

@external("wasi_snapshot_preview1", "sock_shutdown")
export declare function sockShutdown(fd: u32, how: u32): u32;
