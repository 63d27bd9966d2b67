// lunatic's host functions that work in this version: message, distributed, process, error, metrics, version
// (lunatic-abi.md §1).
import { Message, messageKinds } from "../mailbox.ts";
import type { Process } from "../process.ts";
import { type Host, type HostFunctions, timeoutMs, u64 } from "./host.ts";
import { metricsFunctions } from "./metrics.ts";

const TIMED_OUT = 9027;
const VERSION = { major: 0, minor: 13, patch: 2 } as const;

export function lunaticFunctions(host: Host): Record<string, HostFunctions> {
  return {
    "lunatic::message": messageFunctions(host),
    "lunatic::distributed": distributedFunctions(host),
    "lunatic::process": processFunctions(host),
    "lunatic::error": errorFunctions(host),
    "lunatic::metrics": metricsFunctions(host),
    "lunatic::version": {
      major: () => VERSION.major,
      minor: () => VERSION.minor,
      patch: () => VERSION.patch,
    },
  };
}

function messageFunctions(host: Host): HostFunctions {
  const scratch = (process: Process, name: string): Message =>
    process.scratch ?? host.trap(`lunatic::message.${name} without a message`);

  const data = (process: Process, name: string): Message => {
    const message = scratch(process, name);
    return message.kind === "data" ? message : host.trap(`lunatic::message.${name} on a ${message.kind} message`);
  };

  /** Makes sure that the scratch message lies in the process's own bytes and has room for `more`. */
  const makeWritable = (process: Process, message: Message, more: number): void => {
    const max = process.limits.scratchBytesMax;
    const needed = message.length + more;
    if (needed > max) host.trap(`a message of more than ${max} bytes`);
    if (message.bytes === process.builder && needed <= process.builder.length) return;
    const old = message.bytes.subarray(message.start, message.start + message.length);
    if (needed > process.builder.length) {
      process.builder = new Uint8Array(Math.min(max, Math.max(needed, process.builder.length * 2)));
    }
    process.builder.set(old);
    message.bytes = process.builder;
    message.start = 0;
  };

  const send = (pid: bigint): number => {
    const process = host.enter();
    const message = scratch(process, "send");
    process.scratch = null;
    host.services.send(process, Number(u64(pid)), message);
    return 0;
  };

  const receive = (take: (process: Process) => Message | undefined, ms: number): number => {
    const process = host.enter();
    const arrive = (message: Message | undefined): number => {
      if (message === undefined) return TIMED_OUT;
      process.scratch = message;
      return messageKinds.indexOf(message.kind);
    };
    const first = take(process);
    return first === undefined ? host.wait(() => take(process), ms, arrive) : arrive(first);
  };

  return {
    create_data: (tag: bigint, _capacity: bigint) => {
      // The capacity is a hint that the guest chooses: ignored (DECISIONS 3.4).
      const process = host.enter();
      process.scratch = new Message("data", u64(tag), process.builder);
    },
    write_data: (pointer: number, length: number) => {
      const process = host.enter();
      const message = data(process, "write_data");
      const bytes = length >>> 0;
      const start = host.range(pointer, bytes);
      makeWritable(process, message, bytes);
      const memory = host.memory();
      const builder = process.builder;
      const to = message.length;
      if (bytes < 32) for (let i = 0; i < bytes; i++) builder[to + i] = memory[start + i] as number;
      else builder.set(memory.subarray(start, start + bytes), to);
      message.length = to + bytes;
      return length;
    },
    read_data: (pointer: number, length: number) => {
      const message = data(host.enter(), "read_data");
      if (message.cursor > message.length) host.trap("lunatic::message.read_data beyond the end of the message");
      const bytes = Math.min(length >>> 0, message.length - message.cursor);
      const to = host.range(pointer, bytes);
      const from = message.start + message.cursor;
      const memory = host.memory();
      // rmp-serde reads byte by byte (27 calls a request): a loop beats making views of a few bytes.
      if (bytes < 32) for (let i = 0; i < bytes; i++) memory[to + i] = message.bytes[from + i] as number;
      else memory.set(message.bytes.subarray(from, from + bytes), to);
      message.cursor += bytes;
      return bytes;
    },
    seek_data: (position: bigint) => {
      data(host.enter(), "seek_data").cursor = Number(u64(position));
    },
    get_tag: () => scratch(host.enter(), "get_tag").tag,
    get_process_id: () => BigInt(scratch(host.enter(), "get_process_id").process),
    data_size: () => BigInt(data(host.enter(), "data_size").length),
    send,
    receive: (tagsPointer: number, tagsCount: number, timeout: bigint) => {
      host.enter();
      const tags = readTags(host, tagsPointer, tagsCount >>> 0);
      return receive((process) => process.mailbox.take(tags), timeoutMs(timeout));
    },
    // Up to 0.12 without a tag: then the tag of the message being sent counts (lunatic-abi.md §0.2).
    send_receive_skip_search: (pid: bigint, ...rest: bigint[]) => {
      const process = host.enter();
      const own = scratch(process, "send_receive_skip_search").tag;
      const [tag, timeout] = rest.length === 2 ? [u64(rest[0] as bigint), rest[1]] : [own, rest[0]];
      const mark = process.mailbox.arrived;
      send(pid);
      const wanted = rest.length === 1 && tag === 0n ? undefined : tag;
      return receive((waiting) => waiting.mailbox.takeArrivedAfter(mark, wanted), timeoutMs(timeout as bigint));
    },
  };
}

function readTags(host: Host, pointer: number, count: number): bigint[] {
  if (count === 0) return [];
  if (count > host.process.limits.resourcesMax) host.trap(`a receive with ${count} tags`);
  const start = host.range(pointer, count * 8);
  const view = host.view();
  return Array.from({ length: count }, (_, i) => view.getBigUint64(start + i * 8, true));
}

function distributedFunctions(host: Host): HostFunctions {
  const noNode = (node: bigint): never =>
    host.trap(`there is no node ${u64(node)}: this host is not part of a cluster`);
  return {
    node_id: () => 0n,
    module_id: () => 0n,
    nodes_count: () => 0,
    get_nodes: () => 0,
    send: (node: bigint, _pid: bigint) => {
      host.enter();
      return noNode(node);
    },
  };
}

function processFunctions(host: Host): HostFunctions {
  return {
    process_id: () => {
      host.pidAsked = true;
      return BigInt(host.enter().pid);
    },
    environment_id: () => 1n,
    sleep_ms: (ms: bigint) => {
      host.enter();
      return host.wait(
        () => undefined,
        Number(u64(ms)),
        () => undefined,
      );
    },
  };
}

function errorFunctions(host: Host): HostFunctions {
  const text = (id: bigint): string => {
    const error = u64(id) === 0n ? "timed out" : host.enter().errors.get(u64(id));
    return error ?? host.trap(`there is no error ${u64(id)}`);
  };
  return {
    string_size: (id: bigint) => Buffer.byteLength(text(id)),
    to_string: (id: bigint, pointer: number) => {
      const bytes = Buffer.from(text(id));
      host.slice(pointer, bytes.length).set(bytes);
    },
    drop: (id: bigint) => {
      if (u64(id) !== 0n && !host.enter().errors.remove(u64(id))) host.trap(`there is no error ${u64(id)}`);
    },
  };
}
