;; Has a memory with 64-bit addresses, which V8 11.3 refuses.
;; features: memory64
(memory (export "memory") i64 1)
(func (export "frenezulo_main"))
