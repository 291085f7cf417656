; Symbols that nothing refers to leave the symbol table; others stay what they are.

(define kept (map (lambda (i) (string->symbol (string-append "kept-" (number->string i)))) (iota 20)))

(define (churn n)
  (if (= n 0)
      'done
      (begin (string->symbol (string-append "lost-" (number->string n)))
             (churn (- n 1)))))

(define before (symbols))
(churn 300)
(gc)
(display (if (< (- (symbols) before) 50) "lost symbols are gone\n" "lost symbols stay\n"))

(define (same? items i)
  (cond ((null? items) #t)
        ((eq? (car items) (string->symbol (string-append "kept-" (number->string i))))
         (same? (cdr items) (+ i 1)))
        (else #f)))
(display (if (same? kept 0) "kept symbols are the same\n" "kept symbols are others\n"))
