// The call that a process begins with: an exported function and its parameters, as they travel and as they are made.
//
// JavaScript cannot pass a v128. Then a tiny module of its own makes the call: it imports the function, with exactly
// the types that are given, and has the values as constants (lunatic-abi.md §2.2).
import type { EntrySpec } from "../../wire/asks.ts";
import { textCost } from "../../wire/cost.ts";
import { MODULE_HEADER, section, unsigned } from "../wasm-bytes.ts";

/** A vector with its text. */
const PARAMETER_COST = 128;

/** 16 bytes, the lowest first, in hexadecimal. */
export interface Vector {
  readonly v128: string;
}

export type Parameter = number | bigint | Vector;

/** An exported function, and what it is called with. */
export interface EntryCall {
  readonly name: string;
  readonly params: readonly Parameter[];
}

/** What the host keeps of it as long as the process lives. Bytes */
export function entryCost({ name, params }: EntryCall): number {
  return textCost(name) + params.length * PARAMETER_COST;
}

export function entryAsJson({ name, params }: EntryCall): EntrySpec {
  return {
    name,
    params: params.map((value) => {
      if (typeof value === "object") return ["v128", value.v128] as const;
      return [typeof value === "bigint" ? "i64" : "i32", String(value)] as const;
    }),
  };
}

export function entryFromJson({ name, params }: EntrySpec): EntryCall {
  return {
    name,
    params: params.map(([type, text]) => {
      if (type === "v128") return { v128: text };
      return type === "i64" ? BigInt(text) : Number(text);
    }),
  };
}

/** The call, ready to be made, again for each rewind. @throws Error if there is no such function of these parameters */
export function entryCall(exports: WebAssembly.Exports, { name, params }: EntryCall): () => void {
  const entry = exports[name];
  if (typeof entry !== "function") throw new Error(`its module exports no function ${name}`);
  const given = params.length;
  if (entry.length !== given) {
    throw new Error(`its function ${name} takes ${entry.length} parameters; ${given} were given`);
  }
  const otherTypes = new Error(`its function ${name} takes parameters of other types than were given`);
  if (!params.some((value) => typeof value === "object")) {
    return () => {
      try {
        entry(...(params as (number | bigint)[]));
      } catch (thrown) {
        if (thrown instanceof TypeError && /BigInt/.test(thrown.message)) throw otherTypes; // before it runs
        throw thrown;
      }
    };
  }
  try {
    const caller = new WebAssembly.Instance(new WebAssembly.Module(callerModule(params)), {
      "": { "": entry as WebAssembly.ImportValue },
    });
    return caller.exports.c as () => void;
  } catch (thrown) {
    throw thrown instanceof WebAssembly.LinkError ? otherTypes : thrown;
  }
}

const I32 = 0x7f;
const I64 = 0x7e;
const V128 = 0x7b;

/** (module (import "" "" (func (param …))) (func (export "c") (call 0 (const …) …))) */
function callerModule(params: readonly Parameter[]): Uint8Array<ArrayBuffer> {
  const types = params.map((value) => (typeof value === "object" ? V128 : typeof value === "bigint" ? I64 : I32));
  const code = [0, ...params.flatMap(constant), 0x10, 0, 0x0b];
  return Uint8Array.from([
    ...MODULE_HEADER,
    ...section(1, [2, 0x60, ...unsigned(types.length), ...types, 0, 0x60, 0, 0]),
    ...section(2, [1, 0, 0, 0, 0]),
    ...section(3, [1, 1]),
    ...section(7, [1, 1, 0x63, 0, 1]),
    ...section(10, [1, ...unsigned(code.length), ...code]),
  ]);
}

function constant(value: Parameter): number[] {
  if (typeof value === "object") return [0xfd, 0x0c, ...Buffer.from(value.v128, "hex")];
  return typeof value === "bigint" ? [0x42, ...signed(value)] : [0x41, ...signed(BigInt(value))];
}

/** A signed number as LEB128. */
function signed(value: bigint): number[] {
  const low = Number(value & 0x7fn);
  const rest = value >> 7n;
  const isLast = rest === (low & 0x40 ? -1n : 0n);
  return isLast ? [low] : [low | 0x80, ...signed(rest)];
}
