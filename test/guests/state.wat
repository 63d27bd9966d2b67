;; What the state-* guests share. The request's body is a list of commands of 12 bytes (operation, a, b: u32 little endian); the reply
;; is 16 bytes: a digest of all state the guest can see before the commands, and one after them. A guest like new has always the same first.
;; Operations: 1 store byte b below 32 KiB at a · 2 store byte b in the last page at a · 3 grow memory by a mod 4 pages ·
;; 4 fill 4 KiB of page 1 with b · 5 trap · 6 proc_exit(a) · from 16 on: see each guest. Others do nothing.
(memory (export "memory") 2)

(func (export "frenezulo_main") (local $at i32) (local $end i32) (local $before i64)
  (call $take_request)
  (local.set $before (call $digest))
  (local.set $at (global.get $body))
  (local.set $end (i32.add (global.get $body) (global.get $body_length)))
  (block $done (loop $next
    (br_if $done (i32.gt_u (i32.add (local.get $at) (i32.const 12)) (local.get $end)))
    (call $shared_command (i32.load (local.get $at)) (i32.load offset=4 (local.get $at)) (i32.load offset=8 (local.get $at)))
    (call $command (i32.load (local.get $at)) (i32.load offset=4 (local.get $at)) (i32.load offset=8 (local.get $at)))
    (local.set $at (i32.add (local.get $at) (i32.const 12)))
    (br $next)))
  (i64.store (i32.const 88) (call $digest))
  (i64.store (i32.const 80) (local.get $before))
  (call $reply (i32.const 80) (i32.const 16))
  ;; nothing but what the commands did is left behind
  (memory.fill (i32.const 64) (i32.const 0) (i32.const 32))
  (memory.fill (i32.const 32768) (i32.const 0) (i32.const 16384)))

(func $shared_command (param $operation i32) (param $a i32) (param $b i32)
  (if (i32.eq (local.get $operation) (i32.const 1)) (then
    (i32.store8 (i32.add (i32.const 1024) (i32.rem_u (local.get $a) (i32.const 31744))) (local.get $b))))
  (if (i32.eq (local.get $operation) (i32.const 2)) (then
    (i32.store8 (i32.add (i32.mul (i32.sub (memory.size) (i32.const 1)) (i32.const 65536))
                         (i32.and (local.get $a) (i32.const 65535))) (local.get $b))))
  (if (i32.eq (local.get $operation) (i32.const 3)) (then
    (drop (memory.grow (i32.and (local.get $a) (i32.const 3))))))
  (if (i32.eq (local.get $operation) (i32.const 4)) (then
    (memory.fill (i32.add (i32.const 65536) (i32.rem_u (local.get $a) (i32.const 61440))) (local.get $b) (i32.const 4096))))
  (if (i32.eq (local.get $operation) (i32.const 5)) (then unreachable))
  (if (i32.eq (local.get $operation) (i32.const 6)) (then (call $proc_exit (local.get $a)))))

;; A number that depends on both and is 0 for no value of interest.
(func $mix (param $place i64) (param $value i64) (result i64)
  (i64.mul
    (i64.rotl (i64.mul (i64.xor (local.get $value) (i64.mul (local.get $place) (i64.const 0x9e3779b97f4a7c15)))
                       (i64.const 0xbf58476d1ce4e5b9)) (i64.const 29))
    (i64.const 0x94d049bb133111eb)))

;; The sum over all words of memory that are not zero, but those of the request's message, and over what the guest adds.
(func $digest (result i64) (local $at i32) (local $end i32) (local $skip_end i32) (local $sum i64) (local $word i64)
  (local.set $sum (call $mix (i64.const -1) (i64.extend_i32_u (memory.size))))
  (local.set $sum (i64.add (local.get $sum) (call $visible)))
  (local.set $end (i32.mul (memory.size) (i32.const 65536)))
  (local.set $skip_end (i32.add (i32.const 32775) (global.get $message_length)))
  (loop $next
    (local.set $word (i64.load (local.get $at)))
    (if (i32.and (i64.ne (local.get $word) (i64.const 0))
                 (i32.eqz (call $within (local.get $at) (i32.const 32768) (local.get $skip_end))))
      (then (local.set $sum (i64.add (local.get $sum) (call $mix (i64.extend_i32_u (local.get $at)) (local.get $word))))))
    (local.set $at (i32.add (local.get $at) (i32.const 8)))
    (br_if $next (i32.lt_u (local.get $at) (local.get $end))))
  (local.get $sum))
