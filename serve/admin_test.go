package serve

import (
	"encoding/json"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// What is for whoever runs the server: the page as it is without a browser, its numbers, and POST /refork as programs and as forms send it.
func TestAdmin(t *testing.T) {
	s, web := start(t, Config{})
	admin := httptest.NewServer(s.Admin())
	defer admin.Close()
	post := func(header ...string) (*http.Response, string) {
		t.Helper()
		req, err := http.NewRequest("POST", admin.URL+"/refork", nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp, string(b)
	}
	wanted := func() bool { return s.state().ReforkWaits }

	get(t, web, "GET", `/c?<script>"&`, nil)
	resp, page, err := get(t, admin, "GET", "/", nil)
	if err != nil || resp.StatusCode != 200 || !strings.Contains(page, `id="requests" data-value="1"`) || !strings.Contains(page, "Generation 0") {
		t.Errorf("%v, status %d, %s", err, resp.StatusCode, page)
	}
	// The policy allows what is in the page, and nothing else.
	policy := resp.Header.Get("Content-Security-Policy")
	for _, tag := range []string{"style", "script"} {
		_, rest, _ := strings.Cut(page, "<"+tag+">")
		text, _, ok := strings.Cut(rest, "</"+tag+">")
		if !ok || !strings.Contains(policy, tag+"-src "+hashOf(text)) {
			t.Errorf("%s: the policy is %s", tag, policy)
		}
	}
	if m := regexp.MustCompile(`(src|href|action)="(https?:)?//`).FindString(page); m != "" || !strings.Contains(policy, "default-src 'none'") {
		t.Errorf("it loads something: %s; %s", m, policy)
	}
	_, text, err := get(t, admin, "GET", "/status", nil)
	var st state
	if err != nil || json.Unmarshal([]byte(text), &st) != nil || st.Requests != 1 || len(st.Generations) != 1 || st.Statuses["404"] != 1 {
		t.Errorf("%v, %s", err, text)
	}

	// As a program: the answer comes with the generation, or with what is wrong.
	for _, c := range []struct {
		path, want string
		status     int
	}{{"/n", `"number":1`, 200}, {"/o", "does not come to its point", 502}} {
		done := make(chan string, 1)
		go func() {
			resp, b := post()
			if resp.StatusCode != c.status {
				b = resp.Status + b
			}
			done <- b
		}()
		waitFor(t, "the refork to be wanted", wanted)
		get(t, web, "GET", c.path, nil)
		if b := <-done; !strings.Contains(b, c.want) || strings.HasPrefix(b, "5") {
			t.Errorf("%s: %s", c.path, b)
		}
	}
	// As a form, twice: nobody waits, and it is done once.
	for range 2 {
		if resp, _ := post("Accept", "text/html,*/*"); resp.StatusCode != 303 || resp.Header.Get("Location") != "/" {
			t.Errorf("status %d, %v", resp.StatusCode, resp.Header)
		}
	}
	ask(t, web)
	waitFor(t, "the refork", func() bool { return s.state().Generation == 2 })
	if wanted() {
		t.Error("another one is wanted")
	}
	// Not as a page of somebody else's.
	for _, h := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Origin", "http://example.com"}} {
		if resp, _ := post(h...); resp.StatusCode != 403 || wanted() {
			t.Errorf("%v: status %d", h, resp.StatusCode)
		}
	}
	if resp, _, _ := get(t, admin, "GET", "/refork", nil); resp.StatusCode != 405 {
		t.Errorf("GET /refork: status %d", resp.StatusCode)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if resp, _ := post(); resp.StatusCode != 503 {
		t.Errorf("when it is closed: status %d", resp.StatusCode)
	}
	if _, page, _ := get(t, admin, "GET", "/", nil); !strings.Contains(page, "The server is closed.") {
		t.Errorf("when it is closed: %s", page)
	}
}

// Text can be read in both schemes: a contrast of at least 4.5 (WCAG 2.2, 1.4.3), and of 3 for what is not text (1.4.11).
func TestContrast(t *testing.T) {
	light, dark, _ := strings.Cut(statusCSS, "prefers-color-scheme: dark")
	for name, text := range map[string]string{"light": light, "dark": dark} {
		text, _, _ = strings.Cut(text, "* {")
		color := map[string]float64{}
		for _, m := range regexp.MustCompile(`--([a-z-]+): #([0-9a-f]+)`).FindAllStringSubmatch(text, -1) {
			color[m[1]] = luminance(t, m[2])
		}
		for _, pair := range []struct {
			a, b string
			min  float64
		}{
			{"text", "page", 4.5}, {"text", "card", 4.5}, {"soft", "page", 4.5}, {"soft", "card", 4.5}, {"accent", "page", 4.5}, {"bad", "card", 4.5}, {"bad", "bad-back", 4.5},
			{"on-accent", "accent", 4.5}, {"shared", "card", 3}, {"private", "card", 3},
		} {
			a, okA := color[pair.a]
			b, okB := color[pair.b]
			if c := (max(a, b) + .05) / (min(a, b) + .05); !okA || !okB || c < pair.min {
				t.Errorf("%s: %s on %s has a contrast of %.2f", name, pair.a, pair.b, c)
			}
		}
	}
}

// luminance is the relative luminance of a color (WCAG 2.2, definitions).
func luminance(t *testing.T, hex string) float64 {
	if len(hex) == 3 {
		hex = string([]byte{hex[0], hex[0], hex[1], hex[1], hex[2], hex[2]})
	}
	n, err := strconv.ParseUint(hex, 16, 24)
	if err != nil {
		t.Fatal(err)
	}
	part := func(shift int) float64 {
		if c := float64(n>>shift&0xff) / 255; c > 0.04045 {
			return math.Pow((c+0.055)/1.055, 2.4)
		} else {
			return c / 12.92
		}
	}
	return 0.2126*part(16) + 0.7152*part(8) + 0.0722*part(0)
}

// Sizes and times as people read them: three digits, and the unit that fits.
func TestReadable(t *testing.T) {
	for n, want := range map[uint64]string{0: "0 B", 999: "999 B", 1000: "0.98 KiB", 1024: "1.00 KiB", 10 << 10: "10.0 KiB", 999 << 10: "999 KiB", 1023 << 10: "1.00 MiB", 5 << 30: "5.00 GiB", 1 << 62: "4194304 TiB"} {
		if got := byteSize(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
	for v, want := range map[float64]string{0: "–", 1.5e-6: "1.50 µs", 250e-6: "250 µs", 0.0012: "1.20 ms", 0.9: "900 ms", 12: "12.0 s"} {
		if got := seconds(v); got != want {
			t.Errorf("%v: %s, want %s", v, got, want)
		}
	}
	for v, want := range map[float64]string{3.14159: "3.1 s", 61: "1 min 1 s", 3 * 3600: "3 h 0 min", 3 * 86400: "3 days"} {
		if got := age(v); got != want {
			t.Errorf("%v: %s, want %s", v, got, want)
		}
	}
}

// A quantile lies in the bucket where the value of that rank is.
func TestQuantile(t *testing.T) {
	var h histogram
	bounds := []float64{1, 2, 5, 10}
	if q := h.quantile(.5, bounds); q != 0 {
		t.Errorf("of nothing: %v", q)
	}
	var values []float64
	for n := range 100 {
		v := float64(n*n%97) / 8
		values = append(values, v)
		h.add(v, bounds)
	}
	for _, q := range []float64{.01, .25, .5, .9, .99, 1} {
		got, below, upTo := h.quantile(q, bounds), 0, 0
		low, high := 0.0, math.Inf(1)
		for _, b := range bounds {
			if b < got {
				low = b
			} else if b < high {
				high = b
			}
		}
		for _, v := range values {
			if v <= low && low > 0 {
				below++
			}
			if v <= high {
				upTo++
			}
		}
		if rank := q * 100; float64(below) > rank || float64(upTo) < rank && got < bounds[len(bounds)-1] {
			t.Errorf("quantile %v is %v, with %d below and %d up to its bucket", q, got, below, upTo)
		}
	}
}
