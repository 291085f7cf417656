; Threads that allocate at the same time, wait for each other, and hand over what they have made.

(define (sort items)
  (define (merge a b)
    (cond ((null? a) b)
          ((null? b) a)
          ((< (car b) (car a)) (cons (car b) (merge a (cdr b))))
          (else (cons (car a) (merge (cdr a) b)))))
  (define (split items left right)
    (if (null? items)
        (cons left right)
        (split (cdr items) (cons (car items) right) left)))
  (if (or (null? items) (null? (cdr items)))
      items
      (let ((parts (split items () ())))
        (merge (sort (car parts)) (sort (cdr parts))))))

(define (numbers n seed)
  (define (more n seed acc)
    (if (= n 0) acc (more (- n 1) (remainder (* seed 171) 30269) (cons seed acc))))
  (more n seed ()))

(define (ascending? items)
  (or (null? items) (null? (cdr items))
      (and (<= (car items) (cadr items)) (ascending? (cdr items)))))

(define jobs (map (lambda (seed) (spawn (lambda () (sort (numbers 60 seed))))) '(1 2 3 4)))
(define results (map join jobs))

(for-each (lambda (r) (display (length r) " " (if (ascending? r) "sorted" "not sorted") " " (fold + 0 r) "\n")) results)
(display (try (join (spawn (lambda () (car 'x)))) (lambda (message) message)) "\n")
