; The functions that are written in Lisp.

(define (not x) (if x #f #t))
(define (> a b) (< b a))
(define (<= a b) (not (< b a)))
(define (>= a b) (not (< a b)))
(define (list . items) items)
(define (newline) (display "\n"))
(define (cadr x) (car (cdr x)))
(define (cddr x) (cdr (cdr x)))

(define (fold f acc items)
  (if (null? items) acc (fold f (f acc (car items)) (cdr items))))

(define (length items) (fold (lambda (n x) (+ n 1)) 0 items))
(define (reverse items) (fold (lambda (acc x) (cons x acc)) () items))
(define (append a b) (fold (lambda (acc x) (cons x acc)) b (reverse a)))
(define (map f items) (reverse (fold (lambda (acc x) (cons (f x) acc)) () items)))
(define (for-each f items) (fold (lambda (acc x) (f x)) () items))
(define (filter f items)
  (reverse (fold (lambda (acc x) (if (f x) (cons x acc) acc)) () items)))

(define (iota n)
  (define (down i acc) (if (= i 0) acc (down (- i 1) (cons (- i 1) acc))))
  (down n ()))

(define (assq key table)
  (cond ((null? table) #f)
        ((eq? (car (car table)) key) (car table))
        (else (assq key (cdr table)))))

(define (equal? a b)
  (cond ((eq? a b) #t)
        ((and (pair? a) (pair? b))
         (and (equal? (car a) (car b)) (equal? (cdr a) (cdr b))))
        ((and (string? a) (string? b)) (string=? a b))
        ((and (vector? a) (vector? b)) (vectors-equal? a b 0))
        (else #f)))

(define (vectors-equal? a b i)
  (cond ((not (= (vector-length a) (vector-length b))) #f)
        ((= i (vector-length a)) #t)
        ((equal? (vector-ref a i) (vector-ref b i)) (vectors-equal? a b (+ i 1)))
        (else #f)))
