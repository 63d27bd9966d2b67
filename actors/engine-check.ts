// The V8 flags that bound guests (src/engine.ts), looked at from a carrier.

/** The V8 flags that bound guests must be set in the process (engine.ts): without them one module can end it. */
export function assertEngine(): void {
  const isRefused = (make: () => unknown): boolean => {
    try {
      make();
      return false;
    } catch {
      return true;
    }
  };
  if (
    !isRefused(() => new WebAssembly.Table({ initial: 100_001, element: "anyfunc" })) ||
    !isRefused(() => new WebAssembly.Memory({ initial: 4097 }))
  ) {
    throw new Error("V8 runs without the flags of src/engine.ts");
  }
}
