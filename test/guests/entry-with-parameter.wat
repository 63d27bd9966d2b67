;; Its entry takes a parameter.
(memory (export "memory") 1)
(func (export "frenezulo_main") (param i32))
