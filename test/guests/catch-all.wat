;; Catches what the host throws, by the body's first letter: e proc_exit(7), h a host call out of bounds; E and H again and again.
;; features: exceptions
;; It must end all the same. Replies "caught" if it could go on.
(memory (export "memory") 2)
(data (i32.const 1024) "caught\n")

(func $provoke
  (if (i32.eq (i32.or (i32.load8_u (global.get $body)) (i32.const 32)) (i32.const 101))
    (then (call $proc_exit (i32.const 7)))
    (else (drop (call $write_data (i32.const -16) (i32.const 256))))))

(func (export "frenezulo_main")
  (call $take_request)
  (loop $again
    (try (do (call $provoke)) (catch_all))
    (br_if $again (i32.eqz (i32.and (i32.load8_u (global.get $body)) (i32.const 32)))))
  (call $reply (i32.const 1024) (i32.const 7)))
