// Gives back what it receives, decoded and encoded by the SDK: an export for each type. For test/unit/guests/sdk-pack.test.ts.
import { Mailbox, Process, Reader, Writer } from "frenezulo";

function echo<T>(): void {
  new Process<T>(7).send(new Mailbox<T>().receive());
}

class Leaf {
  name: string = "";
  weight: f64 = 0;
  next: Leaf | null = null;

  encode(to: Writer): void {
    to.array(3).text(this.name).float(this.weight).value(this.next);
  }

  decode(from: Reader): void {
    from.expectArray(3);
    this.name = from.text();
    this.weight = from.float();
    this.next = from.value<Leaf | null>();
  }
}

export function bools(): void {
  echo<Array<bool>>();
}
export function bytes8(): void {
  echo<Array<u8>>();
}
export function shorts(): void {
  echo<Array<i16>>();
}
export function ints(): void {
  echo<Array<i64>>();
}
export function uints(): void {
  echo<Array<u64>>();
}
export function floats(): void {
  echo<Array<f64>>();
}
export function text(): void {
  echo<string>();
}
export function texts(): void {
  echo<Array<string | null>>();
}
export function binary(): void {
  echo<Uint8Array>();
}
export function buffer(): void {
  echo<ArrayBuffer>();
}
export function map(): void {
  echo<Map<string, Array<i32>>>();
}
export function leaf(): void {
  echo<Leaf>();
}
export function process(): void {
  echo<Process<Leaf>>();
}
