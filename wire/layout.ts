// THE shared-memory layout and message kinds between the main thread and its carriers. Imports nothing.
//
// Three shared blocks, all SharedArrayBuffers:
//   bell    one a node: the main thread sleeps on it, every carrier rings it
//   control one a carrier: state of the running request, sleep flag, counters
//   ring    two a carrier: requests (main → carrier) and replies (carrier → main)
// Which thread writes which word is said beside each word; docs/design/shared-memory.md has the table.

/** Words (Int32) of the bell. `asleep`: the main thread stores 1 before it waits; whoever swaps it to 0 notifies. */
export const BELL = {
  asleep: 0,
  /** Instances of light processes in all carriers. Each adds its own; main takes back what an ended one had. */
  lightInstances: 2,
  /** How many there may be. Main stores, once. */
  lightInstancesMax: 3,
  bytes: 64,
} as const;

/**
 * The bell block also holds the node's pid counter (a 64-bit word, any thread adds). Its numbers begin at `first`; a
 * pid is such a number × `slots` + the slot of the thread that gave it out (pids.ts).
 */
export const PIDS = { counter: 4, block: 1024, first: 1, slots: 1024 } as const;

/** Words (Int32) of a carrier's control block. */
export const CONTROL = {
  /** 0 idle, n > 0 running request n, -1 condemned. Carrier swaps idle↔running, main swaps running→condemned. */
  state: 0,
  /** 1 while the carrier sleeps. Carrier stores 1; whoever swaps it to 0 notifies. */
  asleep: 16,
  /** Milliseconds of the shared monotonic clock (see monotonicMs) at which `state` became running. Carrier writes. */
  beganMs: 17,
  /** Pid (53 bits) of the actor that runs or starts; valid with `state`, written before it. Carrier writes. */
  pidLow: 22,
  pidHigh: 23,
  /** Messages a guest sent to a process that does not exist (any more). Carrier adds. */
  deadLetters: 18,
  /** Bytes of guest output that were dropped over its limits. Carrier adds. */
  outputDropped: 19,
  /** Environment of the light process that has the turn; valid in SEQ_TURNS and in a light request. Carrier writes. */
  turnOf: 27,
  /** Live wasm instances in the carrier. Carrier adds. */
  instances: 20,
  /** Those of light processes among them. Carrier adds. */
  lightInstances: 24,
  /** Times that another process ran than had to: the carrier ends itself then. Carrier adds. */
  mismatches: 26,
  /** Messages posted to the carrier's mesh port (mesh.ts) so far. Main adds after it has posted. */
  mesh: 21,
  /** The kernel's number for the carrier's thread; 0: not known. Carrier stores, once. */
  thread: 25,
  bytes: 128,
} as const;

export const STATE_IDLE = 0;
export const STATE_CONDEMNED = -1;
/** Sequence numbers of requests run from 1 to this and wrap; larger ones mark a carrier that starts an instance. */
export const SEQ_MAX = 0x3fff_ffff;
/** `state` while a carrier instantiates an actor: guest start code may run, so the watchdog must see it. */
export const SEQ_STARTING = 0x4000_0000;
/** `state` while a carrier gives light processes their turns. */
export const SEQ_TURNS = 0x4000_0001;

/** Words (Int32) of a ring's header; data begins at `data` (bytes). Positions count bytes and wrap at 2^32. */
export const RING = {
  /** Commit position: all bytes before it are whole frames. Producer stores. */
  head: 0,
  /** Release position: all bytes before it may be written again. Consumer stores. */
  tail: 16,
  /** 1 while the producer waits for room. Producer stores 1; the consumer that swaps it to 0 wakes it. */
  starved: 32,
  /** 1 once either side has closed the ring. */
  closed: 33,
  data: 256,
} as const;

/** Words (Int32) of a frame's header, from the frame's first byte. Frames begin at multiples of 8. */
export const FRAME = {
  length: 0, // payload bytes
  kind: 1,
  claim: 2, // CLAIM_*: carrier and main swap it from pending; whoever wins owns the request
  seq: 3,
  pidLow: 4, // the actor's pid, 53 bits used
  pidHigh: 5,
  aboutLow: 6, // request, reply: the reply pid
  aboutHigh: 7,
  bytes: 32,
} as const;

export const CLAIM_PENDING = 0;
export const CLAIM_TAKEN = 1;
export const CLAIM_CANCELLED = 2;

/** Frame kinds. `pad` fills the end of a ring that a frame did not fit into. */
export const KIND = {
  pad: 0,
  /** main → carrier: payload is the guest's WorkerMessage. */
  request: 1,
  /** carrier → main: payload is what the guest sent to the reply pid. */
  reply: 2,
  /** carrier → main: request `seq` has ended; payload: see DONE. */
  done: 3,
  /** carrier → main: guest output of actor `pid` (0: none) in environment `seq`; 1 byte stream (1 or 2), UTF-8 text. */
  output: 4,
  /** carrier → main: actor `pid` could not make its next instance and takes no more requests; payload: see DONE. */
  ended: 5,
  /** carrier → main: `pid` is a slot; the carrier has signals for it and wants rings to it (mesh.ts). */
  connect: 6,
  /** carrier → main: what guests of a service have counted; payload: metrics.ts. */
  metrics: 9,
  /** carrier → main: process `pid` of environment `seq` has ended; payload: see DONE. */
  exited: 7,
  /**
   * carrier → main: the last process here of request `about` has ended, and it was without a reply, or the main thread
   * had `seq` processes of it made here; `pid` is the environment.
   */
  orphaned: 8,
  /** carrier → main: request `seq` of actor `pid` waits in the middle, its frame is free; `done` comes later. */
  suspended: 10,
  /** carrier → main: request `seq` of light actor `pid` is about to do the first thing that others can see. */
  seen: 11,
  /** Set in the kind of a frame whose payload travelled by the ticket port: the payload is a u32 ticket. */
  ticket: 0x100,
} as const;

/**
 * Kinds of frames between processes, in the rings of the mesh: `pid` is the process it is for, `about` the one it is
 * from, `seq` the environment (u32). The payload is the kernel's.
 */
export const SIGNAL = {
  /** A data message: u64 tag, u32 bytes of JSON, 4 bytes, the resources as JSON, then the data (messages.ts). */
  message: 32,
  /** What a process tells another at will: link, monitor, kill and so on (signals.ts). */
  signal: 33,
  /** What follows from an end or from a full mailbox (signals.ts): never refused. */
  fate: 39,
  /** To the main thread (pid 0): u32 number, u16 operation of ASK (asks.ts), 2 bytes, then the operation's own. */
  ask: 34,
  /** From the main thread: u32 number, u8 of ANSWER, 3 bytes, then what the operation gave or why it failed. */
  answer: 35,
  /** To the main thread: a process that had asked it something has ended (`about`): it forgets what it did for it. */
  forget: 36,
  /** From the main thread: it has a name now, and the main thread is told of its end (or that it is not there). */
  named: 38,
  /** To the main thread: the process `pid`, of another carrier, must end, whatever it does. */
  kill: 40,
  /** From the main thread: the request of the reply pid `about` must end, with the processes it began. */
  end_request: 37,
} as const;

/**
 * Payload of a `done` frame: byte 0 index into exitReasons, byte 1: 2 if processes that the request began still live
 * here and may reply, 1 if they may elsewhere, bytes 4–7 u32 microseconds, rest UTF-8 text.
 */
export const DONE = { reason: 0, goesOn: 1, micros: 4, text: 8 } as const;

/**
 * Words (Int32) of an environment's counts: the sums, and from `shares` on what each slot has of them. `lateReplies`:
 * what its messages to reply pids that nobody waits for cost the main thread, which adds.
 */
export const COUNTS = {
  processes: 0,
  pages: 1,
  timers: 2,
  lateReplies: 3,
  shares: 4,
  words: 3,
  bytes: (4 + 3 * 1024) * 4,
} as const;
