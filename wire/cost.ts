// What the host keeps for a guest costs so many bytes of the host's own heap, beside the guest's data. All of it counts
// in the memory of the environment (docs/design/processes.md). Measured with Node 20.20 and rounded up.

/** Bytes of a message that are worth using again whole, however few of them are its data. */
export const SMALL_BYTES = 256;

export const COST = {
  /** A process, its task and its instance without memory. */
  process: 16_384,
  /** A message without data, in a mailbox or armed as a timer's. */
  message: 160,
  /** Beside the bytes in it. */
  buffer: 224,
  /** A resource that travels in a message. */
  resource: 160,
  /** One side of a link. */
  link: 160,
  /** One side of a monitor. */
  monitor: 64,
  /** A tag that a process waits for. */
  tag: 48,
  /** An armed timer. */
  timer: 512,
  /** An entry of a table of resources. */
  entry: 160,
  /** An open descriptor, and a directory that is being listed. */
  descriptor: 512,
  listing: 16_384,
  /** A text, beside its characters; a character. */
  text: 64,
  character: 2,
} as const;

export function textCost(text: string): number {
  return COST.text + COST.character * text.length;
}
