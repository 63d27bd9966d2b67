;; Has no memory at all and does nothing: valid, and no reply.
(func (export "frenezulo_main"))
