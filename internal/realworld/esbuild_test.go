package realworld

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/spindle-wasm/spindle/internal/realworld/fetch"
)

// bundle runs esbuild over a copy of testdata/typescript, mounted as the
// guest's root, and gives the path of the output. esbuild lists the working
// directory's parents, so the mount has to be the root.
func bundle(t *testing.T, flags ...string) string {
	t.Helper()
	wasm := guest(t, fetch.Esbuild, "esbuild.wasm")
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/typescript")); err != nil {
		t.Fatal(err)
	}
	args := []string{"run", "--dir", dir + "::/", "--env", "PWD=/", wasm,
		"--bundle", "./src/main.ts", "--outfile=out.js", "--platform=node", "--format=cjs",
		"--target=es2020", "--charset=utf8", "--log-level=warning"}
	r := spindle(t, 5*time.Minute, "", append(args, flags...)...)
	if r.code != 0 || r.stderr != "" {
		t.Fatalf("esbuild: %s", r.tail())
	}
	return filepath.Join(dir, "out.js")
}

func TestEsbuildVersion(t *testing.T) {
	needSlow(t)
	wasm := guest(t, fetch.Esbuild, "esbuild.wasm")
	r := spindle(t, time.Minute, "", "run", wasm, "--version")
	if got := strings.TrimSpace(r.stdout); r.code != 0 || got != fetch.Esbuild.Version {
		t.Fatalf("--version prints %q, want %s: %s", got, fetch.Esbuild.Version, r.tail())
	}
}

// TestEsbuildBundle bundles a TypeScript project and looks at the bundle: its
// structure always, what it does when node can run it.
func TestEsbuildBundle(t *testing.T) {
	needSlow(t)
	out := bundle(t, "--sourcemap")
	text, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	js := string(text)
	for _, want := range []string{"primesBelow", "class ", "distaff", "ünïcödé"} {
		if !strings.Contains(js, want) {
			t.Errorf("the bundle lacks %q", want)
		}
	}
	// Types, enums and modules are gone, and so is code that nothing uses.
	for _, not := range []string{"interface ", "enum ", `from "./`, "dead-code-marker"} {
		if strings.Contains(js, not) {
			t.Errorf("the bundle still has %q", not)
		}
	}
	checkSourceMap(t, out+".map")
	checkBundleRuns(t, out)
}

// TestEsbuildMinify has no golden output to compare with, but a bundle that
// must do the same with less text.
func TestEsbuildMinify(t *testing.T) {
	needSlow(t)
	plain, small := bundle(t), bundle(t, "--minify")
	a, err := os.Stat(plain)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.Stat(small)
	if err != nil {
		t.Fatal(err)
	}
	if b.Size() >= a.Size()*3/4 {
		t.Errorf("minified to %d bytes from %d", b.Size(), a.Size())
	}
	checkBundleRuns(t, small)
}

// TestEsbuildReportsErrors: a program that fails has its own exit code and says
// where.
func TestEsbuildReportsErrors(t *testing.T) {
	needSlow(t)
	wasm := guest(t, fetch.Esbuild, "esbuild.wasm")
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "bad.ts"), []byte("let x: number = 1;\nlet x = (;\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	r := spindle(t, time.Minute, "", "run", "--dir", dir+"::/", "--env", "PWD=/", wasm, "bad.ts")
	if r.code != 1 || !strings.Contains(r.stderr, "bad.ts:2:") {
		t.Errorf("want exit code 1 and a message about bad.ts:2: %s", r.tail())
	}
}

// checkSourceMap reads the map as JSON: it must name all used source files and
// carry their text.
func checkSourceMap(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var m struct {
		Version        int
		Sources        []string
		SourcesContent []string
		Mappings       string
	}
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	if m.Version != 3 || m.Mappings == "" || len(m.SourcesContent) != len(m.Sources) {
		t.Errorf("source map: version %d, %d sources, %d texts", m.Version, len(m.Sources), len(m.SourcesContent))
	}
	for i, name := range m.Sources {
		want, err := os.ReadFile(filepath.Join("testdata/typescript", filepath.FromSlash(name)))
		if err != nil {
			t.Errorf("source map: %v", err)
		} else if i < len(m.SourcesContent) && m.SourcesContent[i] != string(want) {
			t.Errorf("source map: the text of %s differs from the file", name)
		}
	}
	for _, name := range []string{"src/main.ts", "src/inventory.ts", "src/math.ts", "src/late.ts", "src/stock.json"} {
		if !slices.Contains(m.Sources, name) {
			t.Errorf("source map lacks %s: %q", name, m.Sources)
		}
	}
}

// checkBundleRuns runs the bundle with node, if there is one, and compares what
// it prints with the same sums done here.
func checkBundleRuns(t *testing.T, js string) {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Log("no node here: the bundle was not run")
		return
	}
	const limit = 1000
	r := run(t, time.Minute, filepath.Dir(js), "", node, js, strconv.Itoa(limit))
	if r.code != 0 {
		t.Fatalf("node: %s", r.tail())
	}
	type report struct {
		Name   string   `json:"name"`
		Dear   int      `json:"dear"`
		Kinds  []string `json:"kinds"`
		Total  float64  `json:"total"`
		Median float64  `json:"median"`
		Primes int      `json:"primes"`
		Last   int      `json:"last"`
		Late   string   `json:"late"`
	}
	var got report
	if err := json.Unmarshal([]byte(r.stdout), &got); err != nil {
		t.Fatalf("%v: %s", err, r.tail())
	}
	want := report{Name: "shelf", Kinds: []string{"Cheap", "Dear"}, Late: "hello, WASM — ünïcödé"}
	for n := 2; n < limit; n++ {
		prime := true
		for d := 2; d*d <= n; d++ {
			prime = prime && n%d != 0
		}
		if prime {
			want.Primes++
			want.Last = n
		}
	}
	var prices []float64
	for _, s := range stock(t) {
		want.Total += s.Price * s.Amount
		if s.Price > 10 {
			want.Dear++
		}
		prices = append(prices, s.Price)
	}
	slices.Sort(prices)
	want.Median = prices[len(prices)/2] // an odd number of them
	g, _ := json.Marshal(got)
	w, _ := json.Marshal(want)
	if string(g) != string(w) {
		t.Errorf("the bundle prints %s, want %s", g, w)
	}
}

type stockItem struct {
	ID            string
	Price, Amount float64
}

func stock(t *testing.T) []stockItem {
	t.Helper()
	text, err := os.ReadFile("testdata/typescript/src/stock.json")
	if err != nil {
		t.Fatal(err)
	}
	var items []stockItem
	if err := json.Unmarshal(text, &items); err != nil {
		t.Fatal(err)
	}
	return items
}
