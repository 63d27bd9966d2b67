;; Has neither frenezulo_main nor _start; its entry is main. Replies "main".
(memory (export "memory") 1)
(data (i32.const 1024) "main\n")
(func (export "main") (call $take_request) (call $reply (i32.const 1024) (i32.const 5)))
