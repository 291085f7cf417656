package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// oracle asks app.rb for this and that, and knows the answers.
type oracle struct {
	web   *httptest.Server
	asked int // what $asked is in each child

	mu   sync.Mutex
	seen map[string]bool // guarded by mu; what must not come twice
}

func newOracle(web *httptest.Server, asked int) *oracle {
	return &oracle{web: web, asked: asked, seen: map[string]bool{}}
}

// questions are what can be asked.
var questions = []struct {
	name string
	ask  func(*oracle, context.Context, *rand.Rand) error
}{
	{"page", (*oracle).page}, {"page", (*oracle).page}, {"page", (*oracle).page},
	{"digest", (*oracle).digest}, {"digest", (*oracle).digest},
	{"random", (*oracle).random}, {"count", (*oracle).count},
	{"raise", (*oracle).raise}, {"cut", (*oracle).cut}, {"missing", (*oracle).missing},
}

// do returns the answer. Where the body is cut off, err is set besides.
func (o *oracle) do(ctx context.Context, method, path string, body []byte) (status int, got string, err error) {
	req, err := http.NewRequestWithContext(ctx, method, o.web.URL+path, bytes.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	resp, err := o.web.Client().Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

// want asks for what has one right answer.
func (o *oracle) want(ctx context.Context, path string, status int, body string) error {
	got, text, err := o.do(ctx, http.MethodGet, path, nil)
	if err == nil && (got != status || text != body) {
		err = fmt.Errorf("%s: status %d and %.200q, want %d and %.200q", path, got, text, status, body)
	}
	return err
}

func (o *oracle) page(ctx context.Context, r *rand.Rand) error {
	from := r.IntN(9000)
	title := fmt.Sprintf("<%d> & \"%c\" 'ü'", r.Uint32(), rune('a'+r.IntN(26)))
	escaped := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#39;").Replace(title) // as ERB::Util does
	b := fmt.Appendf(nil, "<!DOCTYPE html>\n<title>%s</title>\n<table>\n", escaped)
	for n := from; n < from+10; n++ {
		b = fmt.Appendf(b, "<tr><td>%d<td>%d\n", n, n*n)
	}
	return o.want(ctx, fmt.Sprintf("/?from=%d&title=%s", from, url.QueryEscape(title)), 200, string(b)+"</table>\n")
}

func (o *oracle) digest(ctx context.Context, r *rand.Rand) error {
	body := make([]byte, r.IntN(1<<(4+r.IntN(13))))
	for k := range body {
		body[k] = byte(r.Uint32())
	}
	begin := time.Now()
	status, text, err := o.do(ctx, http.MethodPost, "/digest", body)
	if err != nil {
		return err
	}
	var got struct {
		Asked, Bytes int
		SHA256       string
		At           time.Time
	}
	if err := json.Unmarshal([]byte(text), &got); err != nil || status != 200 {
		return fmt.Errorf("/digest: status %d, %v: %q", status, err, text)
	}
	sum := sha256.Sum256(body)
	if got.Asked != o.asked || got.Bytes != len(body) || got.SHA256 != hex.EncodeToString(sum[:]) {
		return fmt.Errorf("/digest of %d bytes, %x: %+v", len(body), sum, got)
	}
	if got.At.Before(begin.Truncate(time.Millisecond)) || got.At.After(time.Now()) {
		return fmt.Errorf("/digest: asked at %v, it was %v", begin, got.At)
	}
	return nil
}

func (o *oracle) random(ctx context.Context, _ *rand.Rand) error {
	status, text, err := o.do(ctx, http.MethodGet, "/random", nil)
	if err != nil {
		return err
	}
	var got struct {
		Asked        int
		Sample       []int
		Rand, Random json.Number
		Seed         string
		Secure, UUID string
	}
	if err := json.Unmarshal([]byte(text), &got); err != nil || status != 200 || got.Asked != o.asked || len(got.Sample) != 3 {
		return fmt.Errorf("/random: status %d, %v: %q", status, err, text)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, v := range []string{"rand " + got.Rand.String(), "random " + got.Random.String(), "seed " + got.Seed, "secure " + got.Secure, "uuid " + got.UUID} {
		if o.seen[v] {
			return fmt.Errorf("/random: a second child has %s", v)
		}
		o.seen[v] = true
	}
	return nil
}

func (o *oracle) count(ctx context.Context, r *rand.Rand) error {
	to := r.IntN(40)
	var b []byte
	for n := range to {
		b = fmt.Appendf(b, "%d\n", n)
	}
	return o.want(ctx, fmt.Sprintf("/count?to=%d", to), 200, string(b))
}

func (o *oracle) raise(ctx context.Context, _ *rand.Rand) error {
	return o.want(ctx, "/raise", 500, "Internal Server Error\n")
}

func (o *oracle) missing(ctx context.Context, r *rand.Rand) error {
	path := fmt.Sprintf("/x%d", r.IntN(1000))
	return o.want(ctx, path, 404, "There is no "+path+".\n")
}

func (o *oracle) cut(ctx context.Context, _ *rand.Rand) error {
	status, text, err := o.do(ctx, http.MethodGet, "/cut", nil)
	if status != 200 || text != "a part" || err == nil {
		return fmt.Errorf("/cut: status %d, %q, %v; want a part and an error", status, text, err)
	}
	return nil
}

// vanish is a client that goes away before it has its answer.
func (o *oracle) vanish(ctx context.Context, r *rand.Rand) error {
	conn, err := dialer.DialContext(ctx, "tcp", o.web.Listener.Addr().String())
	if err != nil {
		return err
	}
	defer conn.Close()
	if r.IntN(2) == 0 {
		resetOnClose(conn)
	}
	const head = " HTTP/1.1\r\nHost: a\r\n"
	switch r.IntN(5) {
	case 0: // in the head
		_, err = io.WriteString(conn, "GET /"+head)
	case 1: // in the body
		_, err = io.WriteString(conn, "POST /digest"+head+"Content-Length: 100000\r\n\r\n"+strings.Repeat("x", r.IntN(90_000)))
	case 2: // before the answer
		_, err = io.WriteString(conn, "GET /"+head+"\r\n")
	case 3: // at its beginning
		if _, err = io.WriteString(conn, "GET /"+head+"\r\n"); err == nil {
			_, err = conn.Read(make([]byte, 1))
		}
	default: // somewhere in a long one
		if _, err = io.WriteString(conn, "GET /count?to=1000000"+head+"\r\n"); err == nil {
			_, err = bufio.NewReader(conn).Discard(1 + r.IntN(5000))
		}
	}
	return err
}

// Each question, with and without libraries and rehearsals.
func TestAnswers(t *testing.T) {
	rt, mod := ruby(t)
	_, web, _ := start(t, rt, mod, &Application{File: "app.rb", Libraries: []string{"json", "erb", "set"}, Rehearse: []string{"/?from=3", "/random"}}, time.Minute)
	o := newOracle(web, 3)
	r := rand.New(rand.NewPCG(1, 2))
	for range 5 {
		for _, q := range questions {
			if err := q.ask(o, t.Context(), r); err != nil {
				t.Error(err)
			}
		}
	}
}
