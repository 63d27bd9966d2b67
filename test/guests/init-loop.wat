;; Its _initialize never returns.
(memory (export "memory") 1)
(func (export "_initialize") (loop $again (br $again)))
(func (export "frenezulo_main"))
