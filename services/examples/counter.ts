// Counts its requests. Needs the policy `state = "kept"`; with `state = "fresh"` every request is the first.
import { handle, Response } from "frenezulo";

let count: u64 = 0;

export function frenezulo_main(): void {
  handle((request) => Response.text((++count).toString() + "\n"));
}
