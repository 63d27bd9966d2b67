// Loaded before the program (--require): remembers the largest number of bytes that the main thread copied by one call,
// and writes it to standard error at each SIGUSR2, as "largest copy: N". What is copied in one call is copied in one turn.
const { isMainThread } = require("node:worker_threads");

if (isMainThread) {
  let largest = 0;
  const saw = (bytes) => {
    if (bytes > largest) largest = bytes;
  };
  const lengthOf = (from) => (ArrayBuffer.isView(from) ? from.byteLength : 0);
  /** Replaces a method by one that first looks at its `this` and arguments. */
  const watch = (object, name, look) => {
    const method = object[name];
    object[name] = function (...given) {
      look(this, given);
      return method.apply(this, given);
    };
  };
  const typed = Object.getPrototypeOf(Uint8Array).prototype;
  watch(typed, "set", (_, [from]) => saw(lengthOf(from)));
  watch(typed, "slice", (bytes, [from = 0, to = bytes.length]) => saw(to - from));
  watch(Buffer.prototype, "copy", (bytes, [, , from = 0, to = bytes.length]) => saw(to - from));
  watch(Buffer, "from", (_, [from]) => saw(typeof from === "string" ? from.length : lengthOf(from)));
  watch(Buffer, "concat", (_, [parts]) => saw(parts.reduce((sum, part) => sum + part.length, 0)));
  watch(globalThis.crypto.subtle, "digest", (_, [, bytes]) => saw(lengthOf(bytes)));
  globalThis.Uint8Array = new Proxy(Uint8Array, {
    construct(target, given, newTarget) {
      saw(lengthOf(given[0]));
      return Reflect.construct(target, given, newTarget);
    },
  });
  process.on("SIGUSR2", () => {
    process.stderr.write(`largest copy: ${largest}\n`);
    largest = 0;
  });
}
