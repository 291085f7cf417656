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

; Weak references lead to what is alive by itself, and to nothing else.
(define strong (map (lambda (i) (list i)) (iota 10)))
(define refs (map make-weak strong))
(define loose (map (lambda (i) (make-weak (list i))) (iota 10)))
(gc)
(define (count-values refs) (length (filter weak-value refs)))
(display (if (and (= 10 (count-values refs)) (eq? (weak-value (car refs)) (car strong)))
             "what is referred to is there\n" "what is referred to is missing\n"))
(display (if (= 0 (count-values loose)) "lost values are gone\n" "lost values stay\n"))
