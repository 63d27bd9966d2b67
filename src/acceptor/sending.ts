// What is left of an answer after its first write: counted, and cut when its client does not take it.
import { readFileSync } from "node:fs";
import type { AcceptorOptions } from "./contract.ts";
import { Pace } from "./pace.ts";
import { type Rest, UnsentAnswers } from "./unsent.ts";

/** Answers of no service. Never full: nobody asks. */
const adminAnswers = new UnsentAnswers();

/**
 * The kernel takes so many bytes for a client at most and does not tell Node when that gets them: their time at the
 * least rate must pass before it is sure that nothing moves. A third is free again before it takes more.
 */
const unseenBytes = sendBufferMax();

export class Sending implements Rest {
  readonly bytes: number;
  readonly sinceMs = performance.now();
  taken = 0;
  readonly cut: () => void;
  readonly #holder: UnsentAnswers;
  readonly #unsent: AcceptorOptions["unsent"];
  readonly #pace: Pace;

  /** `bytes` are left, `handedOver` went to the kernel before. `cut` is called at the deadline, too. */
  constructor(
    bytes: number,
    handedOver: number,
    holder: UnsentAnswers | null,
    { unsent, writePace }: Pick<AcceptorOptions, "unsent" | "writePace">,
    cut: () => void,
  ) {
    this.bytes = bytes;
    this.cut = cut;
    this.#holder = holder ?? adminAnswers;
    this.#unsent = unsent;
    this.#pace = new Pace(writePace, unseenBytes, cut);
    this.#pace.moved(handedOver);
    unsent.add(this.#holder, this);
  }

  /** The kernel has taken so many bytes more. */
  took(bytes: number): void {
    this.taken += bytes;
    this.#pace.moved(bytes);
  }

  /** All is taken, or the client has gone. Does nothing the second time. */
  end(): void {
    this.#pace.cancel();
    this.#unsent.remove(this.#holder, this);
  }
}

/** What Linux lets the send buffer of a TCP connection grow to: the last number of tcp_wmem. */
function sendBufferMax(): number {
  try {
    const bytes = Number(readFileSync("/proc/sys/net/ipv4/tcp_wmem", "latin1").trim().split(/\s+/)[2]);
    if (bytes > 0) return bytes;
  } catch {}
  return 4 * 1024 * 1024; // its default
}
