// A program for `frenezulo run ring.wasm`: a message goes through a ring of 100 processes, ten times round.
import { log, Mailbox, Process, self, spawn } from "frenezulo";

/** Passes on what comes, one higher, for ever. */
function passOn(next: Process<i32>): void {
  const mailbox = new Mailbox<i32>();
  while (true) next.send(mailbox.receive() + 1);
}

export function _start(): void {
  let next = self<i32>();
  for (let i = 0; i < 100; i++) next = spawn<i32, Process<i32>>(passOn, next);
  const mailbox = new Mailbox<i32>();
  let number = 0;
  for (let round = 0; round < 10; round++) {
    next.send(number);
    number = mailbox.receive();
  }
  log(`${number} steps`);
}
