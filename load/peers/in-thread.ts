// Peer of the benchmark: uWebSockets.js and the hello guest in one thread, without supervision, deadline or gate.
// Arguments: port, "shared" (one instance for all requests) or "fresh" (a new one for each), path of the module.

import uws from "uWebSockets.js";
import { readFileSync } from "node:fs";
import { Packr } from "msgpackr";
import {
  encodeBodyLength,
  encodeHead,
  encodeTail,
  type RequestHead,
  TAIL_BYTES_MAX,
} from "../../src/services/codec.ts";

const REPLY_PID = 7;
const [, , port, mode, modulePath] = process.argv;
const packr = new Packr({ useRecords: false, variableMapSize: true });
const module = new WebAssembly.Module(readFileSync(modulePath as string));
const request = Buffer.alloc(64 * 1024 + TAIL_BYTES_MAX);
let requestLength = 0;
let cursor = 0;
let draft = Buffer.alloc(4096);
let draftLength = 0;
let reply: Buffer | undefined;
let memory: WebAssembly.Memory;

/** The lunatic and WASI functions that the hello guest calls; any other import traps when called. */
const functions: Record<string, (...args: never[]) => unknown> = {
  "lunatic::message.receive": () => {
    cursor = 0;
    return 0;
  },
  "lunatic::message.get_tag": () => 0n,
  "lunatic::message.data_size": () => BigInt(requestLength),
  "lunatic::message.read_data": (pointer: number, length: number) => {
    const end = Math.min(cursor + length, requestLength);
    bytes().set(request.subarray(cursor, end), pointer);
    const count = end - cursor;
    cursor = end;
    return count;
  },
  "lunatic::message.create_data": () => {
    draftLength = 0;
  },
  "lunatic::message.write_data": (pointer: number, length: number) => {
    if (draftLength + length > draft.length) draft = Buffer.concat([draft], 2 * (draftLength + length));
    draft.set(bytes().subarray(pointer, pointer + length), draftLength);
    draftLength += length;
    return length;
  },
  "lunatic::message.send": (pid: bigint) => {
    if (pid === BigInt(REPLY_PID)) reply = draft.subarray(0, draftLength);
    return 0;
  },
  "lunatic::distributed.node_id": () => 0n,
};

let view = new Uint8Array(0);
function bytes(): Uint8Array {
  if (view.buffer !== memory.buffer) view = new Uint8Array(memory.buffer);
  return view;
}

function makeInstance(): () => void {
  const instance = new WebAssembly.Instance(module, imports);
  memory = instance.exports.memory as WebAssembly.Memory;
  (instance.exports._initialize as (() => void) | undefined)?.();
  return instance.exports.frenezulo_main as () => void;
}

const imports: Record<string, Record<string, (...args: never[]) => unknown>> = {};
for (const { module: space, name } of WebAssembly.Module.imports(module)) {
  const missing = () => {
    throw new Error(`the benchmark's host has no ${space}.${name}`);
  };
  imports[space] = { ...imports[space], [name]: functions[`${space}.${name}`] ?? missing };
}

/** Status, headers and body of the guest's answer: {"CompleteRequest": [[tag], [[status, version, headers], body]]}. */
type Reply = { CompleteRequest: [[number], [[number, string, Record<string, Buffer[]>], Buffer]] };

let main = makeInstance();
uws
  .App()
  .any("/*", (response, incoming) => {
    const names: string[] = [];
    const values: string[] = [];
    incoming.forEach((name, value) => {
      names.push(name);
      values.push(value);
    });
    const method = incoming.getMethod().toUpperCase();
    const head: RequestHead = {
      method,
      path: incoming.getUrl(),
      query: incoming.getQuery() ?? "",
      names,
      values,
      count: names.length,
      isAscii: true,
      requestIdIndex: -1,
    };
    const atBody = encodeHead(request, 0, head, "0123456789abcdef", 1);
    requestLength = encodeTail(request, encodeBodyLength(request, atBody, 0), REPLY_PID);
    if (mode === "fresh") main = makeInstance();
    reply = undefined;
    main();
    if (reply === undefined) throw new Error("the guest did not reply");
    const [[status, , headers], body] = (packr.unpack(reply) as Reply).CompleteRequest[1];
    response.writeStatus(String(status));
    for (const name in headers) for (const value of headers[name] as Buffer[]) response.writeHeader(name, value);
    response.end(body);
  })
  .listen("127.0.0.1", Number(port), (socket) => {
    if (!socket) throw new Error(`cannot listen on port ${port}`);
  });
process.once("SIGTERM", () => process.exit(0));
