;; Fills 64 MiB again and again if the request has a body, which V8's default flags do not let a terminate stop; else replies "well".
(memory (export "memory") 1026)
(data (i32.const 1024) "well\n")
(func (export "frenezulo_main")
  (call $take_request)
  (if (global.get $body_length)
    (then (loop $again (memory.fill (i32.const 65536) (i32.const 1) (i32.const 67108864)) (br $again))))
  (call $reply (i32.const 1024) (i32.const 5)))
