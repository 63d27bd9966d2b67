// When an exchange may write its answer: never inside a handler of its library (DESIGN fact 7), where it is put off by
// a copy.
import type { Answer, Exchange } from "./contract.ts";

/** True if the answer may be written now. False if the exchange is over, or inside a handler: then it comes later. */
export function mayAnswer(exchange: Exchange, answer: Answer, isInHandler: boolean): boolean {
  if (!exchange.open) return false;
  if (!isInHandler) return true;
  const copy = answer.copy();
  setImmediate(() => exchange.answer(copy));
  return false;
}
