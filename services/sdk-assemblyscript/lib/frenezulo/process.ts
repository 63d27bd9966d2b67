// Processes: starting them, and what can be done with one. lunatic-abi.md, sections 1.2, 1.3 and 2.
import { Config } from "./config";
import {
  cancelTimer,
  createData,
  dieWhenLinkDies,
  errorDrop,
  errorSize,
  errorText,
  killProcess,
  linkProcess,
  monitorProcess,
  processExists,
  processId,
  registryGet,
  registryPut,
  registryRemove,
  send,
  sendAfter,
  sendToNode,
  sleepMs,
  spawnProcess,
  stopMonitoring,
  unlinkProcess,
  writeData,
} from "./host";
import { receiveFirst } from "./mailbox";
import { encode, Reader, Writer } from "./pack";

/** Two 8-byte words for what the host writes: an id, or a node and a pid. */
const out = memory.data(16, 8);
/** The parameters of `_frenezulo_spawn`: two records of a type byte and 16 bytes. */
const parameters = memory.data(34, 8);
const I32: u8 = 0x7f;
const INHERIT: u64 = u64.MAX_VALUE;

/** A handle of a process that takes messages of type T. It travels in messages itself, in the form lunatic-rs gives it. */
export class Process<T> {
  /** The number of the process in its node. */
  pid: u64;
  /** 0: this node. */
  node: u64;

  constructor(pid: u64 = 0, node: u64 = 0) {
    this.pid = pid;
    this.node = node;
  }

  /** Sends a message. To a process that has ended it is lost without a word. A tag other than 0 lets it be waited for. */
  send(message: T, tag: i64 = 0): void {
    writeMessage<T>(message, tag);
    if (this.node == 0) send(this.pid);
    else sendToNode(this.node, this.pid);
  }

  /** Sends a message in so many ms, even if this process ends before. */
  sendAfter(message: T, ms: u64, tag: i64 = 0): Timer {
    writeMessage<T>(message, tag);
    return new Timer(sendAfter(this.pid, ms));
  }

  /**
   * Ties the two: if one fails, the other fails too, or is told (`catchLinks`) with this tag. If the process has ended
   * already, that counts as a failure now.
   */
  link(tag: i64 = 0): void {
    linkProcess(tag, this.pid);
  }

  unlink(): void {
    unlinkProcess(this.pid);
  }

  /** Lets this process be told when the other ends, for whatever reason; at once if it has ended already. */
  monitor(): void {
    monitorProcess(this.pid);
  }

  stopMonitoring(): void {
    stopMonitoring(this.pid);
  }

  kill(): void {
    killProcess(this.pid);
  }

  get isAlive(): bool {
    return processExists(this.pid) != 0;
  }

  /** Gives the process a name for `lookup`, which ends with the process. A name that was taken is taken over. */
  register(name: string): void {
    const bytes = String.UTF8.encode(name);
    registryPut(changetype<usize>(bytes), bytes.byteLength, this.node, this.pid);
  }

  encode(to: Writer): void {
    to.array(2).uint(this.node).uint(this.pid);
  }

  decode(from: Reader): void {
    from.expectArray(2);
    this.node = from.uint();
    this.pid = from.uint();
  }
}

/** A message that is to come. */
export class Timer {
  constructor(private readonly id: u64) {}

  /** True if the message will not come now; false if it has been sent. */
  cancel(): bool {
    return cancelTimer(this.id) != 0;
  }
}

/** This process, for messages of type T. */
export function self<T>(): Process<T> {
  return new Process<T>(processId());
}

/**
 * Starts a process that runs `entry(argument)` in an instance of its own: nothing is shared, globals are as after the
 * start. `entry` is a function at top level (AssemblyScript has no closures); the argument travels as a message. T is the
 * type of messages the new process takes.
 *
 * @param config what it may do; null: what this process may
 */
export function spawn<T, A>(entry: (argument: A) => void, argument: A, config: Config | null = null): Process<T> {
  return spawnLinked<T, A>(entry, argument, 0, config);
}

/** As `spawn`, and links the two before the new one begins, with a tag other than 0 (see `Process.link`). */
export function spawnLinked<T, A>(
  entry: (argument: A) => void,
  argument: A,
  tag: i64,
  config: Config | null = null,
): Process<T> {
  // Compiled for each A: takes the argument's message and calls the function.
  const start = (entryIndex: i32): void => {
    call_indirect<void>(entryIndex, receiveFirst<A>());
  };
  setParameter(parameters, start.index);
  setParameter(parameters + 17, entry.index);
  const name = String.UTF8.encode("_frenezulo_spawn");
  const configId = config === null ? INHERIT : config.id;
  const result = spawnProcess(tag, configId, INHERIT, changetype<usize>(name), name.byteLength, parameters, 34, out);
  const id = load<u64>(out);
  if (result != 0) abort("no process could be started: " + takeError(id));
  writeMessage<A>(argument, 0);
  send(id);
  return new Process<T>(id);
}

/** The process of a name, or null. That T is what it takes is for the caller to know. */
export function lookup<T>(name: string): Process<T> | null {
  const bytes = String.UTF8.encode(name);
  if (registryGet(changetype<usize>(bytes), bytes.byteLength, out, out + 8) != 0) return null;
  return new Process<T>(load<u64>(out, 8), load<u64>(out));
}

/** Frees a name. */
export function unregister(name: string): void {
  const bytes = String.UTF8.encode(name);
  registryRemove(changetype<usize>(bytes), bytes.byteLength);
}

/** From here on a link's death is told (`Mailbox.next`) instead of ending this process; `false` takes that back. */
export function catchLinks(on: bool = true): void {
  dieWhenLinkDies(on ? 0 : 1);
}

/** Waits so many ms. Messages wait meanwhile. */
export function sleep(ms: u64): void {
  sleepMs(ms);
}

let lastTag: i64 = 128;

/** A tag that this process has not used yet, for links and for messages that are answers. Unique in this process only. */
export function newTag(): i64 {
  return ++lastTag;
}

const writer = new Writer();

/** Makes the message that the next send takes. */
function writeMessage<T>(message: T, tag: i64): void {
  writer.length = 0;
  encode<T>(writer, message);
  createData(tag, writer.length);
  writeData(writer.start, writer.length);
}

function setParameter(at: usize, value: i32): void {
  store<u8>(at, I32);
  store<i64>(at + 1, value);
  store<i64>(at + 9, value < 0 ? -1 : 0);
}

/** The text of an error, which is then dropped. */
function takeError(id: u64): string {
  const bytes = new ArrayBuffer(errorSize(id));
  errorText(id, changetype<usize>(bytes));
  errorDrop(id);
  return String.UTF8.decode(bytes);
}
