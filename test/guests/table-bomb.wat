;; Grows its table until that is refused, then replies with the size it got (u64, little endian).
(memory (export "memory") 1)
(table $bomb 1 funcref)
(func (export "frenezulo_main")
  (call $take_request)
  (loop $more
    (br_if $more (i32.ne (table.grow $bomb (ref.null func) (i32.const 100000)) (i32.const -1))))
  (loop $more
    (br_if $more (i32.ne (table.grow $bomb (ref.null func) (i32.const 1000)) (i32.const -1))))
  (call $reply_number (i64.extend_i32_u (table.size $bomb))))
