;; Declares a shared memory.
;; features: threads
(memory (export "memory") 1 2 shared)
(func (export "frenezulo_main"))
