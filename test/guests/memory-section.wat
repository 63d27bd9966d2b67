;; Declares a memory that begins with 4,000 pages, 250 MiB.
(memory (export "memory") 4000)
(func (export "frenezulo_main"))
