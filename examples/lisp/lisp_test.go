package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spindle-wasm/spindle/gc"
	"github.com/spindle-wasm/spindle/gc/plan"
)

// evaluate runs a program in a VM of its own and returns what it has written.
func evaluate(t testing.TB, cfg Config, src string) (out string, collections int, err error) {
	t.Helper()
	var w strings.Builder
	cfg.Out = &w
	cfg.StackWords = 2000
	v, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	th := v.NewThread()
	_, err = th.Eval(src)
	th.Exit()
	if err := v.Close(); err != nil {
		t.Errorf("at the end: %v", err)
	}
	return w.String(), int(v.full.Load() + v.young.Load()), err
}

// config gives a plan its heap. Under PageProtect each object takes a page.
func config(name string, opts plan.Options) Config {
	if name == "pageprotect" {
		opts.MaxBytes *= 32
	}
	return Config{Config: gc.Config{Plan: name, Options: opts}}
}

// Every program writes the same under every plan, whether the heap is collected seldom or at every few allocations, with all of it checked each time. What is
// right, the programs know themselves or NoGC tells, under which nothing ever moves or goes.
func TestPrograms(t *testing.T) {
	files, err := filepath.Glob("testdata/*.lisp")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d programs: %v", len(files), err)
	}
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		want, _, err := evaluate(t, config("nogc", plan.Options{}), string(src))
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if strings.Contains(file, "weak.lisp") {
			want = strings.ReplaceAll(want, "stay\n", "are gone\n") // without a collector they stay
		}
		for _, name := range gc.Plans() {
			if name == "nogc" {
				continue
			}
			for _, opts := range []plan.Options{
				{MaxBytes: 4 << 20, NurseryBytes: 128 << 10, Workers: 2},
				{MaxBytes: 8 << 20, Workers: 2, Stress: 97, Sanity: true, Poison: true},
			} {
				if opts.Stress > 0 && testing.Short() {
					opts.Stress = 997
				}
				t.Run(strings.TrimSuffix(filepath.Base(file), ".lisp")+"/"+name, func(t *testing.T) {
					got, collections, err := evaluate(t, config(name, opts), string(src))
					if err != nil {
						t.Error(err)
					}
					if got != want {
						t.Errorf("written:\n%s\nwant:\n%s", got, want)
					}
					if opts.Stress > 0 && collections < 3 {
						t.Errorf("%d collections under stress", collections)
					}
				})
			}
		}
	}
}

// A collection at every single allocation and step: whatever Go variable holds a reference across one is found.
func TestEveryAllocation(t *testing.T) {
	src := `(define (f . all) (let ((x (vector 1 all "s")) (y '(a . b))) (define z (string-append "p" "q")) (list x y z (string->symbol z))))
		(display (f 1 2 3) (try (f (car 0)) (lambda (m) (list m (f)))) (map (lambda (x) (+ x 1)) '(1 2 3)) "\n")`
	want, _, err := evaluate(t, config("nogc", plan.Options{}), src)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range gc.Plans() {
		if name == "nogc" || testing.Short() && name != "semispace" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			got, _, err := evaluate(t, config(name, plan.Options{MaxBytes: 4 << 20, Workers: 1, Stress: 1, Zeal: 1, Sanity: true, Poison: true}), src)
			if err != nil || got != want {
				t.Errorf("written %q, %v; want %q", got, err, want)
			}
		})
	}
}

// Programs may make far more than the heap holds.
func TestManyCollections(t *testing.T) {
	src := `(define (tree d) (if (= d 0) () (cons (tree (- d 1)) (tree (- d 1)))))
		(define (rounds n) (if (< 12 (gc-count)) 'done (begin (tree 6) (rounds (+ n 1)))))
		(rounds 0)`
	for _, name := range gc.Plans() {
		if name == "nogc" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			_, n, err := evaluate(t, config(name, plan.Options{MaxBytes: 1 << 20, NurseryBytes: 128 << 10, Workers: 2}), src)
			if err != nil {
				t.Fatal(err)
			}
			if n <= 12 {
				t.Errorf("%d collections", n)
			}
		})
	}
}

// A heap full of live objects is an error of the program, which may catch it, drop them and go on.
func TestOutOfMemory(t *testing.T) {
	src := `(define all ())
		(define (fill) (set! all (cons (make-vector 1000 all) all)) (fill))
		(define message (try (fill) (lambda (m) (set! all ()) m)))
		(define again (try (fill) (lambda (m) (set! all ()) "again")))
		(define (live n) (if (= n 0) () (cons n (live (- n 1)))))
		(display (length (live 100)) " " again "\n" message "\n")`
	for _, name := range gc.Plans() {
		t.Run(name, func(t *testing.T) {
			cfg := config(name, plan.Options{MaxBytes: 2 << 20, Workers: 2})
			out, _, err := evaluate(t, cfg, src)
			if name == "nogc" { // what is dropped does not come back
				if !errors.Is(err, gc.ErrOutOfMemory) {
					t.Errorf("error %v", err)
				}
				return
			}
			if err != nil || !strings.HasPrefix(out, "100 again\ngc: out of memory") {
				t.Errorf("written %q, error %v", out, err)
			}
			// Nobody catches it.
			if _, _, err := evaluate(t, cfg, `(define all ()) (define (fill) (set! all (cons all all)) (fill)) (fill)`); !errors.Is(err, gc.ErrOutOfMemory) {
				t.Errorf("error %v", err)
			}
			// One object that is too large for the heap, and one for any.
			for _, n := range []string{"100000000", "1000000000"} {
				if _, _, err := evaluate(t, cfg, `(make-vector `+n+` 0)`); err == nil {
					t.Errorf("a vector of %s elements", n)
				}
			}
		})
	}
}

// A thread that waits does not hold up collections by others.
func TestBlockedThread(t *testing.T) {
	in, out := io.Pipe()
	cfg := config("semispace", plan.Options{MaxBytes: 1 << 20, Workers: 2})
	cfg.Out = out
	v, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		th := v.NewThread()
		defer th.Exit()
		_, err := th.Eval(`(define x (list 1 2 3)) (display x) (display (apply + x))`) // until somebody reads
		done <- err
	}()
	th := v.NewThread()
	if _, err := th.Eval(`(define (churn n) (if (= n 0) 0 (begin (list 1 2 3) (churn (- n 1))))) (churn 1000) (gc) (gc)`); err != nil {
		t.Error(err)
	}
	th.Exit()
	buf := make([]byte, 100)
	n, _ := io.ReadAtLeast(in, buf, len("(1 2 3)6"))
	if err := <-done; err != nil || string(buf[:n]) != "(1 2 3)6" {
		t.Errorf("written %q, %v", buf[:n], err)
	}
	if err := v.Close(); err != nil {
		t.Error(err)
	}
}

// A thread that fails and that nobody waits for is not forgotten.
func TestLostError(t *testing.T) {
	v, err := New(config("", plan.Options{MaxBytes: 1 << 20}))
	if err != nil {
		t.Fatal(err)
	}
	th := v.NewThread()
	if _, err := th.Eval(`(spawn (lambda () (error "lost")))`); err != nil {
		t.Error(err)
	}
	th.Exit()
	var lisp *Error
	if err := v.Close(); !errors.As(err, &lisp) || lisp.Msg != "lost" {
		t.Errorf("closed with %v", err)
	}
}

// What is read is printed as it was written, however deep.
func TestReadPrint(t *testing.T) {
	v, err := New(config("semispace", plan.Options{MaxBytes: 4 << 20, Stress: 50, Sanity: true}))
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	th := v.NewThread()
	defer th.Exit()
	for _, src := range []string{
		"a", "-12", `"a\n\"b"`, "()", "(a . b)", "(a b . c)", "((a) (b (c)) ())", "#()", "#(1 #(2) (3))", "(quote x)", "(quote (quote x))",
		strings.Repeat("(", 2000) + strings.Repeat(")", 2000),
	} {
		val, err := th.Eval("'" + src)
		if err != nil {
			t.Errorf("%.50s: %v", src, err)
		} else if got := th.show(val); got != src {
			t.Errorf("%.50s is printed as %.50s", src, got)
		}
	}
	if val, err := th.Eval("(define l '(1)) (set-cdr! l l) l"); err != nil || len(th.show(val)) > 10*maxShown {
		t.Errorf("a circle: %v", err)
	}
	for _, src := range []string{"(", ")", "(a", "a)", "'", "(')", "(. a)", "(a .)", "(a . b c)", "a . b", "#x", `"a`, "(a . . b)", "#(a . b)", "4611686018427387904"} {
		if _, err := th.Eval(src); err == nil {
			t.Errorf("%q is read", src)
		}
	}
}

// Any text is evaluated or is an error, the same under every plan: NoGC, under which nothing moves or goes, tells what is right.
func FuzzEval(f *testing.F) {
	files, err := filepath.Glob("testdata/*.lisp")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(src), uint8(len(src)))
	}
	plans := gc.Plans()
	f.Fuzz(func(t *testing.T, src string, which uint8) {
		for _, word := range []string{
			"spawn",                        // threads may wait for each other for ever
			"gc", "symbols", "weak", "#<n", // these tell what the collector does
		} {
			if strings.Contains(src, word) {
				return
			}
		}
		full := false // a heap was, and so programs end in different ways
		run := func(name string, opts gc.Options) string {
			opts.Workers = 1
			cfg := config(name, opts)
			cfg.MaxSteps = 20_000
			out, _, err := evaluate(t, cfg, src)
			var lisp *Error
			if err == nil {
				return out
			}
			if !errors.As(err, &lisp) {
				t.Fatalf("%s: %v", name, err)
			}
			full = full || errors.Is(err, gc.ErrOutOfMemory)
			return out + lisp.Msg
		}
		want := run("nogc", gc.Options{MaxBytes: 64 << 20})
		name := plans[int(which)%len(plans)]
		got := run(name, gc.Options{MaxBytes: 8 << 20, Stress: 199, Sanity: true, Poison: true})
		if got != want && !full && !strings.Contains(want+got, "memory") {
			t.Errorf("%s: written %q; under nogc %q", name, got, want)
		}
	})
}

// VMs made of an image begin with what it has, and what they do is nobody else's: as many as one likes, images of these as well.
func TestFork(t *testing.T) {
	for _, name := range gc.Plans() {
		t.Run(name, func(t *testing.T) {
			cfg := config(name, plan.Options{MaxBytes: 4 << 20, Workers: 2, Forkable: true, Stress: 300, Sanity: true})
			v, err := New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			eval(t, v, `(define (churn n) (if (= n 0) 0 (begin (list 1 2 3) (churn (- n 1)))))
				(define log (list 'start)) (define (note x) (set! log (cons x log)))
				(define table (make-vector 50 ()))
				(define done (spawn (lambda () (churn 10) 'result)))
				(define result (join done))`)
			if err := v.Warmup(); err != nil {
				t.Fatal(err)
			}
			vms := []*VM{v}
			logs := []string{"start"}
			for i := range 6 {
				from := vms[i/2]
				image, err := from.Freeze()
				if err != nil {
					t.Fatal(err)
				}
				child, err := image.New()
				if err != nil {
					t.Fatal(err)
				}
				if err := image.Close(); err != nil {
					t.Error(err)
				}
				vms, logs = append(vms, child), append(logs, logs[i/2])
				for k, v := range vms {
					// Old objects that refer to new ones, and collections.
					eval(t, v, fmt.Sprintf(`(note 'n%d-%d) (vector-set! table %d (list log)) (churn 100) (gc)`, i, k, i))
					logs[k] = fmt.Sprintf("n%d-%d ", i, k) + logs[k]
				}
			}
			for k, v := range vms {
				if got := eval(t, v, `log`); got != "("+logs[k]+")" {
					t.Errorf("VM %d has %s, want (%s)", k, got, logs[k])
				}
				if got := eval(t, v, `(list (eq? 'result (join done)) (eq? (string->symbol "note") 'note) (eq? (car (vector-ref table 5)) log))`); got != "(#t #t #t)" {
					t.Errorf("VM %d: %s", k, got)
				}
				if err := v.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// eval evaluates a text on a thread of its own and returns the value as text.
func eval(t *testing.T, v *VM, src string) string {
	t.Helper()
	th := v.NewThread()
	defer th.Exit()
	val, err := th.Eval(src)
	if err != nil {
		t.Fatal(err)
	}
	return th.show(val)
}
