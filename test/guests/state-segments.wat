;; State in which segments are dropped. Operations: 16 copy from the data segment (traps once dropped) · 17 drop the data segment ·
;; 18 fill the table from the element segment (traps once dropped) · 19 drop the element segment.
(table $slots 2 funcref)
(data $bytes "segment of data")
(elem $functions func $first $first)
(func $first)

(func $command (param $operation i32) (param $a i32) (param $b i32)
  (if (i32.eq (local.get $operation) (i32.const 16)) (then
    (memory.init $bytes (i32.const 4096) (i32.const 0) (i32.const 15))))
  (if (i32.eq (local.get $operation) (i32.const 17)) (then (data.drop $bytes)))
  (if (i32.eq (local.get $operation) (i32.const 18)) (then
    (table.init $slots $functions (i32.const 0) (i32.const 0) (i32.const 2))))
  (if (i32.eq (local.get $operation) (i32.const 19)) (then (elem.drop $functions))))

(func $visible (result i64)
  (call $mix (i64.const -2) (i64.extend_i32_u (ref.is_null (table.get $slots (i32.const 0))))))
