package realworld

import (
	"encoding/json"
	"math/big"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spindle-wasm/spindle/internal/realworld/fetch"
)

// rubyCommand is examples/ruby, built once.
var rubyCommand = sync.OnceValues(func() (string, error) { return buildCommand("examples/ruby") })

// ruby runs the example host on CRuby with its standard library.
func ruby(t *testing.T, stdin string, args ...string) result {
	t.Helper()
	needSlow(t)
	wasm := guest(t, fetch.Ruby, "dist/ruby+stdlib.wasm")
	exe, err := rubyCommand()
	if err != nil {
		t.Fatal(err)
	}
	return run(t, 5*time.Minute, "", stdin, exe, append([]string{"-ruby", wasm}, args...)...)
}

// TestRubyWords has Ruby compute a report with json and set, and does the same
// here.
func TestRubyWords(t *testing.T) {
	type input struct {
		Text    string  `json:"text"`
		Numbers []int64 `json:"numbers"`
	}
	in := input{
		Text:    "The spindle turns; the wheel turns the spindle. Über alles Garn — wächst die Spule, the END.",
		Numbers: []int64{4611686018427387904, 12, -7, 99991, 4294967296, 3},
	}
	stdin, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	r := ruby(t, string(stdin), filepath.Join("testdata", "ruby", "words.rb"))
	if r.code != 0 || r.stderr != "" {
		t.Fatal(r.tail())
	}
	type report struct {
		Count    int      `json:"count"`
		Distinct int      `json:"distinct"`
		Longest  string   `json:"longest"`
		Sum      *big.Int `json:"sum"`
		Product  string   `json:"product"`
		Subset   bool     `json:"subset"`
		Again    bool     `json:"again"`
	}
	var got report
	if err := json.Unmarshal([]byte(r.stdout), &got); err != nil {
		t.Fatalf("%v: %s", err, r.tail())
	}
	want := report{Sum: new(big.Int), Subset: true, Again: true}
	seen := map[string]bool{}
	for _, w := range regexp.MustCompile(`\pL+`).FindAllString(strings.ToLower(in.Text), -1) {
		want.Count++
		seen[w] = true
		n, m := len([]rune(w)), len([]rune(want.Longest))
		if n > m || n == m && w > want.Longest {
			want.Longest = w
		}
	}
	want.Distinct = len(seen)
	product := big.NewInt(1)
	for _, n := range in.Numbers {
		want.Sum.Add(want.Sum, big.NewInt(n))
		product.Mul(product, big.NewInt(n))
	}
	want.Product = product.String()
	g, _ := json.Marshal(got)
	w, _ := json.Marshal(want)
	if string(g) != string(w) {
		t.Errorf("Ruby reports\n%s, want\n%s", g, w)
	}
}

// TestRubyControl runs a script that checks itself.
func TestRubyControl(t *testing.T) {
	r := ruby(t, "", filepath.Join("testdata", "ruby", "control.rb"))
	if r.code != 0 || r.stdout != "ok\n" {
		t.Error(r.tail())
	}
}

// TestRubyEnds covers the ways a script ends, and values and state from one
// evaluation to the next.
func TestRubyEnds(t *testing.T) {
	for _, c := range []struct {
		name, source   string
		code           int
		stdout, stderr string // stderr: a part of it
	}{
		{"value", `[1, "zwei", :drei, nil, 2 ** 70]`, 0, `[1, "zwei", :drei, nil, 1180591620717411303424]` + "\n", ""},
		{"exit", `puts "bye"; exit 7`, 7, "bye\n", ""},
		{"exception", `def f = raise(KeyError, "no such key"); f`, 1, "", "no such key (KeyError)"},
		{"syntax", `1 +`, 1, "", "SyntaxError"},
		{"stderr", `warn "careful"; true`, 0, "true\n", "careful\n"},
		{"javascript", `require "js"; JS.global`, 1, "", "which is not here"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := ruby(t, "", "-p", "-e", c.source)
			if r.code != c.code || r.stdout != c.stdout || !strings.Contains(r.stderr, c.stderr) {
				t.Errorf("want exit code %d, stdout %q and %q in stderr: %s", c.code, c.stdout, c.stderr, r.tail())
			}
		})
	}
}
