;; Imports its memory, which no host gives.
(import "env" "memory" (memory 1))
(func (export "frenezulo_main"))
