// Messages byte by byte, modules that are compiled and sent, and processes by export name. lunatic-abi.md §1.1, §1.2.
import { catchLinks, Kind, Mailbox, Process, spawn } from "frenezulo";
import * as host from "./lib/host.as";
import { done, equal, expect, fails, INHERIT, NEVER, out, TIMED_OUT, Text, takeError, test } from "./lib/tap.as";

// (func (export "answer") (param $to i64) (param $number i64)): sends $number + 1 with the tag 61.
const answers = memory.data<u8>([
  0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, 0x01, 0x11, 0x03, 0x60, 0x02, 0x7e, 0x7e, 0x00,
  0x60, 0x02, 0x7f, 0x7f, 0x01, 0x7f, 0x60, 0x01, 0x7e, 0x01, 0x7f, 0x02, 0x56, 0x03, 0x10, 0x6c,
  0x75, 0x6e, 0x61, 0x74, 0x69, 0x63, 0x3a, 0x3a, 0x6d, 0x65, 0x73, 0x73, 0x61, 0x67, 0x65, 0x0b,
  0x63, 0x72, 0x65, 0x61, 0x74, 0x65, 0x5f, 0x64, 0x61, 0x74, 0x61, 0x00, 0x00, 0x10, 0x6c, 0x75,
  0x6e, 0x61, 0x74, 0x69, 0x63, 0x3a, 0x3a, 0x6d, 0x65, 0x73, 0x73, 0x61, 0x67, 0x65, 0x0a, 0x77,
  0x72, 0x69, 0x74, 0x65, 0x5f, 0x64, 0x61, 0x74, 0x61, 0x00, 0x01, 0x10, 0x6c, 0x75, 0x6e, 0x61,
  0x74, 0x69, 0x63, 0x3a, 0x3a, 0x6d, 0x65, 0x73, 0x73, 0x61, 0x67, 0x65, 0x04, 0x73, 0x65, 0x6e,
  0x64, 0x00, 0x02, 0x03, 0x02, 0x01, 0x00, 0x05, 0x03, 0x01, 0x00, 0x01, 0x07, 0x13, 0x02, 0x06,
  0x6d, 0x65, 0x6d, 0x6f, 0x72, 0x79, 0x02, 0x00, 0x06, 0x61, 0x6e, 0x73, 0x77, 0x65, 0x72, 0x00,
  0x03, 0x0a, 0x20, 0x01, 0x1e, 0x00, 0x41, 0x00, 0x20, 0x01, 0x42, 0x01, 0x7c, 0x37, 0x03, 0x00,
  0x42, 0x3d, 0x42, 0x00, 0x10, 0x00, 0x41, 0x00, 0x41, 0x08, 0x10, 0x01, 0x1a, 0x20, 0x00, 0x10,
  0x02, 0x1a, 0x0b,
]);
const ANSWERS_LENGTH: u32 = 179;
const WAIT_MS: u64 = 20_000;
const parameters = memory.data(34, 8);

function compile(length: u32 = ANSWERS_LENGTH): u64 {
  equal(host.compileModule(answers, length, out), 0, "compile_module");
  return load<u64>(out);
}

/** Two i64: this process, and a number. */
function withNumber(number: i64): usize {
  memory.fill(parameters, 0, 34);
  store<u8>(parameters, 0x7e);
  store<u64>(parameters + 1, host.processId());
  store<u8>(parameters + 17, 0x7e);
  store<i64>(parameters + 18, number);
  return parameters;
}

function startAnswer(module: u64, number: i64): void {
  const name = new Text("answer");
  equal(host.spawn(0, INHERIT, module, name.at, name.length, withNumber(number), 34, out), 0, "spawn");
}

/** The number in the next message. */
function receiveNumber(): i64 {
  if (host.receive(0, 0, WAIT_MS) != 0) return -1;
  host.readData(out, 8);
  return load<i64>(out);
}

function sendNumber(to: u64, number: i64, tag: i64 = 0): void {
  host.createData(tag, 0);
  store<i64>(out, number);
  host.writeData(out, 8);
  host.send(to);
}

/** Runs the module in the second place of a message, and tells its own id of it. */
function runsModules(parent: u64): void {
  host.receive(0, 0, WAIT_MS);
  const module = host.takeModule(1);
  startAnswer(module, 4);
  sendNumber(parent, receiveNumber() * 10 + <i64>module);
}

function misuses(way: i32): void {
  const module = compile();
  host.createData(0, 0);
  if (way == 0) host.takeModule(host.pushModule(module) + 1);
  if (way == 1) {
    const index = host.pushModule(module);
    host.takeModule(index);
    host.takeModule(index);
  }
  if (way == 2) host.pushModule(module + 1);
  if (way == 3) {
    host.dropModule(module);
    startAnswer(module, 0);
  }
  if (way == 4) {
    host.seekData(1);
    host.readData(out, 1);
  }
  if (way == 5) {
    host.send(0);
    host.getTag();
  }
}

/** Answers each number with its double under the same tag, having said something else before. */
function doubles(parent: u64): void {
  while (true) {
    const number = receiveNumber();
    const tag = host.getTag();
    sendNumber(parent, -1);
    sendNumber(parent, number * 2, tag);
  }
}

/** An entry by its name: tells the number until it is sent a message. */
export function waits(parent: u64, number: i64): void {
  sendNumber(parent, number);
  host.receive(0, 0, NEVER);
}

function getOrStart(number: i64): u32 {
  const name = new Text("the one");
  const entry = new Text("waits");
  const at = withNumber(number);
  store<u64>(out, 99);
  return host.getOrSpawn(
    name.at,
    name.length,
    0,
    INHERIT,
    INHERIT,
    entry.at,
    entry.length,
    at,
    34,
    out,
    out + 8,
  );
}

export function _start(): void {
  test("a message is written, sought and read by bytes", () => {
    host.createData(9, 0);
    const text = new Text("0123456789");
    equal(host.writeData(text.at, 10), 10, "write_data");
    equal(host.dataSize(), 10, "data_size");
    equal(host.readData(out, 4), 4, "read_data");
    host.seekData(8);
    equal(host.readData(out, 8), 2, "the rest");
    equal(load<u16>(out), 0x3938, "its bytes");
    equal(host.readData(out, 8), 0, "the end");
    equal(host.dataSize(), 10, "data_size");
    equal(host.getTag(), 9, "get_tag");
    equal(host.getProcessId(), 0, "get_process_id");
  });
  test("receive takes tags only, leaves others, and times out", () => {
    const me = host.processId();
    sendNumber(me, 1);
    sendNumber(me, 2, 20);
    sendNumber(me, 3, 30);
    const tags = memory.data<i64>([30, 0]);
    equal(host.receive(tags, 2, 0), 0, "a tagged receive");
    equal(host.getTag(), 30, "its tag");
    equal(host.receive(tags, 2, 10), TIMED_OUT, "another, though one without a tag is there");
    equal(receiveNumber(), 1, "the first");
    equal(receiveNumber(), 2, "the second");
    equal(host.receive(0, 0, 10), TIMED_OUT, "no more");
  });
  test("a request waits for its answer and skips what came before", () => {
    const child = spawn<i64, u64>(doubles, host.processId());
    for (let i: i64 = 1; i < 4; i++) {
      host.createData(100 + i, 0);
      store<i64>(out, i);
      host.writeData(out, 8);
      equal(host.sendReceive(child.pid, 100 + i, WAIT_MS), 0, "the result");
      host.readData(out, 8);
      equal(load<i64>(out), i * 2, "the answer");
    }
    host.createData(1, 0);
    equal(host.sendReceive(1 << 40, 1, 10), TIMED_OUT, "nobody's answer");
    for (let i = 0; i < 3; i++) equal(receiveNumber(), -1, "what was skipped");
    child.kill();
  });
  test("a compiled module runs, also after its drop", () => {
    const module = compile();
    startAnswer(module, 41);
    host.dropModule(module);
    equal(receiveNumber(), 42, "the answer");
    equal(host.getTag(), 61, "its tag");
    expect(compile() != module, "an id is not used again");
  });
  test("what is no module is an error with a text", () => {
    equal(host.compileModule(answers, ANSWERS_LENGTH - 1, out), 1, "compile_module");
    expect(takeError(load<u64>(out)).length > 10, "the text");
  });
  test("modules travel in messages, to ids of the receiver", () => {
    const module = compile();
    const child = spawn<i64, u64>(runsModules, host.processId());
    host.createData(0, 0);
    equal(host.pushModule(module), 0, "the first place");
    equal(host.pushModule(module), 1, "the second place");
    host.send(child.pid);
    equal(receiveNumber(), 50, "what it got, and its id");
    startAnswer(module, 1);
    equal(receiveNumber(), 2, "the sender's own");
  });
  test("misuse of messages and modules traps", () => {
    for (let way = 0; way < 7; way++) equal(fails<i32>(misuses, way), way < 6, `way ${way}`);
  });
  test("a name is started once, and found then", () => {
    equal(getOrStart(5), 0, "the first result");
    const pid = load<u64>(out, 8);
    equal(receiveNumber(), 5, "what it says");
    equal(getOrStart(6), 2, "the second result");
    equal(load<u64>(out), 0, "its node");
    equal(load<u64>(out, 8), pid, "its pid");
    equal(host.receive(0, 0, 20), TIMED_OUT, "no second process");
    host.kill(pid);
    while (host.exists(pid) != 0) host.sleepMs(1);
    equal(getOrStart(7), 0, "after its end");
    equal(receiveNumber(), 7, "what the new one says");
    });
  test("a process that is watched no more ends unseen", () => {
    catchLinks();
    const name = new Text("waits");
    equal(host.spawn(0, INHERIT, INHERIT, name.at, name.length, withNumber(0), 34, out), 0, "spawn");
    const child = new Process<i64>(load<u64>(out));
    equal(receiveNumber(), 0, "it runs");
    child.monitor();
    child.stopMonitoring();
    child.kill();
    equal(new Mailbox<i64>().next(30).kind, Kind.TimedOut, "the news");
    expect(!child.isAlive, "it has ended");
  });
  test("the environment has a number", () => {
    equal(host.environmentId(), 1, "environment_id");
  });
  done();
}
