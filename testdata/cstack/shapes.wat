;; Ways in which functions make room on the stack, of which 1024 bytes lie above the data. The second argument of $room is how much; 1008
;; and the frame of _start fill it up.
;; ends: trap stack overrun in linear memory
;; each: (func $room (param $n i32) (global.set $__stack_pointer (i32.sub (global.get $__stack_pointer) (local.get $n))))
;; each: (func $room (param $n i32) (local $sp i32) (local.set $sp (global.get $__stack_pointer)) (global.set $__stack_pointer (local.tee $sp (i32.and (i32.sub (local.get $sp) (local.get $n)) (i32.const -16)))))
;; each: (func $room (param $n i32) (global.set $__stack_pointer (i32.and (i32.const -16) (i32.sub (global.get $__stack_pointer) (local.get $n)))))
;; As without optimisation: all goes through locals.
;; each: (func $room (param $n i32) (local $a i32) (local $b i32) (local $c i32) (local.set $a (global.get $__stack_pointer)) (local.set $b (local.get $n)) (local.set $c (i32.sub (local.get $a) (local.get $b))) (global.set $__stack_pointer (local.get $c)))
;; A constant, in one step and in several.
;; each: (func $room (param $n i32) (if (i32.eq (local.get $n) (i32.const 1008)) (then (global.set $__stack_pointer (i32.sub (global.get $__stack_pointer) (i32.const 1008)))) (else (global.set $__stack_pointer (i32.sub (global.get $__stack_pointer) (i32.const 500000))))))
;; each: (func $room (param $n i32) (if (i32.eq (local.get $n) (i32.const 1008)) (then (global.set $__stack_pointer (i32.add (global.get $__stack_pointer) (i32.const -1008)))) (else (global.set $__stack_pointer (i32.add (i32.const -1024) (global.get $__stack_pointer))))))
;; each: (func $room (param $n i32) (local $i i32) (loop $l (global.set $__stack_pointer (i32.sub (global.get $__stack_pointer) (i32.const 16))) (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 16))) (local.get $n)))))
;; A local that stands for the stack pointer, lowered in a loop and after blocks.
;; each: (func $room (param $n i32) (local $sp i32) (local $i i32) (local.set $sp (global.get $__stack_pointer)) (block $b (br_if $b (i32.eqz (local.get $n))) (loop $l (global.set $__stack_pointer (local.tee $sp (i32.sub (local.get $sp) (i32.const 16)))) (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 16))) (local.get $n))))))
;; each: (func $room (param $n i32) (local $sp i32) (local.set $sp (i32.sub (global.get $__stack_pointer) (i32.const 0))) (if (local.get $n) (then (nop)) (else (local.set $sp (i32.const 7)) (return))) (global.set $__stack_pointer (local.tee $sp (i32.sub (local.get $sp) (local.get $n)))))
;; As Binaryen rewrites it to check it too.
;; each: (func $room (param $n i32) (local $new i32) (if (i32.or (i32.gt_u (local.tee $new (i32.sub (global.get $__stack_pointer) (local.get $n))) (global.get $base)) (i32.lt_u (local.get $new) (global.get $limit))) (then (nop))) (global.set $__stack_pointer (local.get $new)))
;; A value that is passed on by select.
;; each: (func $room (param $n i32) (local $sp i32) (local.set $sp (i32.sub (global.get $__stack_pointer) (local.get $n))) (global.set $__stack_pointer (select (local.get $sp) (i32.sub (local.get $sp) (i32.const 16)) (i32.const 1))))
(module
  (memory (export "memory") 1)
  (global $__stack_pointer (mut i32) (i32.const 2112))
  (global $base (mut i32) (i32.const 0))
  (global $limit (mut i32) (i32.const 0))
  (data (i32.const 1024) "data") (data (i32.const 1084) "ends")
  (;EACH;)
  (func (export "_start") (local $f i32)
    (global.set $__stack_pointer (local.tee $f (i32.sub (global.get $__stack_pointer) (i32.const 16))))
    (call $room (i32.const 1008))
    (if (i32.ne (global.get $__stack_pointer) (i32.const 1088)) (then (unreachable)))
    (global.set $__stack_pointer (local.get $f))
    (call $room (i32.const 1024)) (;OVERRUN;)
  ))
