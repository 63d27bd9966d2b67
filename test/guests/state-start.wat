;; State made before the first request: the start function writes memory and a global and grows memory, _initialize does more.
;; Operation 16 sets the global to a.
(global $made (mut i32) (i32.const 0))
(start $begin)
(func $begin
  (global.set $made (i32.const 41))
  (drop (memory.grow (i32.const 1)))
  (memory.fill (i32.const 2048) (i32.const 0xaa) (i32.const 100)))

(func (export "_initialize")
  (global.set $made (i32.add (global.get $made) (i32.const 1)))
  (memory.fill (i32.const 131072) (i32.const 0xbb) (i32.const 5000)))

(func $command (param $operation i32) (param $a i32) (param $b i32)
  (if (i32.eq (local.get $operation) (i32.const 16)) (then (global.set $made (local.get $a)))))

(func $visible (result i64) (call $mix (i64.const -2) (i64.extend_i32_u (global.get $made))))
