// Shares each request out to processes: 100, or as many as the body says, each squares its number, and the sum is told.
import { handle, Mailbox, newTag, Process, Reader, Response, self, spawn, Writer } from "frenezulo";

/** What a worker gets: a class travels by saying how. */
class Job {
  constructor(
    public number: i64 = 0,
    public answer: Process<i64> = new Process<i64>(),
    public tag: i64 = 0,
  ) {}

  encode(to: Writer): void {
    to.array(3).int(this.number).value(this.answer).int(this.tag);
  }

  decode(from: Reader): void {
    from.expectArray(3);
    this.number = from.int();
    this.answer = from.value<Process<i64>>();
    this.tag = from.int();
  }
}

/** Runs in a process, and an instance, of its own. */
function work(job: Job): void {
  job.answer.send(job.number * job.number, job.tag);
}

export function frenezulo_main(): void {
  handle((request) => {
    const count = request.length == 0 ? 100 : <i64>parseInt(request.text());
    const tag = newTag();
    for (let i: i64 = 1; i <= count; i++) spawn<i64, Job>(work, new Job(i, self<i64>(), tag));

    const mailbox = new Mailbox<i64>();
    let sum: i64 = 0;
    for (let i: i64 = 0; i < count; i++) sum += mailbox.receiveTagged(tag);
    return Response.text(`${count} processes sum ${sum}\n`);
  });
}
