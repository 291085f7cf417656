;; The smallest program: one call of WASI's fd_write.
;;
;;   go run ./cmd/spindle run examples/hello/hello.wat
(module $hello
  (import "wasi_snapshot_preview1" "fd_write"
    (func $fd_write (param $fd i32) (param $iovs i32) (param $count i32) (param $written i32) (result i32)))

  (memory (export "memory") 1)

  ;; 0: one iovec, address and length; 8: where the number of written bytes goes; 16: the text
  (data (i32.const 0) "\10\00\00\00" "\14\00\00\00")
  (data (i32.const 16) "Hello from Spindle!\n")

  (func (export "_start")
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))
