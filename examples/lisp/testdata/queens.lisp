; Six queens: closures, lists, and recursion that is not in tail position.

(define (safe? row placed)
  (define (ok? others distance)
    (or (null? others)
        (and (not (= (car others) row))
             (not (= (car others) (+ row distance)))
             (not (= (car others) (- row distance)))
             (ok? (cdr others) (+ distance 1)))))
  (ok? placed 1))

(define (place n placed found)
  (if (= n 0)
      (cons placed found)
      (fold (lambda (found row) (if (safe? row placed) (place (- n 1) (cons row placed) found) found))
            found
            (iota 6))))

(define found (place 6 () ()))
(display (length found) " solutions\n")
(for-each (lambda (s) (display s "\n")) found)
