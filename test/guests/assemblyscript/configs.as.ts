// Configs: what a new one denies, what it keeps, and what a child may do and sees with it. lunatic-abi.md §1.3, §2.7.
import { Config, Mailbox, Process, self, spawn } from "frenezulo";
import * as host from "./lib/host.as";
import { done, equal, expect, fails, out, Text, test, textAt } from "./lib/tap.as";
import * as wasi from "./lib/wasi.as";

const buffer = memory.data(1024, 8);

function make(): u64 {
  return <u64>host.createConfig();
}

function usesUnknown(way: i32): void {
  const id = make();
  host.dropConfig(id);
  if (way == 0) host.dropConfig(id);
  if (way == 1) host.setMaxMemory(id, 1);
  if (way == 2) host.getMaxMemory(id);
  if (way == 3) host.setMaxFuel(id, 1);
  if (way == 4) host.getMaxFuel(id);
  if (way == 5) host.canCompileModules(id);
  if (way == 6) host.setCanCompileModules(id, 1);
  if (way == 7) host.canCreateConfigs(id);
  if (way == 8) host.setCanCreateConfigs(id, 1);
  if (way == 9) host.canSpawnProcesses(id);
  if (way == 10) host.setCanSpawnProcesses(id, 1);
  if (way == 11) host.addVariable(id, buffer, 1, buffer, 1);
  if (way == 12) host.addArgument(id, buffer, 1);
  if (way == 13) host.preopenDir(id, buffer, 1);
}

/** What this process may do, as bits: 1 compile, 2 make configs. */
function tellsRights(to: Process<i64>): void {
  const empty = memory.data<u8>([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
  const compiles = host.compileModule(empty, 8, out) == 0;
  to.send((compiles ? 1 : 0) + (host.createConfig() < 0 ? 0 : 2));
}

function spawns(to: Process<i64>): void {
  spawn<bool, Process<i64>>(tellsRights, to);
}

function counts(turns: i32): void {
  for (let i = 0; i < turns; i++) store<i32>(out, load<i32>(out) + i);
}

/** A list as WASI gives it, each text with a bar after it. */
function texts(count: u32): string {
  let all = "";
  for (let i: u32 = 0; i < count; i++) {
    const start = load<u32>(buffer + i * 4);
    let length: u32 = 0;
    while (load<u8>(start + length) != 0) length++;
    all += textAt(start, length) + "|";
  }
  return all;
}

function tellsStrings(to: Process<string>): void {
  wasi.argsSizesGet(out, out + 4);
  wasi.argsGet(buffer, buffer + 128);
  const args = texts(load<u32>(out));
  wasi.environSizesGet(out, out + 4);
  wasi.environGet(buffer, buffer + 128);
  to.send(args + " and " + texts(load<u32>(out)));
}

/** The names of its directories. */
function tellsDirectories(to: Process<string>): void {
  let all = "";
  for (let fd: u32 = 3; wasi.fdPrestatGet(fd, out) == 0; fd++) {
    const length = load<u32>(out, 4);
    wasi.fdPrestatDirName(fd, buffer, length);
    all += textAt(buffer, length) + "|";
  }
  to.send(all);
}

function preopensNothing(_way: i32): void {
  spawn<bool, Process<string>>(tellsDirectories, self<string>(), new Config().directory("/no/such"));
}

export function _start(): void {
  test("a new config denies everything", () => {
    const id = make();
    equal(host.canCompileModules(id), 0, "to compile");
    equal(host.canCreateConfigs(id), 0, "to make configs");
    equal(host.canSpawnProcesses(id), 0, "to spawn");
    equal(host.getMaxFuel(id), 0, "its fuel");
    expect(host.getMaxMemory(id) >= 65536, "its memory");
    expect(make() != id, "another id");
  });
  test("a config keeps what is set", () => {
    const id = make();
    host.setCanCompileModules(id, 1);
    host.setCanCreateConfigs(id, 7);
    host.setCanSpawnProcesses(id, 1);
    equal(host.canCompileModules(id), 1, "to compile");
    equal(host.canCreateConfigs(id), 1, "to make configs");
    equal(host.canSpawnProcesses(id), 1, "to spawn");
    host.setCanSpawnProcesses(id, 0);
    equal(host.canSpawnProcesses(id), 0, "to spawn no more");
    host.setMaxMemory(id, 1 << 20);
    host.setMaxFuel(id, 12345);
    equal(host.getMaxMemory(id), 1 << 20, "its memory");
    equal(host.getMaxFuel(id), 12345, "its fuel");
  });
  test("a config that was dropped traps in every function", () => {
    for (let way = 0; way < 15; way++) equal(fails<i32>(usesUnknown, way), way < 14, `way ${way}`);
  });
  test("a child may do what its config says", () => {
    for (let bits = 0; bits < 4; bits++) {
      const config = new Config().mayCompile((bits & 1) != 0).mayMakeConfigs((bits & 2) != 0);
      spawn<bool, Process<i64>>(tellsRights, self<i64>(), config);
      equal(new Mailbox<i64>().receive(), bits, "the rights");
    }
    const to = self<i64>();
    expect(fails<Process<i64>>(spawns, to, new Config()), "a spawn without the right");
    expect(!fails<Process<i64>>(spawns, new Process<i64>(1 << 40), new Config().maySpawn()), "a spawn with it");
  });
  test("fuel runs out", () => {
    expect(fails<i32>(counts, 1_000_000_000, new Config().maxFuel(1)), "a unit, for much");
    expect(!fails<i32>(counts, 10, new Config().maxFuel(1_000_000)), "much, for little");
  });
  test("arguments and variables are exactly the config's", () => {
    const config = new Config();
    spawn<bool, Process<string>>(tellsStrings, self<string>(), config);
    equal(new Mailbox<string>().receive(), " and ", "those of a new one");
    const empty = new Text("");
    const first = new Text("déjà");
    host.addArgument(config.id, first.at, first.length);
    host.addArgument(config.id, empty.at, 0);
    config.variable("A", "1").variable("LONGER", "x=y");
    spawn<bool, Process<string>>(tellsStrings, self<string>(), config);
    equal(new Mailbox<string>().receive(), "déjà|| and A=1|LONGER=x=y|", "those that were added");
  });
  test("directories are the config's, and must be there", () => {
    spawn<bool, Process<string>>(tellsDirectories, self<string>(), new Config());
    equal(new Mailbox<string>().receive(), "", "those of a new one");
    spawn<bool, Process<string>>(tellsDirectories, self<string>(), new Config().directory("/db"));
    equal(new Mailbox<string>().receive(), "/db|", "the one that was added");
    expect(fails<i32>(preopensNothing, 0), "one that is not there");
  });
  done();
}
