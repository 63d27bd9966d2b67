;; Uses extended constant expressions, which V8 11.3 refuses.
;; features: extended_const
(memory (export "memory") 1)
(global i32 (i32.add (i32.const 1) (i32.const 2)))
(func (export "frenezulo_main"))
