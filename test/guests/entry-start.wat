;; Has no frenezulo_main; its entry is _start. Replies "start".
(memory (export "memory") 1)
(data (i32.const 1024) "start\n")
(func (export "_start") (call $take_request) (call $reply (i32.const 1024) (i32.const 6)))
