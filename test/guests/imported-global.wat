;; Imports a host function by a name that is right and a kind that is not.
(import "lunatic::message" "receive" (global $receive i32))
(memory (export "memory") 1)
(func (export "frenezulo_main"))
