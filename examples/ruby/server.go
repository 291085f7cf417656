package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
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

// listen answers requests until ctx is done.
func listen(ctx context.Context, rt *spindle.Runtime, mod *spindle.Module, addr string, app *Application) (err error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	s, err := serve.New(ctx, rt, mod, config(app, log))
	if err != nil {
		return errors.Join(err, l.Close())
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	fmt.Fprintf(os.Stderr, "http://%s\n", l.Addr())
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
