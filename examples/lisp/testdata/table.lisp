; A hash table in an old vector, whose chains change all the time: what a write barrier is for.

(define size 61)
(define table (make-vector size ()))

(define (slot key) (remainder (* key 31) size))

(define (put! key value)
  (let ((cell (find key (vector-ref table (slot key)))))
    (if cell
        (set-cdr! cell value)
        (vector-set! table (slot key)
                     (cons (cons key value) (vector-ref table (slot key)))))))

(define (find key chain)
  (cond ((null? chain) #f)
        ((= (car (car chain)) key) (car chain))
        (else (find key (cdr chain)))))

(define (get key) (cdr (find key (vector-ref table (slot key)))))

; A generator of Lehmer's kind, small enough for 31 bits.
(define seed 1)
(define (random n)
  (set! seed (remainder (* seed 171) 30269))
  (remainder seed n))

(define (fill n)
  (if (= n 0)
      'done
      (let ((key (random 100)))
        (put! key (list key n (string-append "value " (number->string n))))
        (fill (- n 1)))))

(fill 400)

(define (sum keys total found)
  (cond ((null? keys) (list total found))
        ((find (car keys) (vector-ref table (slot (car keys))))
         (if (= (car (get (car keys))) (car keys))
             (sum (cdr keys) (+ total (cadr (get (car keys)))) (+ found 1))
             (error "a value is another key's")))
        (else (sum (cdr keys) total found))))

(display "sum and number of values: " (sum (iota 100) 0 0) "\n")
(display (get (random 100)) "\n")
