package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/serve"
)

// serveFlags are the flags of serve.
type serveFlags struct {
	features    featureFlags
	guest       runFlags // those of run that serve has too
	http        string
	at          string
	protocol    string
	metrics     string
	concurrency int
	queue       int
	reforkAfter int
	reforkWarm  int
	timeout     time.Duration
	grace       time.Duration
	maxRequest  sizeFlag
	quiet       bool
}

func newServe(a *app) *cobra.Command {
	var f serveFlags
	cmd := &cobra.Command{
		Use:                   "serve [flags] MODULE [argument...]",
		DisableFlagsInUseLine: true,
		Short:                 "Answer HTTP requests, each in a fork of a warm program",
		Long: `Start a WASI program (.wasm, or .wat text) once, wait until it is warm, freeze it, and answer
each HTTP request in a fork of it, which shares the program's pages until it writes to them.

--at says when the program is warm: when it waits for its standard input (stdin), when it
accepts on its listening socket (accept), when it calls spindle.snapshot (fork-point), or
when _initialize or _start has returned (export:NAME; children then call that export).

A child reads its request from standard input, as an HTTP/1.1 message (or, by --protocol,
SCGI), and prints the answer: an HTTP/1.1 message, or headers as CGI has them. Answers of the server's own: 502 the guest
trapped, or printed something else; 503 too many requests; 504 --timeout; 408 the same, while
the guest waited for the client; 413 --max-request.

With --at accept the program is a server as it is: its socket is the first descriptor after
its directories, and each connection has a child that returns from its accept. --timeout then
bounds the time in which nothing moves.

--refork-after has the server fork anew from a child that has served requests, and come to its
point again: what it has made by then (caches, code that was loaded late) is in all children
after that. So do SIGHUP, and POST /refork at the --metrics address.

SIGTERM and Ctrl-C let requests end, for at most --grace; a second one does not.`,
		Example: `  spindle serve --http :8080 app.wasm
  spindle serve --http :8080 --at export:handle --metrics 127.0.0.1:9090 app.wasm
  spindle serve --http :8080 --at accept server.wasm
  spindle serve --http :8080 --dir /srv/data::/data:ro --max-memory 256MiB app.wasm`,
		RunE: func(cmd *cobra.Command, args []string) error {
			features, err := f.features.set(cmd.Flags())
			if err != nil {
				return err
			}
			return a.serve(cmd.Context(), &f, features, args[0], args[1:])
		},
	}
	fileArgs(cmd, fileAndArgs, "wasm", "wat")
	flags := cmd.Flags()
	flags.SetInterspersed(false) // what follows the module is the guest's
	flags.StringVar(&f.http, "http", "127.0.0.1:8080", "listen for HTTP on `ADDRESS`")
	flags.StringVar(&f.at, "at", string(serve.PointStdin), "freeze the program at this `POINT`: stdin, accept, fork-point, export:NAME")
	flags.StringVar(&f.protocol, "protocol", string(serve.HTTP), "give children requests in this `PROTOCOL`: http, scgi")
	flags.StringVar(&f.metrics, "metrics", "", "serve a status page, and /metrics for Prometheus, on this `ADDRESS`")
	flags.IntVar(&f.reforkAfter, "refork-after", 0, "after `N` requests fork anew, from a child that has served (0: only when told to)")
	flags.IntVar(&f.reforkWarm, "refork-warm", 1, "of children that have served `N` requests, one after the other")
	flags.IntVar(&f.concurrency, "concurrency", 0, "at most `N` children at a time (0: 16 for each processor)")
	flags.IntVar(&f.queue, "queue", 0, "at most `N` requests that wait for a child (0: 4 times as many as children)")
	flags.DurationVar(&f.timeout, "timeout", 30*time.Second, "longest `TIME` of a request")
	flags.DurationVar(&f.grace, "grace", 30*time.Second, "longest `TIME` that requests have at the end")
	flags.Var(&f.maxRequest, "max-request", "largest `SIZE` of a request's body (32MiB if not given)")
	flags.BoolVar(&f.quiet, "quiet", false, "log only what goes wrong")
	flags.StringArrayVar(&f.guest.dirs, "dir", nil, "give the guest a directory: `HOST[::GUEST][:ro]`, under the name GUEST, read-only")
	flags.StringArrayVar(&f.guest.env, "env", nil, "give the guest an environment variable: `NAME=VALUE`, or NAME for the command's own")
	flags.Var(&f.guest.maxMemory, "max-memory", "largest `SIZE` of all linear memories of a child together, such as 64MiB")
	flags.Var(&f.guest.maxStack, "max-stack", "`SIZE` of the guest's stack (8MiB if not given)")
	f.features.add(cmd)
	_ = cmd.MarkFlagDirname("dir")
	_ = cmd.RegisterFlagCompletionFunc("env", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return os.Environ(), cobra.ShellCompDirectiveNoFileComp
	})
	_ = cmd.RegisterFlagCompletionFunc("at", cobra.FixedCompletions(
		[]string{string(serve.PointStdin), string(serve.PointAccept), string(serve.PointFork), "export:"}, cobra.ShellCompDirectiveNoFileComp|cobra.ShellCompDirectiveNoSpace))
	_ = cmd.RegisterFlagCompletionFunc("protocol", cobra.FixedCompletions([]string{string(serve.HTTP), string(serve.SCGI)}, cobra.ShellCompDirectiveNoFileComp))
	for _, name := range []string{"http", "metrics", "refork-after", "refork-warm", "concurrency", "queue", "timeout", "grace", "max-request", "max-memory", "max-stack"} {
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.NoFileCompletions)
	}
	return cmd
}

func (f *serveFlags) check() error {
	switch {
	case f.concurrency < 0:
		return usagef("--concurrency %d is negative", f.concurrency)
	case f.queue < 0:
		return usagef("--queue %d is negative", f.queue)
	case f.reforkAfter < 0:
		return usagef("--refork-after %d is negative", f.reforkAfter)
	case f.reforkWarm < 1:
		return usagef("--refork-warm %d is less than 1", f.reforkWarm)
	case f.timeout <= 0:
		return usagef("--timeout %v is not more than 0", f.timeout)
	case f.grace < 0:
		return usagef("--grace %v is negative", f.grace)
	case f.guest.maxStack > math.MaxInt:
		return usagef("--max-stack %v is more than this system can address", &f.guest.maxStack)
	}
	if p := serve.Protocol(f.protocol); p != serve.HTTP && p != serve.SCGI {
		return usagef("--protocol: there is no protocol %q, but %s and %s", f.protocol, serve.HTTP, serve.SCGI)
	}
	if _, err := serve.ParsePoint(f.at); err != nil {
		return usagef("--at: %v", err)
	}
	return nil
}

func (a *app) serve(ctx context.Context, f *serveFlags, features spindle.Features, name string, args []string) error {
	if err := f.check(); err != nil {
		return err
	}
	ctx, stop := terminable(ctx)
	defer stop()
	rt := spindle.NewRuntime(f.guest.runtimeOptions(features)...)
	defer rt.Close()
	mod, file, err := a.compile(ctx, rt, name)
	if err != nil {
		return err
	}
	wc, err := a.wasiConfig(&f.guest, append([]string{filepath.Base(file.name)}, args...))
	if err != nil {
		return err
	}
	wc.Stdin, wc.Stdout = nil, a.stderr
	level := slog.LevelInfo
	if f.quiet {
		level = slog.LevelWarn
	}
	// Listening first: what is wrong with an address is told before a long warm-up, and clients wait meanwhile.
	l, err := listenOn("--http", f.http)
	if err != nil {
		return err
	}
	defer l.Close()
	var metrics net.Listener
	if f.metrics != "" {
		if metrics, err = listenOn("--metrics", f.metrics); err != nil {
			return err
		}
		defer metrics.Close()
	}
	log := slog.New(slog.NewTextHandler(a.stderr, &slog.HandlerOptions{Level: level}))
	s, err := serve.New(ctx, rt, mod, serve.Config{
		At: serve.Point(f.at), Protocol: serve.Protocol(f.protocol), WASI: wc, Concurrency: f.concurrency, Queue: f.queue, Timeout: f.timeout, MaxRequest: int64(f.maxRequest),
		ReforkAfter: f.reforkAfter, ReforkWarm: f.reforkWarm, Log: log,
	})
	if err != nil {
		return file.wrapGuest(err)
	}
	if metrics != nil {
		web := &http.Server{Handler: s.Admin(), ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 64 << 10}
		go func() { _ = web.Serve(metrics) }() // until it is closed
		defer web.Close()
	}
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP) // where there is none (Windows) nothing comes
	defer signal.Stop(hup)
	go serve.ReforkOn(ctx, s, hup)
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	where := []any{"http", l.Addr().String()}
	if metrics != nil {
		where = append(where, "metrics", metrics.Addr().String())
	}
	log.Info("listening", where...)
	select {
	case err = <-served:
	case <-ctx.Done():
		stop() // a second signal ends the command
		log.Info("stopping")
		grace, cancel := context.WithTimeout(context.Background(), f.grace)
		defer cancel()
		if late := s.Shutdown(grace); late != nil {
			log.Warn("requests were cut off", "grace", f.grace)
		}
		err = <-served
	}
	return errors.Join(err, s.Close())
}

// terminable returns a context that SIGTERM and Ctrl-C end, until stop.
func terminable(parent context.Context) (ctx context.Context, stop func()) {
	if parent == nil {
		parent = context.Background()
	}
	ctx, cancel := context.WithCancelCause(parent)
	ch := make(chan os.Signal, 1)
	signal.Notify(ch, os.Interrupt, syscall.SIGTERM)
	go func() {
		select {
		case <-ch:
			cancel(errInterrupted)
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		signal.Stop(ch)
		cancel(context.Canceled)
	}
}

func listenOn(flag, addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", flag, addr, err)
	}
	return l, nil
}
