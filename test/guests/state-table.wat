;; State in a table. Operations: 16 slot a mod 8 := b even ? null : a function · 17 grow by a mod 3 · 18 fill all with null ·
;; 19 copy slot a mod 8 over slot b mod 8.
(table $slots 8 funcref)
(elem (table $slots) (i32.const 0) func $first $second $first)
(elem declare func $first $second)
(type $number (func (result i32)))
(func $first (result i32) (i32.const 1))
(func $second (result i32) (i32.const 2))

(func $command (param $operation i32) (param $a i32) (param $b i32)
  (local.set $a (i32.and (local.get $a) (i32.const 7)))
  (if (i32.eq (local.get $operation) (i32.const 16)) (then
    (if (i32.and (local.get $b) (i32.const 1))
      (then (table.set $slots (local.get $a) (ref.func $second)))
      (else (table.set $slots (local.get $a) (ref.null func))))))
  (if (i32.eq (local.get $operation) (i32.const 17)) (then
    (drop (table.grow $slots (ref.func $first) (i32.rem_u (local.get $a) (i32.const 3))))))
  (if (i32.eq (local.get $operation) (i32.const 18)) (then
    (table.fill $slots (i32.const 0) (ref.null func) (table.size $slots))))
  (if (i32.eq (local.get $operation) (i32.const 19)) (then
    (table.copy $slots $slots (i32.and (local.get $b) (i32.const 7)) (local.get $a) (i32.const 1)))))

;; what each slot returns when it is called, 0 for null, and how many there are
(func $visible (result i64) (local $sum i64) (local $at i32) (local $value i32)
  (local.set $sum (call $mix (i64.const -2) (i64.extend_i32_u (table.size $slots))))
  (loop $next
    (local.set $value (i32.const 0))
    (if (i32.eqz (ref.is_null (table.get $slots (local.get $at))))
      (then (local.set $value (call_indirect $slots (type $number) (local.get $at)))))
    (local.set $sum (i64.add (local.get $sum)
      (call $mix (i64.sub (i64.const -10) (i64.extend_i32_u (local.get $at))) (i64.extend_i32_u (local.get $value)))))
    (local.set $at (i32.add (local.get $at) (i32.const 1)))
    (br_if $next (i32.lt_u (local.get $at) (table.size $slots))))
  (local.get $sum))
