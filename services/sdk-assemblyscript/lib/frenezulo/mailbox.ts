// What comes to a process: typed messages, and news of the ends of others. lunatic-abi.md, sections 1.1 and 2.5.
import { dataSize, getProcessId, getTag, readData, receive } from "./host";
import { decode, Reader } from "./pack";

/** For `Mailbox.next`: no time-out. */
export const NEVER: i64 = -1;

/** What `Mailbox.next` got. The numbers are the host's, but for the last. */
export enum Kind {
  Message = 0,
  /** A linked process failed, and `catchLinks` is on. */
  LinkDied = 1,
  /** A monitored process ended. */
  ProcessDied = 2,
  TimedOut = 3,
}

/** One thing that came, or the news that nothing came in time. */
export class Mail<T> {
  constructor(
    readonly kind: Kind,
    /** The message's tag, or that of the link that died; 0 if there was none. */
    readonly tag: i64,
    /** The pid of the process that ended; 0 for all other kinds. */
    readonly pid: u64,
    private readonly bytes: Uint8Array | null,
  ) {}

  /** The message, decoded anew each time. Aborts if this is none. */
  get message(): T {
    const bytes = this.bytes;
    if (bytes === null) return unexpected<T>(this.kind);
    return decode<T>(Reader.of(bytes));
  }
}

/** Receives messages of type T. It has no state: any number of them, for any types, read what comes to this process. */
export class Mailbox<T> {
  /** Waits for the next message. Aborts if news of another process's end comes instead: see `next`. */
  receive(): T {
    return take<T>(receive(0, 0, -1));
  }

  /** Waits for the oldest message with the tag; others stay, in their order. A message without tag has none to wait for. */
  receiveTagged(tag: i64): T {
    store<i64>(one, tag);
    return take<T>(receive(one, 1, -1));
  }

  /**
   * Waits for whatever comes next, at most so many ms (0: looks only).
   * @param tags takes only what has one of these tags: messages, and links that died
   */
  next(timeoutMs: i64 = NEVER, tags: StaticArray<i64> | null = null): Mail<T> {
    const kind = tags === null ? receive(0, 0, timeoutMs) : receive(changetype<usize>(tags), tags.length, timeoutMs);
    if (kind == TIMED_OUT) return new Mail<T>(Kind.TimedOut, 0, 0, null);
    const bytes = kind == Kind.Message ? readMessage() : null;
    return new Mail<T>(<Kind>kind, getTag(), kind == Kind.ProcessDied ? getProcessId() : 0, bytes);
  }
}

/** The argument of a process that has just begun: its first message. */
export function receiveFirst<A>(): A {
  return take<A>(receive(0, 0, -1));
}

const TIMED_OUT: u32 = 9027;
/** Room for one tag. */
const one = memory.data(8, 8);
/** Room for nearly every message without allocating. */
const SMALL_BYTES: u32 = 1024;
const small = memory.data(1024);

/** Decodes the message that was received, from the small buffer if it fits: what it gives are copies. */
function take<T>(kind: u32): T {
  if (kind != Kind.Message) return unexpected<T>(kind);
  const length = readData(small, SMALL_BYTES);
  if (length < SMALL_BYTES) return decode<T>(new Reader(small, length));
  return decode<T>(Reader.of(readRest(length)));
}

function readMessage(): Uint8Array {
  const length = readData(small, SMALL_BYTES);
  if (length == SMALL_BYTES) return readRest(length);
  const bytes = new Uint8Array(length);
  memory.copy(bytes.dataStart, small, length);
  return bytes;
}

/** The whole message, of which so many bytes are in the small buffer. */
function readRest(length: u32): Uint8Array {
  const bytes = new Uint8Array(<i32>dataSize());
  memory.copy(bytes.dataStart, small, length);
  readData(bytes.dataStart + length, bytes.length - length);
  return bytes;
}

function unexpected<T>(kind: u32): T {
  if (kind == Kind.LinkDied) abort(`the link with the tag ${getTag()} died where a message was expected`);
  else if (kind == Kind.ProcessDied) abort(`process ${getProcessId()} ended where a message was expected`);
  else abort("no message came in time");
  return unreachable();
}
