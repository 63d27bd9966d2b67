;; What the text guests share: imports, the request's parts, a reply. Memory below 1024 and from 32768 to 49152 belongs to it.
;; Text guests are lists of module fields; build.mjs puts the files of one guest together into one module.
(import "lunatic::message" "receive" (func $receive (param i32 i32 i64) (result i32)))
(import "lunatic::message" "read_data" (func $read_data (param i32 i32) (result i32)))
(import "lunatic::message" "create_data" (func $create_data (param i64 i64)))
(import "lunatic::message" "write_data" (func $write_data (param i32 i32) (result i32)))
(import "lunatic::message" "send" (func $send (param i64) (result i32)))
(import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
(import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))

;; {"CompleteRequest": [[
(data (i32.const 0) "\81\afCompleteRequest\92\91")
;; the rest of a reply up to its body's length
(data (i32.const 32) "\92\93\cc\c8\a6Http11\80\c4")

(global $cursor (mut i32) (i32.const 0))
(global $message_length (mut i32) (i32.const 0))
(global $id (mut i32) (i32.const 0))        ;; where the id's number begins
(global $id_length (mut i32) (i32.const 0))
(global $body (mut i32) (i32.const 0))
(global $body_length (mut i32) (i32.const 0))
(global $reply_to (mut i64) (i64.const 0))

;; the big-endian number in the next $bytes bytes
(func $number (param $bytes i32) (result i64) (local $value i64)
  (block $done (loop $next
    (br_if $done (i32.eqz (local.get $bytes)))
    (local.set $bytes (i32.sub (local.get $bytes) (i32.const 1)))
    (local.set $value (i64.or (i64.shl (local.get $value) (i64.const 8)) (i64.load8_u (global.get $cursor))))
    (global.set $cursor (i32.add (global.get $cursor) (i32.const 1)))
    (br $next)))
  (local.get $value))

;; true if $low <= $type <= $high
(func $within (param $type i32) (param $low i32) (param $high i32) (result i32)
  (i32.le_u (i32.sub (local.get $type) (local.get $low)) (i32.sub (local.get $high) (local.get $low))))

;; passes one value; $body and $body_length become the bytes of the last string or binary in it
(func $skip (local $values i32) (local $type i32) (local $length i32)
  (local.set $values (i32.const 1))
  (loop $next
    (local.set $values (i32.sub (local.get $values) (i32.const 1)))
    (local.set $type (i32.wrap_i64 (call $number (i32.const 1))))
    (local.set $length (i32.const 0))
    (if (call $within (local.get $type) (i32.const 0x80) (i32.const 0x8f))
      (then (local.set $values (i32.add (local.get $values) (i32.shl (i32.and (local.get $type) (i32.const 15)) (i32.const 1))))))
    (if (call $within (local.get $type) (i32.const 0x90) (i32.const 0x9f))
      (then (local.set $values (i32.add (local.get $values) (i32.and (local.get $type) (i32.const 15))))))
    (if (call $within (local.get $type) (i32.const 0xa0) (i32.const 0xbf))
      (then (local.set $length (i32.and (local.get $type) (i32.const 31)))))
    (if (call $within (local.get $type) (i32.const 0xc4) (i32.const 0xc6))
      (then (local.set $length (i32.wrap_i64 (call $number (i32.shl (i32.const 1) (i32.sub (local.get $type) (i32.const 0xc4))))))))
    (if (call $within (local.get $type) (i32.const 0xcc) (i32.const 0xd3))
      (then (drop (call $number (i32.shl (i32.const 1) (i32.and (local.get $type) (i32.const 3)))))))
    (if (call $within (local.get $type) (i32.const 0xd9) (i32.const 0xdb))
      (then (local.set $length (i32.wrap_i64 (call $number (i32.shl (i32.const 1) (i32.sub (local.get $type) (i32.const 0xd9))))))))
    (if (call $within (local.get $type) (i32.const 0xdc) (i32.const 0xdd))
      (then (local.set $values (i32.add (local.get $values)
        (i32.wrap_i64 (call $number (i32.shl (i32.const 2) (i32.sub (local.get $type) (i32.const 0xdc)))))))))
    (if (call $within (local.get $type) (i32.const 0xde) (i32.const 0xdf))
      (then (local.set $values (i32.add (local.get $values) (i32.shl
        (i32.wrap_i64 (call $number (i32.shl (i32.const 2) (i32.sub (local.get $type) (i32.const 0xde))))) (i32.const 1))))))
    (global.set $body (global.get $cursor))
    (global.set $body_length (local.get $length))
    (global.set $cursor (i32.add (global.get $cursor) (local.get $length)))
    (br_if $next (local.get $values))))

;; takes the request and finds its id, body and process; at most 16 KiB
(func $take_request (local $type i32)
  (if (call $receive (i32.const 0) (i32.const 0) (i64.const -1)) (then unreachable))
  (global.set $message_length (call $read_data (i32.const 32768) (i32.const 16384)))
  (global.set $cursor (i32.const 32779))    ;; after map(1) "Request" array(3) array(1)
  (global.set $id (global.get $cursor))
  (call $skip)
  (global.set $id_length (i32.sub (global.get $cursor) (global.get $id)))
  (call $skip)                              ;; [metadata, body]: the body comes last
  (global.set $cursor (i32.add (global.get $cursor) (i32.const 2)))  ;; array(2), node 0
  (local.set $type (i32.wrap_i64 (call $number (i32.const 1))))
  (if (i32.lt_u (local.get $type) (i32.const 0x80))
    (then (global.set $reply_to (i64.extend_i32_u (local.get $type))))
    (else (global.set $reply_to (call $number (i32.shl (i32.const 1) (i32.and (local.get $type) (i32.const 3))))))))

;; replies 200 with at most 255 bytes
(func $reply (param $at i32) (param $length i32)
  (call $create_data (i64.const 0) (i64.const 0))
  (drop (call $write_data (i32.const 0) (i32.const 19)))
  (drop (call $write_data (global.get $id) (global.get $id_length)))
  (drop (call $write_data (i32.const 32) (i32.const 13)))
  (i32.store8 (i32.const 64) (local.get $length))
  (drop (call $write_data (i32.const 64) (i32.const 1)))
  (drop (call $write_data (local.get $at) (local.get $length)))
  (drop (call $send (global.get $reply_to))))

;; replies with a number in 8 bytes, little endian
(func $reply_number (param $value i64)
  (i64.store (i32.const 72) (local.get $value))
  (call $reply (i32.const 72) (i32.const 8)))
