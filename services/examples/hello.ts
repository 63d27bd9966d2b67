// Answers every request with the same text.
import { handle, Response } from "frenezulo";

export function frenezulo_main(): void {
  handle((request) => Response.text("Hello World!"));
}
