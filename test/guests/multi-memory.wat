;; Has two memories, which V8 11.3 refuses.
;; features: multi_memory
(memory (export "memory") 1)
(memory 1)
(func (export "frenezulo_main"))
