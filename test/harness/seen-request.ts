// Reads what the guest echo-raw gives back: the message of a request as its guest saw it.
import { Unpackr } from "msgpackr";

const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: false });

export interface SeenRequest {
  readonly tag: number;
  /** As the guest's enum spells it: "Get". */
  readonly method: string;
  readonly uri: string;
  readonly version: string;
  /** Values of each header as latin1: one character, one byte. */
  readonly headers: ReadonlyMap<string, readonly string[]>;
  readonly body: Buffer;
}

export function readSeen(message: Uint8Array): SeenRequest {
  type Wire = [[number], [[string, string, string, Map<string, Buffer[]>], Buffer], [number, number]];
  const fields = (unpackr.unpack(message) as Map<string, Wire>).get("Request");
  if (fields === undefined) throw new Error("the message is no Request");
  const [[tag], [[method, uri, version, headers], body]] = fields;
  const texts = [...headers].map(([name, values]) => [name, values.map((value) => value.toString("latin1"))] as const);
  return { tag, method, uri, version, headers: new Map(texts), body };
}
