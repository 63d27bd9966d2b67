// A supervisor written by a guest: each request's process starts workers, is told when one crashes, and starts it again.
//
// GET /supervisor?crash=2: the second worker crashes the first time. GET /supervisor?crash=2&always: every time.
import { catchLinks, handle, Kind, log, Mailbox, Process, Reader, Response, self, spawnLinked, Writer } from "frenezulo";

const WORKERS = 4;
/** A worker is started so often at most; then the request fails. */
const STARTS_MAX = 3;

class Order {
  constructor(
    public worker: i32 = 0,
    public crashes: bool = false,
    public boss: Process<string> = new Process<string>(),
  ) {}

  encode(to: Writer): void {
    to.array(3).value(this.worker).value(this.crashes).value(this.boss);
  }

  decode(from: Reader): void {
    from.expectArray(3);
    this.worker = from.value<i32>();
    this.crashes = from.value<bool>();
    this.boss = from.value<Process<string>>();
  }
}

function work(order: Order): void {
  if (order.crashes) throw new Error(`worker ${order.worker} crashes`);
  order.boss.send(`worker ${order.worker} has done its work`, order.worker);
}

export function frenezulo_main(): void {
  handle((request) => {
    const at = request.query.indexOf("crash=");
    const crashing = at < 0 ? 0 : <i32>parseInt(request.query.substring(at + 6));
    const always = request.query.includes("always");
    const starts = new StaticArray<i32>(WORKERS + 1);
    const answers = new Array<string>();

    catchLinks();
    const start = (worker: i32, starts: StaticArray<i32>, crashes: bool): void => {
      starts[worker]++;
      spawnLinked<i32, Order>(work, new Order(worker, crashes, self<string>()), worker);
    };
    for (let worker = 1; worker <= WORKERS; worker++) start(worker, starts, worker == crashing);

    const mailbox = new Mailbox<string>();
    while (answers.length < WORKERS) {
      const mail = mailbox.next();
      if (mail.kind == Kind.Message) {
        answers.push(mail.message);
      } else if (mail.kind == Kind.LinkDied) {
        const worker = <i32>mail.tag;
        if (starts[worker] == STARTS_MAX) return Response.text(`worker ${worker} crashed ${STARTS_MAX} times\n`, 500);
        log(`worker ${worker} is started again`);
        start(worker, starts, always && worker == crashing);
      }
    }
    answers.sort();
    return Response.text(answers.join("\n") + "\n");
  });
}
