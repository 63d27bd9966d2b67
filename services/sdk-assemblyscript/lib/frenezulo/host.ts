// The host functions that the SDK calls: lunatic messages and WASI's fd_write. lunatic-abi.md, sections 1.1, 1.5 and 1.7.

@external("lunatic::message", "receive")
export declare function receive(tags: usize, tagCount: u32, timeoutMs: i64): u32;

@external("lunatic::message", "data_size")
export declare function dataSize(): u64;

@external("lunatic::message", "read_data")
export declare function readData(to: usize, length: u32): u32;

@external("lunatic::message", "create_data")
export declare function createData(tag: i64, capacity: u64): void;

@external("lunatic::message", "write_data")
export declare function writeData(from: usize, length: u32): u32;

@external("lunatic::message", "send")
export declare function send(process: u64): u32;

@external("lunatic::distributed", "send")
export declare function sendToNode(node: u64, process: u64): u32;

@external("wasi_snapshot_preview1", "fd_write")
export declare function fdWrite(fd: u32, vectors: usize, vectorCount: u32, written: usize): u32;
