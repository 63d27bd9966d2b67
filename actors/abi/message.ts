// lunatic::message: the scratch message, sending, and receiving with tags and time-outs (lunatic-abi.md §1.1, §3).
import { Message, messageKinds } from "../mailbox.ts";
import type { Process } from "../process.ts";
import type { MessageResource } from "../resources.ts";
import { type Host, type HostFunctions, TIMED_OUT, timeoutMs, u64 } from "./host.ts";
import { pidOf } from "./pid.ts";

/** The first bytes that a process writes messages in. Small: most processes write little. */
const BUILDER_BYTES_MIN = 64;
const RECEIVED = 0;

export function messageFunctions(host: Host): HostFunctions {
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
      const wanted = Math.max(needed, process.builder.length * 2, BUILDER_BYTES_MIN);
      process.builder = new Uint8Array(Math.min(max, wanted));
    }
    process.builder.set(old);
    message.bytes = process.builder;
    message.start = 0;
  };

  /** Sends the scratch message; waits for room in the other's mailbox. */
  const transmit = <R>(process: Process, pid: number, name: string, sent: () => R): R => {
    const message = scratch(process, name);
    const send = (): true | undefined => (host.services.send(process, pid, message) ? true : undefined);
    const { sendTimeoutMs } = process.limits;
    if (send() === true) {
      process.scratch = null;
      host.enter(); // to itself there may have been no room
      return sent();
    }
    return host.wait(send, sendTimeoutMs, (done) => {
      if (done === undefined) host.trap(`the mailbox of process ${pid} was full for ${sendTimeoutMs} ms`);
      process.scratch = null;
      return sent();
    });
  };

  const receive = (
    process: Process,
    take: () => Message | undefined,
    ms: number,
    resultOf = ({ kind }: Message): number => messageKinds.indexOf(kind),
  ): number => {
    const arrive = (message: Message | undefined): number => {
      if (message === undefined) return TIMED_OUT;
      process.scratch = message;
      host.services.processes.hasTaken(process);
      return resultOf(message);
    };
    const first = take();
    return first === undefined ? host.wait(take, ms, arrive) : arrive(first);
  };

  /** Puts a resource of the process into the scratch message. */
  const push = (name: string, take: (process: Process) => MessageResource): bigint => {
    const process = host.enter();
    const message = data(process, name);
    message.resources ??= [];
    if (message.resources.length >= process.limits.resourcesMax) host.trap("a message with too many resources");
    return BigInt(message.resources.push(take(process)) - 1);
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
    get_process_id: () => {
      const { kind, process } = scratch(host.enter(), "get_process_id");
      return kind === "process_died" ? BigInt(process) : 0n;
    },
    data_size: () => BigInt(data(host.enter(), "data_size").length),
    push_module: (id: bigint) =>
      push(
        "push_module",
        ({ resources }) => resources.modules.get(u64(id)) ?? host.trap(`there is no module ${u64(id)}`),
      ),
    take_module: (index: bigint) => {
      const process = host.enter();
      const { resources } = data(process, "take_module");
      const module = resources?.[Number(u64(index))];
      if (resources == null || module?.kind !== "module")
        return host.trap(`the message has no module at ${u64(index)}`);
      resources[Number(u64(index))] = null;
      return process.resources.modules.add(module) ?? host.trap("too many modules");
    },
    send: (pid: bigint) => transmit(host.enter(), pidOf(pid), "send", () => 0),
    receive: (tagsPointer: number, tagsCount: number, timeout: bigint) => {
      const process = host.enter();
      const { mailbox } = process;
      const ms = timeoutMs(timeout);
      if (tagsCount === 0) return receive(process, () => mailbox.take(), ms);
      // Untagged messages never match, even if 0 is listed (lunatic-abi.md §2.5).
      const tags = readTags(host, tagsPointer, tagsCount >>> 0).filter((tag) => tag !== 0n);
      return receive(
        process,
        lookOnce(process, () => mailbox.take(tags), tags),
        ms,
      );
    },
    // Up to 0.12 without a tag: then the tag of the message being sent counts (lunatic-abi.md §0.2).
    send_receive_skip_search: (pid: bigint, ...rest: bigint[]) => {
      const process = host.enter();
      const own = scratch(process, "send_receive_skip_search").tag;
      const [tag, timeout] = rest.length === 2 ? [u64(rest[0] as bigint), rest[1]] : [own, rest[0]];
      const tags = rest.length === 1 && tag === 0n ? undefined : [tag];
      const ms = timeoutMs(timeout as bigint);
      const mark = process.mailbox.arrived;
      return transmit(process, pidOf(pid), "send_receive_skip_search", () =>
        receive(
          process,
          lookOnce(process, () => process.mailbox.takeArrivedAfter(mark, tags), tags),
          ms,
          () => RECEIVED, // also for the death of a link with that tag (lunatic-abi.md §1.1)
        ),
      );
    },
  };
}

/** Looks through the mailbox once, and from then on only at what has arrived since: a flood is not searched again. */
function lookOnce(
  { mailbox }: Process,
  first: () => Message | undefined,
  tags: readonly bigint[] | undefined,
): () => Message | undefined {
  let mark = -1;
  return () => {
    const found = mark < 0 ? first() : mailbox.takeArrivedAfter(mark, tags);
    mark = mailbox.arrived;
    return found;
  };
}

function readTags(host: Host, pointer: number, count: number): bigint[] {
  if (count === 0) return [];
  if (count > host.process.limits.resourcesMax) host.trap(`a receive with ${count} tags`);
  const start = host.range(pointer, count * 8);
  const view = host.view();
  return Array.from({ length: count }, (_, i) => view.getBigUint64(start + i * 8, true));
}
