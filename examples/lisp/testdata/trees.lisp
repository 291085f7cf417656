; Binary trees: many objects, most of which die young, beside one tree that lives on.

(define (tree depth)
  (if (= depth 0) () (cons (tree (- depth 1)) (tree (- depth 1)))))

(define (count t)
  (if (null? t) 0 (+ 1 (count (car t)) (count (cdr t)))))

(define keep (tree 7))

(define (rounds n total)
  (if (= n 0) total (rounds (- n 1) (+ total (count (tree 4))))))

(display (rounds 25 0) " nodes came and went, " (count keep) " are here\n")
