;; Its start function copies memory for ever, which a plain terminate does not stop on every engine.
(memory (export "memory") 16)
(start $begin)
(func $begin (loop $again (memory.copy (i32.const 0) (i32.const 524288) (i32.const 524288)) (br $again)))
(func (export "frenezulo_main"))
