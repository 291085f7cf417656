package serve

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// browser is a session of a WebDriver (https://www.w3.org/TR/webdriver2/): Chromium, by chromedriver.
type browser struct {
	t   *testing.T
	url string
}

// openBrowser starts one without a window. It needs chromedriver and Chromium in PATH, and SPINDLE_BROWSER=1, so that other runs need neither.
func openBrowser(t *testing.T) *browser {
	t.Helper()
	if os.Getenv("SPINDLE_BROWSER") == "" {
		t.Skip("SPINDLE_BROWSER=1 tests the status page in a browser (chromium and chromium-driver of Debian)")
	}
	cmd := exec.Command("chromedriver", "--port=0")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	port := ""
	for lines := bufio.NewScanner(out); port == "" && lines.Scan(); {
		if m := regexp.MustCompile(`successfully on port (\d+)`).FindStringSubmatch(lines.Text()); m != nil {
			port = m[1]
		}
	}
	go io.Copy(io.Discard, out) //nolint:errcheck // until it ends
	b := &browser{t, "http://127.0.0.1:" + port}
	var session struct{ SessionID string }
	b.do("POST", "/session", map[string]any{"capabilities": map[string]any{"alwaysMatch": map[string]any{
		"goog:loggingPrefs": map[string]string{"browser": "ALL"},
		"goog:chromeOptions": map[string]any{"args": []string{
			"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
			"--user-data-dir=" + t.TempDir(),
		}},
	}}}, &session)
	b.url += "/session/" + session.SessionID
	t.Cleanup(func() { b.do("DELETE", "", nil, nil) })
	return b
}

// do asks the driver for something.
func (b *browser) do(method, path string, body, into any) {
	b.t.Helper()
	var r io.Reader
	if method == "POST" {
		text, err := json.Marshal(body)
		if err != nil {
			b.t.Fatal(err)
		}
		r = bytes.NewReader(text)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, b.url+path, r)
	if err != nil {
		b.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	var answer struct{ Value json.RawMessage }
	if err == nil {
		err = json.Unmarshal(text, &answer)
	}
	if err == nil && resp.StatusCode != 200 {
		err = fmt.Errorf("status %d", resp.StatusCode)
	}
	if err == nil && into != nil {
		err = json.Unmarshal(answer.Value, into)
	}
	if err != nil {
		b.t.Fatalf("%s %s: %v: %s", method, path, err, text)
	}
}

func (b *browser) goTo(url string) { b.do("POST", "/url", map[string]string{"url": url}, nil) }

// run runs JavaScript in the page.
func (b *browser) run(script string, into any) {
	b.t.Helper()
	b.do("POST", "/execute/sync", map[string]any{"script": script, "args": []any{}}, into)
}

// devtools asks Chromium itself for something that WebDriver has no words for.
func (b *browser) devtools(cmd string, params map[string]any) {
	b.t.Helper()
	b.do("POST", "/goog/cdp/execute", map[string]any{"cmd": cmd, "params": params}, nil)
}

// find returns the first element that a CSS selector finds. It must be there.
func (b *browser) find(css string) (path string) {
	b.t.Helper()
	found := map[string]string{}
	b.do("POST", "/element", map[string]string{"using": "css selector", "value": css}, &found)
	for _, id := range found {
		return "/element/" + id
	}
	b.t.Fatalf("%q finds %v", css, found)
	return ""
}

// shown is what the page says, as numbers.
type shown struct {
	Requests, Children, Forks, Generation float64
	Tree                                  map[string]float64 // live children by generation
	Listed                                float64            // of them, one by one
	Statuses                              map[string]float64
	Private                               string // the sum, as people read it
}

const readPage = `
  const n = (id) => Number(document.getElementById(id).dataset.value);
  const tree = {}, statuses = {};
  for (const li of document.querySelectorAll("[data-generation]")) tree[li.dataset.generation] = Number(li.dataset.children);
  for (const tr of document.querySelectorAll("[data-status]")) statuses[tr.dataset.status] = Number(tr.cells[1].textContent);
  return {requests: n("requests"), children: n("children"), forks: n("forks"), generation: n("generation"), tree, statuses,
    listed: document.querySelectorAll(".tree tbody tr").length, private: document.getElementById("share").nextElementSibling.textContent};`

// scrape reads metrics: samples by name and labels.
func scrape(t *testing.T, admin *httptest.Server) map[string]float64 {
	t.Helper()
	_, text, err := get(t, admin, "GET", "/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	m := map[string]float64{}
	for line := range strings.Lines(text) {
		if name, v, ok := strings.Cut(strings.TrimSpace(line), " "); ok && !strings.HasPrefix(line, "#") {
			if m[strings.TrimPrefix(name, "spindle_serve_")], err = strconv.ParseFloat(v, 64); err != nil {
				t.Error(err)
			}
		}
	}
	return m
}

// differs says where the page is not what the metrics are.
func (p *shown) differs(m map[string]float64) string {
	var wrong []string
	check := func(what string, got, want float64) {
		if got != want {
			wrong = append(wrong, fmt.Sprintf("%s: %v, not %v", what, got, want))
		}
	}
	requests, trees, statuses := 0.0, 0, 0
	for name, v := range m {
		if s, ok := strings.CutPrefix(name, `requests_total{status="`); ok {
			requests += v
			statuses++
			check("status "+s, p.Statuses[strings.TrimSuffix(s, `"}`)], v)
		}
		if g, ok := strings.CutPrefix(name, `generation_children{generation="`); ok {
			trees++
			check("generation "+g, p.Tree[strings.TrimSuffix(g, `"}`)], v)
		}
	}
	check("requests", p.Requests, requests)
	check("statuses", float64(len(p.Statuses)), float64(statuses))
	check("generations", float64(len(p.Tree)), float64(trees))
	check("children", p.Children, m["children"])
	check("listed children", p.Listed, m["children"])
	check("forks", p.Forks, m["fork_seconds_count"])
	check("generation", p.Generation, m["generation"])
	if private, ok := m["children_private_bytes"]; ok && m["children"] > 0 && !strings.Contains(p.Private, byteSize(uint64(private))+" of their own") {
		wrong = append(wrong, fmt.Sprintf("memory: %q, not %s", p.Private, byteSize(uint64(private))))
	}
	return strings.Join(wrong, "; ")
}

// The page shows in a browser what the metrics say, by itself, while requests run; it is light or dark as wanted, fits a small screen, goes without scripts, and loads nothing
// from elsewhere.
func TestStatusPageInBrowser(t *testing.T) {
	b := openBrowser(t)
	s, web := start(t, Config{Timeout: 5 * time.Minute})
	admin := httptest.NewServer(s.Admin())
	t.Cleanup(admin.Close)
	b.goTo(admin.URL)
	b.run("window.kept = true", nil) // until the page is loaded again

	// While requests run.
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					get(t, web, "GET", "/n", nil)
				}
			}
		})
	}
	var seen []float64
	waitFor(t, "the page to show requests that run", func() bool {
		var p shown
		b.run(readPage, &p)
		if p.Requests > 0 && (len(seen) == 0 || p.Requests > seen[len(seen)-1]) {
			seen = append(seen, p.Requests)
		}
		return len(seen) == 3
	})
	get(t, web, "GET", "/c", nil)
	get(t, web, "GET", "/t", nil)
	conn := dial(t, web) // a child that stays
	fmt.Fprintf(conn, "POST /s HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n")

	// Forked anew by the page's button, as another generation, beside that child's.
	b.do("POST", b.find("button")+"/click", map[string]any{}, nil)
	waitFor(t, "the refork", func() bool { st := s.state(); return st.Generation == 1 })
	another := dial(t, web)
	fmt.Fprintf(another, "POST /s HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n")
	close(stop)
	wg.Wait()
	waitFor(t, "two children", func() bool { return s.metrics.live.Load() == 2 })
	same := func(when string) {
		t.Helper()
		var p shown
		why := ""
		deadline := time.Now().Add(20 * time.Second)
		for {
			before := scrape(t, admin)
			b.run(readPage, &p)
			if why = p.differs(before); why == "" {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s the page is not what the metrics are: %s", when, why)
			}
		}
	}
	same("when requests have run")
	var kept bool
	if b.run("return window.kept === true && document.getElementById('live').textContent === 'Live'", &kept); !kept {
		t.Error("the page was loaded again to be up to date")
	}
	var foreign []string
	b.run("return performance.getEntriesByType('resource').map(e => e.name).filter(n => !n.startsWith(location.origin))", &foreign)
	if len(foreign) > 0 {
		t.Errorf("it loaded %q", foreign)
	}
	var unnamed []string
	b.run(`return [...document.querySelectorAll("section, table")].filter(e => !(e.ariaLabel || e.getAttribute("aria-labelledby") || e.caption || e.closest("section")?.getAttribute("aria-labelledby"))).map(e => e.outerHTML.slice(0, 80))`, &unnamed)
	if len(unnamed) > 0 {
		t.Errorf("without a name for those who do not see it: %q", unnamed)
	}

	// Light and dark, wide and narrow.
	background := func(scheme string) (color string) {
		b.devtools("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}})
		b.run("return getComputedStyle(document.body).backgroundColor", &color)
		return color
	}
	if light, dark := background("light"), background("dark"); light == dark {
		t.Errorf("light or dark, it is %s", light)
	}
	for _, width := range []int{1600, 700, 320} {
		b.devtools("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": false})
		var wide int
		if b.run("return document.documentElement.scrollWidth", &wide); wide > width {
			t.Errorf("on a screen %d wide it is %d wide", width, wide)
		}
	}
	var log []struct{ Level, Message string }
	b.do("POST", "/se/log", map[string]string{"type": "browser"}, &log)
	for _, l := range log {
		if l.Level == "SEVERE" || l.Level == "WARNING" {
			t.Errorf("the browser says: %s", l.Message)
		}
	}

	// Without scripts.
	b.devtools("Emulation.setScriptExecutionDisabled", map[string]any{"value": true})
	b.goTo(admin.URL)
	var text string
	b.do("GET", b.find("#generation")+"/text", nil, &text)
	if text != "1" {
		t.Errorf("without scripts it is at generation %q", text)
	}
	b.do("POST", b.find("button")+"/click", map[string]any{}, nil)
	waitFor(t, "the button to work without scripts", func() bool { return s.state().ReforkWaits })
	var at string
	if b.do("GET", "/url", nil, &at); at != admin.URL+"/" {
		t.Errorf("then it is at %s", at)
	}
	b.devtools("Emulation.setScriptExecutionDisabled", map[string]any{"value": false})
	ask(t, web)
	waitFor(t, "that refork", func() bool { return s.state().Generation == 2 })
	b.goTo(admin.URL)
	same("when it has been forked anew")

	// And when the server has gone.
	admin.CloseClientConnections()
	admin.Close()
	waitFor(t, "the page to say that nobody answers", func() bool {
		var says string
		b.run("return document.getElementById('live').textContent", &says)
		return strings.HasPrefix(says, "The server does not answer")
	})
}
