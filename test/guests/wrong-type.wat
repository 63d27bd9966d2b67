;; Imports message.receive with a type that it does not have.
(import "lunatic::message" "receive" (func $receive (param f64) (result f64)))
(memory (export "memory") 1)
(func (export "frenezulo_main") (drop (call $receive (f64.const 0))))
