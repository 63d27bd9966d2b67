;; Its start function spawns, which traps: no instance is whole before its start function has run.
(import "lunatic::process" "spawn" (func $spawn (param i64 i64 i64 i32 i32 i32 i32 i32) (result i32)))
(memory (export "memory") 1)
(data (i32.const 0) "_start")
(start $begin)
(func $begin
  (drop
    (call $spawn (i64.const 0) (i64.const -1) (i64.const -1) (i32.const 0) (i32.const 6) (i32.const 0) (i32.const 0)
      (i32.const 56))))
(func (export "_start"))
