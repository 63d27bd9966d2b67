;; Its start function traps.
(memory (export "memory") 1)
(start $begin)
(func $begin unreachable)
(func (export "frenezulo_main"))
