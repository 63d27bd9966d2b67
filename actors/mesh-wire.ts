// What the main thread tells carriers of the rings between threads. Types only.

/** The rings between two threads, as one of them gets them. */
export interface MeshRings {
  readonly out: SharedArrayBuffer;
  readonly in: SharedArrayBuffer;
  /** Payloads too large for a ring, both ways: Ticket messages. */
  readonly tickets: import("node:worker_threads").MessagePort;
  /** The block and its word (Int32) on which the other thread sleeps. */
  readonly bell: SharedArrayBuffer;
  readonly bellWord: number;
}

/** main → carrier, over its mesh port, counted in CONTROL.mesh: rings to the thread in a slot, or that it is gone. */
export interface MeshNote {
  readonly slot: number;
  readonly rings: MeshRings | null;
  /** Without rings: the pids of the thread that is gone are below this, those of a later owner of the slot are not. */
  readonly pidEnd: number;
}
