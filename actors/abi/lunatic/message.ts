// lunatic::message: the scratch message, sending, and receiving with tags and time-outs (lunatic-abi.md §1.1, §3).
import { SMALL_BYTES } from "../../../wire/cost.ts";
import { type Mailbox, Message, messageKinds } from "../../processes/mailbox.ts";
import type { Process } from "../../processes/process.ts";
import type { MessageResource } from "../../processes/resources.ts";
import { type Host, type HostFunctions, TIMED_OUT, timeoutMs, u64 } from "../host.ts";
import { pidOf } from "../pid.ts";

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
    const { bytes, start, length } = message;
    if (needed > process.builder.length) {
      if (process.endsForMemory()) host.enter();
      const wanted = Math.max(needed, process.builder.length * 2, BUILDER_BYTES_MIN);
      process.builder = new Uint8Array(Math.min(max, wanted));
    }
    if (length > 0) process.builder.set(bytes.subarray(start, start + length));
    message.bytes = process.builder;
    message.start = 0;
  };

  /** Sends the scratch message. False if there is no room in the other's mailbox yet. */
  const trySend = (process: Process, pid: number, message: Message): boolean => {
    if (!host.services.send(process, pid, message)) return false;
    process.scratch = null;
    host.enter(); // to itself there may have been no room
    return true;
  };

  /** Goes on with `sent` once there was room for the scratch message. */
  const sendLater = <R>(process: Process, pid: number, message: Message, sent: () => R): R => {
    const send = (): true | undefined => (host.services.send(process, pid, message) ? true : undefined);
    const { sendTimeoutMs } = process.limits;
    return host.wait(send, sendTimeoutMs, (done) => {
      if (done === undefined) host.trap(`the mailbox of process ${pid} was full for ${sendTimeoutMs} ms`);
      process.scratch = null;
      return sent();
    });
  };

  /** The end of a receive: the kind of message, or that the time is over. */
  const arrive = (message: Message | undefined): number => {
    const { process } = host;
    process.awaited = null;
    if (message === undefined) return TIMED_OUT;
    process.scratch = message;
    host.services.processes.hasTaken(process);
    return messageKinds.indexOf(message.kind);
  };

  /** What has these tags comes however full the mailbox is (DECISIONS 9.5). */
  const expect = (process: Process, tags: readonly bigint[] | undefined): void => {
    process.awaited = tags ?? null;
    if (tags !== undefined && tags.length > 1 && process.endsForMemory()) host.enter();
    // Full or not: what it waits for may be larger than the room that is left.
    if (process.mailbox.length > 0) host.services.processes.awaits(process);
  };

  /** Puts a resource of the process into the scratch message. */
  const push = (name: string, take: (process: Process) => MessageResource): bigint => {
    const process = host.enter();
    const message = data(process, name);
    message.resources ??= [];
    if (message.resources.length >= process.limits.resourcesMax) host.trap("a message with too many resources");
    const index = message.resources.push(take(process)) - 1;
    process.scratch = message; // it costs more
    return BigInt(index);
  };

  return {
    create_data: (tag: bigint, _capacity: bigint) => {
      // The capacity is a hint that the guest chooses: ignored (DECISIONS 3.4).
      const process = host.enter();
      // What was read is over with; its bytes serve again.
      const { scratch } = process;
      if (process.builder.length === 0 && scratch !== null && scratch.bytes.length <= SMALL_BYTES) {
        process.builder = scratch.bytes;
      }
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
    send: (pid: bigint) => {
      const process = host.enter();
      const to = pidOf(pid);
      const message = sendable(host, process, "lunatic::message.send");
      return trySend(process, to, message) ? 0 : sendLater(process, to, message, () => 0);
    },
    receive: (tagsPointer: number, tagsCount: number, timeout: bigint) => {
      const process = host.enter();
      const { mailbox } = process;
      const ms = timeoutMs(timeout);
      if (tagsCount === 0) {
        const first = mailbox.take();
        return first === undefined ? host.wait(() => mailbox.take(), ms, arrive) : arrive(first);
      }
      // Untagged messages never match, even if 0 is listed (lunatic-abi.md §2.5).
      const tags = readTags(host, tagsPointer, tagsCount >>> 0).filter((tag) => tag !== 0n);
      host.works(mailbox.length * tags.length);
      const take = lookOnce(mailbox, () => mailbox.take(tags), tags);
      expect(process, tags);
      return host.wait(take, ms, arrive);
    },
    // Up to 0.12 without a tag: then the tag of the message being sent counts (lunatic-abi.md §0.2).
    send_receive_skip_search: (pid: bigint, second: bigint, third?: bigint) => {
      const process = host.enter();
      const { mailbox } = process;
      const message = sendable(host, process, "lunatic::message.send_receive_skip_search");
      const tag = third === undefined ? message.tag : u64(second);
      const tags = third === undefined && tag === 0n ? undefined : [tag];
      const ms = timeoutMs(third ?? second);
      const mark = mailbox.arrived;
      const take = lookOnce(mailbox, () => mailbox.takeArrivedAfter(mark, tags), tags);
      // The death of a link with that tag is no other result (lunatic-abi.md §1.1).
      const answered = (answer: Message | undefined): number => (arrive(answer) === TIMED_OUT ? TIMED_OUT : RECEIVED);
      const receive = (): number => {
        expect(process, tags);
        return host.wait(take, ms, answered);
      };
      const to = pidOf(pid);
      return trySend(process, to, message) ? receive() : sendLater(process, to, message, receive);
    },
  };
}

/** The message that is to be sent: a notice has nothing that another could read. Traps if there is none. */
export function sendable(host: Host, { scratch }: Process, name: string): Message {
  if (scratch === null) return host.trap(`${name} without a message`);
  if (scratch.kind === "data") return scratch;
  return host.trap(`${name} of a notice (${scratch.kind}): only a data message can be sent`);
}

/** Looks through the mailbox once, and from then on only at what has arrived since: a flood is not searched again. */
function lookOnce(
  mailbox: Mailbox,
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
