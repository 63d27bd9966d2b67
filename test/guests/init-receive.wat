;; Its _initialize waits for a message, which none can send it before it runs.
(import "lunatic::message" "receive" (func $receive (param i32 i32 i64) (result i32)))
(memory (export "memory") 1)
(func (export "_initialize") (drop (call $receive (i32.const 0) (i32.const 0) (i64.const -1))))
(func (export "frenezulo_main"))
