(module
  (import "spectest" "print_i32" (func $print (param i32)))
  (func $init (call $print (i32.const 1)))
  (start $init)
  (func (export "_start") (call $print (i32.const 2))))
