// Tests of the SDK's processes, as a program for `frenezulo run`: prints "ok 1 NAME" or "not ok 1 NAME: WHY" for each.
// test/integration/lunatic-programs.test.ts finds the names in the calls of `test`.
import {
  Config,
  catchLinks,
  Kind,
  lookup,
  Mailbox,
  newTag,
  Process,
  Reader,
  self,
  sleep,
  spawn,
  spawnLinked,
  unregister,
  Writer,
} from "frenezulo";
import { done, expect, test } from "./lib/tap.as";

/** Who is to be answered, with what, under which tag. */
class Ask<T> {
  constructor(
    public from: Process<T> = new Process<T>(),
    public number: i64 = 0,
    public tag: i64 = 0,
  ) {}

  encode(to: Writer): void {
    to.array(3).value(this.from).int(this.number).int(this.tag);
  }

  decode(from: Reader): void {
    from.expectArray(3);
    this.from = from.value<Process<T>>();
    this.number = from.int();
    this.tag = from.int();
  }
}

function ask(number: i64 = 0, tag: i64 = 0): Ask<i64> {
  return new Ask<i64>(self<i64>(), number, tag);
}

function answers(request: Ask<i64>): void {
  request.from.send(request.number + 1, request.tag);
}

function crashes(_text: string): void {
  throw new Error("told to crash");
}

function waits(_unused: bool): void {
  new Mailbox<bool>().receive();
}

function addsUp(answer: Process<i64>): void {
  const mailbox = new Mailbox<Array<i64>>();
  while (true) {
    const list = mailbox.receive();
    let sum: i64 = 0;
    for (let i = 0; i < list.length; i++) sum += list[i];
    answer.send(sum);
  }
}

let global: i64 = 1;
function tellsGlobal(request: Ask<i64>): void {
  const seen = global;
  global = 50;
  request.from.send(seen);
}

function names(request: Ask<i64>): void {
  const found = lookup<i64>("the tests");
  request.from.send(found === null ? -1 : <i64>found.pid);
}

function grows(request: Ask<i64>): void {
  while (memory.size() < 1000 && memory.grow(1) != -1) {}
  request.from.send(memory.size());
}

function tree(request: Ask<i64>): void {
  if (request.number == 0) return request.from.send(1);
  for (let i = 0; i < 3; i++) spawn<i64, Ask<i64>>(tree, ask(request.number - 1));
  const mailbox = new Mailbox<i64>();
  request.from.send(mailbox.receive() + mailbox.receive() + mailbox.receive());
}

export function _start(): void {
  test("a process gets its argument and answers", () => {
    spawn<i64, Ask<i64>>(answers, ask(41));
    expect(new Mailbox<i64>().receive() == 42, "the answer");
  });
  test("typed messages go to a process that runs on", () => {
    const adder = spawn<Array<i64>, Process<i64>>(addsUp, self<i64>());
    const mailbox = new Mailbox<i64>();
    adder.send([1, 2, 3]);
    expect(mailbox.receive() == 6, "the first sum");
    const many: i64[] = [];
    for (let i = 0; i < 5000; i++) many.push(1 << 40);
    adder.send(many);
    expect(mailbox.receive() == (<i64>5000) << 40, "a sum of many");
    adder.kill();
  });
  test("globals are not shared", () => {
    global = 7;
    spawn<i64, Ask<i64>>(tellsGlobal, ask());
    expect(new Mailbox<i64>().receive() == 1, "the child's");
    expect(global == 7, "the parent's");
  });
  test("tags choose among messages", () => {
    const one = newTag();
    const two = newTag();
    self<i64>().send(1, one);
    self<i64>().send(2, two);
    self<i64>().send(3);
    const mailbox = new Mailbox<i64>();
    expect(mailbox.receiveTagged(two) == 2, "the second");
    expect(mailbox.next(0, [two]).kind == Kind.TimedOut, "no more of the second");
    expect(mailbox.receive() == 1, "the first");
    expect(mailbox.receive() == 3, "the last");
  });
  test("a crash of a linked process is told with its tag", () => {
    catchLinks();
    const tag = newTag();
    spawnLinked<bool, string>(crashes, "please", tag);
    const mail = new Mailbox<i64>().next();
    expect(mail.kind == Kind.LinkDied, "the kind");
    expect(mail.tag == tag, "the tag");
  });
  test("the end of a monitored process is told with its pid", () => {
    const child = spawn<bool, bool>(waits, true);
    child.monitor();
    expect(child.isAlive, "it is alive");
    child.send(false);
    const mail = new Mailbox<i64>().next();
    expect(mail.kind == Kind.ProcessDied, "the kind");
    expect(mail.pid == child.pid, "the pid");
    expect(!child.isAlive, "it is alive no more");
  });
  test("links and kills between processes", () => {
    const child = spawn<bool, bool>(waits, true);
    child.link(5);
    child.kill();
    expect(new Mailbox<i64>().next().tag == 5, "the tag");
    const other = spawn<bool, bool>(waits, true);
    other.link(6);
    other.unlink();
    other.kill();
    expect(new Mailbox<i64>().next(30).kind == Kind.TimedOut, "nothing after unlink");
  });
  test("timers send later, or not at all", () => {
    const mailbox = new Mailbox<i64>();
    self<i64>().sendAfter(2, 1200);
    self<i64>().sendAfter(1, 400);
    const never = self<i64>().sendAfter(3, 800);
    expect(never.cancel(), "cancelled");
    expect(!never.cancel(), "cancelled once");
    expect(mailbox.receive() == 1 && mailbox.receive() == 2, "in order");
    expect(mailbox.next(50).kind == Kind.TimedOut, "and no more");
  });
  test("names are found, by other processes too", () => {
    self<i64>().register("the tests");
    spawn<i64, Ask<i64>>(names, ask());
    expect(new Mailbox<i64>().receive() == <i64>self<i64>().pid, "found");
    unregister("the tests");
    spawn<i64, Ask<i64>>(names, ask());
    expect(new Mailbox<i64>().receive() == -1, "not found");
  });
  test("a config bounds memory", () => {
    const config = new Config().maxMemory(10 * 65536);
    spawn<i64, Ask<i64>>(grows, ask(), config);
    config.drop();
    expect(new Mailbox<i64>().receive() == 10, "pages");
  });
  test("a config without the right to spawn", () => {
    const tag = newTag();
    spawnLinked<bool, Ask<i64>>(tree, ask(1), tag, new Config());
    const mail = new Mailbox<i64>().next();
    expect(mail.kind == Kind.LinkDied && mail.tag == tag, "it failed");
  });
  test("sleep", () => {
    self<i64>().sendAfter(9, 1);
    sleep(20);
    expect(new Mailbox<i64>().next(0).message == 9, "a message waited meanwhile");
  });
  test("a tree of 121 processes", () => {
    spawn<i64, Ask<i64>>(tree, ask(4));
    expect(new Mailbox<i64>().receive() == 81, "its leaves");
  });
  done();
}
