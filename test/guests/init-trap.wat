;; Its _initialize traps.
(memory (export "memory") 1)
(func (export "_initialize") unreachable)
(func (export "frenezulo_main"))
