package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"testing"
	"time"
)

// Of the pages of 16 requests at least 80 of 100 are the image's.
func TestShare(t *testing.T) {
	rt, mod := ruby(t)
	guests, all, use, err := share(t.Context(), rt, mod, &Application{File: "app.rb", Libraries: []string{"json", "erb"}})
	if errors.Is(err, errNoPages) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("memories of %d children: %v; more in the program: %v", concurrent, guests, all)
	image := guests.resident - guests.private
	if image < concurrent*1024 || guests.private < concurrent*64 {
		t.Errorf("that cannot be: memories of %d children: %v", concurrent, guests)
	}
	if priv := int(use.Private >> 10); priv < guests.private || use.Shared < uint64(image)<<10 {
		t.Errorf("children tell of %d KiB shared and %d private, less than are resident of their memories: %v", use.Shared>>10, priv, guests)
	}
	if 100*image < 80*guests.resident {
		t.Errorf("%d children share too little: %v; more in the program: %v", concurrent, guests, all)
	}
}

// The table has all its lines.
func TestBench(t *testing.T) {
	rt, mod := ruby(t)
	out := &log{}
	err := bench(t.Context(), rt, mod, &Application{File: "app.rb", Rehearse: []string{"/"}}, 3, out)
	if errors.Is(err, errNoPages) {
		err = nil
	} else if !regexp.MustCompile(`(?s)started for it +[\d.]+m?s.*in a fork +[\d.]+m?s.*image's, of all these pages +[\d.]+ %`).MatchString(out.String()) {
		t.Errorf("it prints\n%s", out)
	}
	if err != nil {
		t.Error(err)
	}
}

// The server answers until it is told to end, and a request that it has by then has its answer.
func TestServerEnds(t *testing.T) {
	rt, mod := ruby(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	cfg := config(&Application{File: "testdata/streams.rb"}, slog.New(slog.DiscardHandler))
	cfg.Timeout = time.Minute
	go func() { ended <- answer(ctx, rt, mod, l, nil, cfg) }()
	r, w := io.Pipe()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+l.Addr().String()+"/lines", r)
	if err != nil {
		t.Fatal(err)
	}
	const line = "0123456789\n"
	req.ContentLength = int64(2 * len(line))
	go io.WriteString(w, line) //nolint:errcheck // then there is no answer
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	stop()
	for { // until it does not listen any more
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			break
		}
		c.Close()
	}
	if _, err := io.WriteString(w, line); err != nil {
		t.Error(err)
	}
	if b, err := io.ReadAll(resp.Body); err != nil || string(b) != "9876543210\n9876543210\n" {
		t.Errorf("%v, %q", err, b)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
