package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/serve"
	"github.com/spindle-wasm/spindle/wasi"
)

// grace is how long requests have when the server is told to end.
const grace = 10 * time.Second

// config is the server's for an application.
func config(app *Application, log *slog.Logger) serve.Config {
	return serve.Config{
		Guest: app, Protocol: serve.SCGI, Log: log,
		WASI: wasi.Config{Stdout: os.Stderr, Stderr: os.Stderr},
	}
}

// answer answers what comes in on l until ctx is done, and serves the status page on admin, which may be nil. It closes both.
func answer(ctx context.Context, rt *spindle.Runtime, mod *spindle.Module, l, admin net.Listener, cfg serve.Config) (err error) {
	defer l.Close()
	s, err := serve.New(ctx, rt, mod, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if admin != nil {
		page := http.Server{Handler: s.Admin(), ReadHeaderTimeout: grace}
		defer page.Close()
		go page.Serve(admin) //nolint:errcheck // it is closed
	}
	cfg.Log.Info("ready", "url", "http://"+l.Addr().String())
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	end, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	return errors.Join(s.Shutdown(end), <-served)
}
