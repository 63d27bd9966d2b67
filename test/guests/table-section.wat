;; Declares a table of 10,000,000 slots: V8 aborts the whole process over such a table unless it is refused before.
(memory (export "memory") 1)
(table 10000000 funcref)
(func (export "frenezulo_main"))
