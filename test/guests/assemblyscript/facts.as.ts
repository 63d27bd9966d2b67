// What the host says of itself: version, metrics, errors, names, traps, a node without a cluster.
// lunatic-abi.md §1.3, §1.5.
import { self, spawn } from "frenezulo";
import * as host from "./lib/host.as";
import { done, equal, expect, fails, INHERIT, out, TIMED_OUT, Text, takeError, test } from "./lib/tap.as";

// @ts-ignore: decorator
@external("env", "abort")
declare function hostAbort(message: string | null, file: string | null, line: u32, column: u32): void;

const notUtf8 = memory.data<u8>([0xff]);

function measures(way: i32): void {
  const name = new Text(way < 6 ? "" : "sizes of €");
  const at = way < 6 ? notUtf8 : name.at;
  const length = way < 6 ? 1 : name.length;
  if (way % 6 == 0) host.metricCounter(at, length, 5);
  if (way % 6 == 1) host.metricIncrementCounter(at, length);
  if (way % 6 == 2) host.metricGauge(at, length, 1.5);
  if (way % 6 == 3) host.metricIncrementGauge(at, length, 1);
  if (way % 6 == 4) host.metricDecrementGauge(at, length, 0.25);
  if (way % 6 == 5) host.metricHistogram(at, length, Infinity);
}

function failedCompile(): u64 {
  const bytes = new Text("no module");
  equal(host.compileModule(bytes.at, bytes.length, out), 1, "compile_module");
  return load<u64>(out);
}

function usesDropped(way: i32): void {
  const error = failedCompile();
  if (way < 3) host.errorDrop(error);
  if (way == 0) host.errorDrop(error);
  if (way == 1) host.errorSize(error);
  if (way == 2) host.errorText(error, out);
  if (way == 3) host.errorText(error, 0xfffffff0);
}

export function _lunatic_catch_trap(entry: i32, argument: i32): i32 {
  return call_indirect<i32>(entry, argument);
}

function halves(number: i32): i32 {
  assert(number % 2 == 0, "odd");
  return number / 2;
}

function caught(number: i32): i32 {
  const entry: (number: i32) => i32 = halves;
  return host.catchTrap(entry.index, number);
}

function killsItself(_way: i32): void {
  const kill = (_number: i32): i32 => {
    host.kill(host.processId());
    return 1;
  };
  host.catchTrap(kill.index, 0);
}

function aborts(way: i32): void {
  if (way == 1) hostAbort("told to", "facts.as.ts", 1, 2);
  if (way == 2) hostAbort(null, null, 0, 0);
}

function get(name: string): u64 {
  const text = new Text(name);
  store<u64>(out, 99);
  if (host.registryGet(text.at, text.length, out, out + 8) != 0) return 0;
  equal(load<u64>(out), 0, "the name's node");
  return load<u64>(out, 8);
}

function claim(name: string): u32 {
  const text = new Text(name);
  return host.registryGetOrPutLater(text.at, text.length, out, out + 8);
}

function claims(parent: u64): void {
  equal(claim("claimed"), 0, "a claim of what was put");
  host.createData(5, 0);
  host.writeData(out + 8, 8);
  host.send(parent);
}

function put(name: string, pid: u64): void {
  const text = new Text(name);
  host.registryPut(text.at, text.length, 0, pid);
}

/** @param way 0 to 7: a call of another node or of a cluster, which traps; 8: none */
function goesAbroad(way: i32): void {
  host.createData(0, 0);
  if (way == 0) host.sendToNode(9, host.processId());
  if (way == 1) host.sendReceiveOnNode(9, host.processId(), 1, 0);
  if (way == 2) host.spawnOnNode(9, INHERIT, INHERIT, out, 0, out, 0, out);
  if (way == 3) host.lookupNodes(out, 0, out, out, out);
  if (way == 4) host.copyNodes(0, out, 1, out);
  if (way == 5) host.testRootCert(out);
  if (way == 6) host.serverCertificates(out, 0, out, 0, out);
  if (way == 7) host.signNode(out, 0, out, 0, out, 0, out);
}

/** An entry by its name, without the SDK: tells who started it. */
export function greet(parent: u64): void {
  host.createData(77, 0);
  host.send(parent);
}

export function _start(): void {
  test("the version is the ABI's", () => {
    equal(host.versionMajor(), 0, "major");
    equal(host.versionMinor(), 13, "minor");
    equal(host.versionPatch(), 2, "patch");
  });
  test("a metric has a name in UTF-8", () => {
    for (let way = 0; way < 12; way++) equal(fails<i32>(measures, way), way < 6, `metric ${way}`);
  });
  test("errors are read, dropped and then unknown; error 0 stays", () => {
    const first = failedCompile();
    const second = failedCompile();
    expect(first != 0 && second != 0 && first != second, "ids of their own");
    const size = host.errorSize(second);
    const text = takeError(first);
    expect(<u32>String.UTF8.byteLength(text) == size && size > 10, `the text "${text}"`);
    for (let way = 0; way < 4; way++) expect(fails<i32>(usesDropped, way), `use ${way} after the drop`);
    host.errorDrop(0);
    expect(host.errorSize(0) > 0, "error 0");
  });
  test("a trap is caught, a kill is not", () => {
    equal(caught(84), 42, "without a trap");
    equal(caught(85), 0, "with a trap");
    equal(caught(2), 1, "after it");
    expect(fails<i32>(killsItself, 0), "a kill inside");
  });
  test("the host's own abort traps", () => {
    for (let way = 0; way < 3; way++) equal(fails<i32>(aborts, way), way > 0, `abort ${way}`);
  });
  test("a name is put, replaced, claimed and removed", () => {
    const me = host.processId();
    equal(get("a name"), 0, "before");
    put("a name", me);
    equal(get("a name"), me, "put");
    put("a name", 1 << 40);
    expect(get("a name") != me, "replaced");
    const name = new Text("a name");
    host.registryRemove(name.at, name.length);
    host.registryRemove(name.at, name.length);
    equal(get("a name"), 0, "removed");
    equal(claim("claimed"), 1, "a claim");
    spawn<bool, u64>(claims, me); // waits until it is put
    equal(host.receive(0, 0, 30), TIMED_OUT, "before the put");
    put("claimed", me);
    equal(host.receive(0, 0, 20_000), 0, "after the put");
    host.readData(out, 8);
    equal(load<u64>(out), me, "what the other found");
  });
  test("this node is the only one", () => {
    equal(host.nodeId(), 0, "node_id");
    equal(host.moduleId(), 0, "module_id");
    equal(host.nodesCount(), 0, "nodes_count");
    equal(host.getNodes(out, 2), 0, "get_nodes");
  });
  test("what node 0 is sent and starts is local", () => {
    const me = host.processId();
    host.createData(7, 0);
    equal(host.sendToNode(0, me), 0, "send");
    equal(host.receive(0, 0, 20_000), 0, "the message");
    equal(host.getTag(), 7, "its tag");
    host.createData(8, 0);
    equal(host.sendReceiveOnNode(0, me, 8, 20_000), 0, "send_receive_skip_search");
    equal(host.sendReceiveOnNode(0, me, 9, 10), TIMED_OUT, "an answer with another tag");
    equal(host.receive(0, 0, 0), 0, "the message itself");
    const parameters = new Uint8Array(17);
    parameters[0] = 0x7e;
    store<u64>(parameters.dataStart + 1, self<bool>().pid);
    const name = new Text("greet");
    equal(host.spawnOnNode(0, INHERIT, INHERIT, name.at, name.length, parameters.dataStart, 17, out), 0, "spawn");
    expect(load<u64>(out) > me, "the pid");
    equal(host.receive(0, 0, 20_000), 0, "what it sends");
    equal(host.getTag(), 77, "its tag");
  });
  test("other nodes and a cluster's functions trap", () => {
    for (let way = 0; way < 9; way++) equal(fails<i32>(goesAbroad, way), way < 8, `way ${way}`);
  });
  done();
}
