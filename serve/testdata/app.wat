;; A guest that answers by the first letter of the path. It counts to itself in memory before it is warm, and counts on in each child, which must not be seen by others.
(module
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (import "spindle" "snapshot" (func $snapshot (result i32)))
  (memory (export "memory") 4 8192)
  (global $state (mut i32) (i32.const 0))
  (data (i32.const 1024) "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")              ;; 45 bytes
  (data (i32.const 1100) "Status: 404 Not Found\nContent-Type: text/html\nX-Own: yes\n\nnone") ;; 62
  (data (i32.const 1200) "this is not an answer\n\n")                                          ;; 23
  (data (i32.const 1300) "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n") ;; 67
  (data (i32.const 1400) "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfour, and more")          ;; 52
  (data (i32.const 1500) "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfour")                   ;; 43
  (data (i32.const 1600) "Status: 200 OK\nX-A: b\0bc\n\nbody")                                  ;; 29
  (data (i32.const 1700) "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")                      ;; 40
  (data (i32.const 1800) "HTTP/1.1 101 Switching Protocols\r\n\r\n")                            ;; 36

  (data (i32.const 1900) "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n")                            ;; 38

  (func $out (param $p i32) (param $n i32)
    (loop $more
      (i32.store (i32.const 0) (local.get $p))
      (i32.store (i32.const 4) (local.get $n))
      (if (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)) (then (call $exit (i32.const 9))))
      (local.set $p (i32.add (local.get $p) (i32.load (i32.const 8))))
      (br_if $more (local.tee $n (i32.sub (local.get $n) (i32.load (i32.const 8)))))))
  (func $in (param $p i32) (param $n i32) (result i32)
    (i32.store (i32.const 0) (local.get $p))
    (i32.store (i32.const 4) (local.get $n))
    (if (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)) (then (call $exit (i32.const 8))))
    (i32.load (i32.const 8)))
  (func $warm (global.set $state (i32.const 65))) ;; 'A'

  ;; The request is at 65536, and what is read first has the first line.
  (func $serve (local $n i32) (local $got i32) (local $what i32) (local $p i32)
    (local.set $n (call $in (i32.const 65536) (i32.const 65536)))
    (if (i32.eqz (local.get $n)) (then (call $exit (i32.const 0)))) ;; no more requests
    (global.set $state (i32.add (global.get $state) (i32.const 1)))
    (local.set $p (i32.const 65536)) ;; to the path
    (loop $method
      (local.set $p (i32.add (local.get $p) (i32.const 1)))
      (br_if $method (i32.and (i32.ne (i32.load8_u (local.get $p)) (i32.const 47)) (i32.lt_u (local.get $p) (i32.const 65700)))))
    (local.set $what (i32.load8_u offset=1 (local.get $p)))
    (if (i32.eq (local.get $what) (i32.const 0x65)) (then ;; e: its state, and the whole request
      (loop $all
        (local.set $got (call $in (i32.add (i32.const 65536) (local.get $n)) (i32.sub (i32.const 190000) (local.get $n))))
        (local.set $n (i32.add (local.get $n) (local.get $got)))
        (br_if $all (local.get $got)))
      (call $out (i32.const 1024) (i32.const 45))
      (i32.store8 (i32.const 16) (global.get $state))
      (call $out (i32.const 16) (i32.const 1))
      (call $out (i32.const 65536) (local.get $n))))
    (if (i32.eq (local.get $what) (i32.const 0x73)) (then ;; s: what comes, as it comes
      (call $out (i32.const 1024) (i32.const 45))
      (loop $all
        (call $out (i32.const 65536) (local.get $n))
        (br_if $all (local.tee $n (call $in (i32.const 65536) (i32.const 65536)))))))
    (if (i32.eq (local.get $what) (i32.const 0x74)) (then unreachable)) ;; t
    (if (i32.eq (local.get $what) (i32.const 0x54)) (then (call $out (i32.const 1024) (i32.const 45)) unreachable)) ;; T
    (if (i32.eq (local.get $what) (i32.const 0x6c)) (then (loop $for_ever (br $for_ever)))) ;; l
    (if (i32.eq (local.get $what) (i32.const 0x4c)) (then ;; L: with a head
      (call $out (i32.const 1024) (i32.const 45))
      (loop $for_ever (br $for_ever))))
    (if (i32.eq (local.get $what) (i32.const 0x77)) (then ;; w: without end
      (call $out (i32.const 1024) (i32.const 45))
      (loop $for_ever (call $out (i32.const 65536) (i32.const 65536)) (br $for_ever))))
    (if (i32.eq (local.get $what) (i32.const 0x68)) (then ;; h: a head without end
      (i32.store8 (i32.const 16) (i32.const 65))
      (loop $for_ever (call $out (i32.const 16) (i32.const 1)) (br $for_ever))))
    (if (i32.eq (local.get $what) (i32.const 0x62)) (then (call $out (i32.const 1200) (i32.const 23)))) ;; b
    (if (i32.eq (local.get $what) (i32.const 0x78)) (then (call $exit (i32.const 3)))) ;; x
    (if (i32.eq (local.get $what) (i32.const 0x63)) (then (call $out (i32.const 1100) (i32.const 62)))) ;; c
    (if (i32.eq (local.get $what) (i32.const 0x6b)) (then (call $out (i32.const 1300) (i32.const 67)))) ;; k
    (if (i32.eq (local.get $what) (i32.const 0x6d)) (then (call $out (i32.const 1400) (i32.const 52)))) ;; m: more than it says
    (if (i32.eq (local.get $what) (i32.const 0x66)) (then (call $out (i32.const 1500) (i32.const 43)))) ;; f: fewer
    (if (i32.eq (local.get $what) (i32.const 0x69)) (then (call $out (i32.const 1600) (i32.const 29)))) ;; i: a control character
    (if (i32.eq (local.get $what) (i32.const 0x79)) (then (call $out (i32.const 1700) (i32.const 40)) (call $out (i32.const 1024) (i32.const 45)))) ;; y: early hints
    (if (i32.eq (local.get $what) (i32.const 0x75)) (then (call $out (i32.const 1800) (i32.const 36)))) ;; u
    (if (i32.or (i32.eq (local.get $what) (i32.const 0x6e)) (i32.eq (local.get $what) (i32.const 0x6f))) (then ;; n: its state, with a length; o: and that was all
      (call $out (i32.const 1900) (i32.const 38))
      (i32.store8 (i32.const 16) (global.get $state))
      (call $out (i32.const 16) (i32.const 1))
      (if (i32.eq (local.get $what) (i32.const 0x6f)) (then (call $exit (i32.const 0))))))
    (if (i32.eq (local.get $what) (i32.const 0x67)) (then ;; g: memory until there is none
      (loop $more (br_if $more (i32.ge_s (memory.grow (i32.const 64)) (i32.const 0))))
      (call $out (i32.const 1024) (i32.const 45))
      (i32.store (i32.const 16) (i32.add (i32.const 0x30303030) (i32.div_u (memory.size) (i32.const 64))))
      (call $out (i32.const 16) (i32.const 1)))))

  (func (export "_start") (call $warm) (loop $next (drop (call $snapshot)) (call $serve) (br $next)))
  (func (export "_initialize") (call $warm))
  (func (export "serve") (call $serve))
)
