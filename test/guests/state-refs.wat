;; State in mutable globals that JavaScript cannot read or write: a vector and a function. Operations: 16 vector := a, b · 17 function := null.
(global $vector (mut v128) (v128.const i64x2 1 2))
(global $function (mut funcref) (ref.func $first))
(func $first)

(func $command (param $operation i32) (param $a i32) (param $b i32)
  (if (i32.eq (local.get $operation) (i32.const 16)) (then
    (global.set $vector (i32x4.replace_lane 3 (i32x4.splat (local.get $a)) (local.get $b)))))
  (if (i32.eq (local.get $operation) (i32.const 17)) (then (global.set $function (ref.null func)))))

(func $visible (result i64)
  (i64.add
    (call $mix (i64.const -2) (i64.extend_i32_u (ref.is_null (global.get $function))))
    (i64.add (call $mix (i64.const -3) (i64x2.extract_lane 0 (global.get $vector)))
             (call $mix (i64.const -4) (i64x2.extract_lane 1 (global.get $vector))))))
