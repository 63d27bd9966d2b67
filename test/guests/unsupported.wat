;; Imports a host function that exists in lunatic and not here: sqlite3_changes. Calls it if the body is not empty, else replies "linked".
(import "lunatic::sqlite" "sqlite3_changes" (func $sqlite3_changes (param i64) (result i32)))
(memory (export "memory") 1)
(data (i32.const 1024) "linked\n")
(func (export "frenezulo_main")
  (call $take_request)
  (if (global.get $body_length) (then (drop (call $sqlite3_changes (i64.const 0)))))
  (call $reply (i32.const 1024) (i32.const 7)))
