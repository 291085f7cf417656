package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/serve"
	"github.com/spindle-wasm/spindle/wasi"
)

// starts is how often an interpreter is started for the comparison: it takes long.
const starts = 5

// bench prints what a request costs in a fork, and in an interpreter that is started for it.
func bench(ctx context.Context, rt *spindle.Runtime, mod *spindle.Module, app *Application, n int, to io.Writer) (err error) {
	out := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	defer func() { err = errors.Join(err, out.Flush()) }()
	fmt.Fprintln(out, "a request to /, without network\tmin\tmedian")
	started, err := measure(min(n, starts), func() error { return startAndAnswer(ctx, rt, mod, app) })
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "interpreter, libraries and file started for it\t%v\t%v\n", started.min(), started.median())
	s, err := serve.New(ctx, rt, mod, config(app, slog.New(slog.DiscardHandler)))
	if err != nil {
		return err
	}
	defer s.Close()
	forked, err := measure(n, func() error {
		rec := httptest.NewRecorder()
		s.ServeHTTP(rec, httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil))
		if rec.Code != http.StatusOK {
			return fmt.Errorf("status %d", rec.Code)
		}
		return nil
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "in a fork\t%v\t%v\n", forked.min(), forked.median())
	fmt.Fprintf(out, "started / forked\t%.0f\t%.0f\n", float64(started.min())/float64(forked.min()), float64(started.median())/float64(forked.median()))
	guests, all, use, err := share(ctx, rt, mod, app)
	if err == nil {
		printShare(out, guests, all, use)
	}
	return err
}

// times are durations in order.
type times []time.Duration

func (t times) min() time.Duration    { return t[0].Round(time.Microsecond) }
func (t times) median() time.Duration { return t[len(t)/2].Round(time.Microsecond) }

func measure(n int, f func() error) (times, error) {
	var t times
	for range n {
		begin := time.Now()
		if err := f(); err != nil {
			return nil, err
		}
		t = append(t, time.Since(begin))
	}
	slices.Sort(t)
	return t, nil
}

// startAndAnswer is what a request costs without forks: CGI, so to speak. The module is compiled already.
func startAndAnswer(ctx context.Context, rt *spindle.Runtime, mod *spindle.Module, app *Application) error {
	head := strings.ReplaceAll("CONTENT_LENGTH 0 SCGI 1 REQUEST_METHOD GET PATH_INFO / QUERY_STRING  SCRIPT_NAME  SERVER_NAME a SERVER_PORT 80 ", " ", "\x00")
	var out bytes.Buffer
	own := &Application{File: app.File, Libraries: app.Libraries}
	p, err := own.Start(ctx, rt, mod, wasi.Config{
		Stdin: strings.NewReader(fmt.Sprintf("%d:%s,", len(head), head)), Stdout: &out, Stderr: os.Stderr,
	}, spindle.Config{Name: "app"})
	if err != nil {
		return err
	}
	err = errors.Join(own.Answer(ctx, p), p.Close())
	if err == nil && !strings.HasPrefix(out.String(), "Status: 200") {
		err = fmt.Errorf("the answer is %q", out.String())
	}
	return err
}

// holder is an Application whose children stay when they have answered, until release is closed.
type holder struct {
	*Application
	answered chan held
	release  chan struct{}
}

// held is a child of a holder.
type held struct {
	use spindle.MemoryUse
	err error
}

func (h *holder) Answer(ctx context.Context, child *spindle.Process) error {
	err := h.Application.Answer(ctx, child)
	use, e := child.MemoryUse()
	h.answered <- held{use, errors.Join(err, e)}
	<-h.release
	return err
}

// concurrent is how many requests share is about.
const concurrent = 16

// share counts pages when each of several children has answered a request and is still there: then it has written all the pages that it writes. all is what the
// program has more of than before.
func share(ctx context.Context, rt *spindle.Runtime, mod *spindle.Module, app *Application) (guests, all pages, use spindle.MemoryUse, err error) {
	h := &holder{app, make(chan held, concurrent), make(chan struct{})}
	cfg := config(app, slog.New(slog.DiscardHandler))
	cfg.Guest, cfg.Concurrency = h, concurrent
	s, err := serve.New(ctx, rt, mod, cfg)
	if err != nil {
		return guests, all, use, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	var wg sync.WaitGroup
	defer wg.Wait()
	defer close(h.release)
	debug.FreeOSMemory() // or pages that Go's heap has kept from the start of interpreters would be taken for new ones
	_, before, err := guestPages()
	if err != nil {
		return guests, all, use, err
	}
	for range concurrent {
		wg.Go(func() {
			s.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil))
		})
	}
	for range concurrent {
		c := <-h.answered
		err = errors.Join(err, c.err)
		use.Shared += c.use.Shared
		use.Private += c.use.Private
	}
	if err != nil {
		return guests, all, use, err
	}
	guests, all, err = guestPages()
	return guests, all.minus(before), use, err
}

// printShare prints what share has counted.
func printShare(out io.Writer, guests, all pages, use spindle.MemoryUse) {
	image := guests.resident - guests.private
	fmt.Fprintf(out, "\n%d requests at the same time\teach\n", concurrent)
	fmt.Fprintf(out, "resident pages of their memories\t%d KiB\n", guests.resident/concurrent)
	fmt.Fprintf(out, "private of these\t%d KiB\n", guests.private/concurrent)
	fmt.Fprintf(out, "the image's, of all these pages\t%.1f %%\n", 100*float64(image)/float64(guests.resident))
	fmt.Fprintf(out, "the same, with all that is private\t%.1f %%\n", 100*float64(image)/float64(image+all.private))
	fmt.Fprintf(out, "the same, with the image's pages that were not touched\t%.1f %%\n", 100*float64(use.Shared)/float64(use.Shared+use.Private))
	fmt.Fprintf(out, "the image\t%d KiB\n", (use.Shared+use.Private)/concurrent>>10)
	fmt.Fprintf(out, "private, with stacks and what Go needs\t%d KiB\n", all.private/concurrent)
}
