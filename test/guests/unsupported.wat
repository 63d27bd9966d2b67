;; Imports a host function that exists in lunatic and not here: tcp_bind. Calls it if the body is not empty, else replies "linked".
(import "lunatic::networking" "tcp_bind" (func $tcp_bind (param i32 i32 i32 i32 i32 i32) (result i32)))
(memory (export "memory") 1)
(data (i32.const 1024) "linked\n")
(data (i32.const 1040) "\7f\00\00\01")
(func (export "frenezulo_main")
  (call $take_request)
  (if (global.get $body_length) (then
    (drop (call $tcp_bind (i32.const 4) (i32.const 1040) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 1048)))))
  (call $reply (i32.const 1024) (i32.const 7)))
