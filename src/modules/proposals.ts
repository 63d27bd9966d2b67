// Names the WebAssembly proposal behind a refusal, so that a user knows which compiler switch to turn off. Pure.

/** V8's complaint → the proposal it is about. The texts are those of V8 11.3 (Node 20) and later. */
const complaints: readonly (readonly [RegExp, string])[] = [
  [/not allowed in constant expressions/, "extended-const"],
  [/memory64|memory limits flags 0x[4-7]/, "memory64"],
  [/memory count of \d+ exceeds|multi-memory/, "multi-memory"],
  [/wasm-gc|opcode 0xfb/, "GC"],
  [/opcode 0x(1f|a)\b|exnref|noexn/, "exceptions with exnref"],
  [/typed.funcref|opcode 0x1[45]\b/, "typed function references"],
  [/stringref/, "stringref"],
  [/relaxed-simd/, "relaxed SIMD"],
  [/numeric opcode: 0xfc1[3-6]/, "wide arithmetic"],
  [/memory limits flags 0x(8|9|a|b|c|d|e|f)/, "custom page sizes"],
];

/** V8's text, with the name of the proposal it is about where that is known. */
export function explainCompileError(text: string): string {
  const proposal = complaints.find(([pattern]) => pattern.test(text))?.[1];
  return proposal === undefined ? text : `${text}; it needs the proposal "${proposal}", ${notServed}`;
}

const notServed = "which this host does not run: compile without it";

/** What to say of a module whose sections use a proposal that is not served. */
export function needsProposal(proposal: string): string {
  return `needs the proposal "${proposal}", ${notServed}`;
}
