;; A data segment lies outside of its memory: instantiation traps.
(memory (export "memory") 1)
(data (i32.const 65536) "outside")
(func (export "frenezulo_main"))
