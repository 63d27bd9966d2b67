;; Its start function never returns.
(memory (export "memory") 1)
(start $begin)
(func $begin (loop $again (br $again)))
(func (export "frenezulo_main"))
