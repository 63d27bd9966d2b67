;; State in memory and in mutable globals of four types that are not exported. Operations: 16 i32, 17 i64, 18 f32, 19 f64 := a, b.
(global $one (mut i32) (i32.const 1))
(global $two (mut i64) (i64.const 2))
(global $three (mut f32) (f32.const 3))
(global $four (mut f64) (f64.const nan:0x8000000000001))

(func $pair (param $a i32) (param $b i32) (result i64)
  (i64.or (i64.extend_i32_u (local.get $a)) (i64.shl (i64.extend_i32_u (local.get $b)) (i64.const 32))))

(func $command (param $operation i32) (param $a i32) (param $b i32)
  (if (i32.eq (local.get $operation) (i32.const 16)) (then (global.set $one (local.get $a))))
  (if (i32.eq (local.get $operation) (i32.const 17)) (then (global.set $two (call $pair (local.get $a) (local.get $b)))))
  (if (i32.eq (local.get $operation) (i32.const 18)) (then (global.set $three (f32.reinterpret_i32 (local.get $a)))))
  (if (i32.eq (local.get $operation) (i32.const 19))
    (then (global.set $four (f64.reinterpret_i64 (call $pair (local.get $a) (local.get $b)))))))

(func $visible (result i64)
  (i64.add
    (i64.add (call $mix (i64.const -2) (i64.extend_i32_u (global.get $one))) (call $mix (i64.const -3) (global.get $two)))
    (i64.add (call $mix (i64.const -4) (i64.extend_i32_u (i32.reinterpret_f32 (global.get $three))))
             (call $mix (i64.const -5) (i64.reinterpret_f64 (global.get $four))))))
