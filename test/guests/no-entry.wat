;; Exports no entry.
(memory (export "memory") 1)
(func (export "run"))
