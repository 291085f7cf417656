package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/internal/wast"
	"github.com/spindle-wasm/spindle/wasi"
)

// imports supplies what the module imports of what the command has. done gives back what no Process came to own.
func (a *app) imports(f *runFlags, rt *spindle.Runtime, mod *spindle.Module, args []string) (imports spindle.Imports, done func(), err error) {
	cfg, err := a.wasiConfig(f, args) // also if it is not needed: wrong flags are errors
	if err != nil {
		return nil, nil, err
	}
	imports, done = spindle.Imports{}, func() {}
	for im := range mod.Imports() {
		if imports[im.Module] != nil {
			continue
		}
		switch im.Module {
		case "spectest":
			imports[im.Module] = wast.NewSpectest(a.out)
		case wasi.ModuleName:
			if cfg.Listeners, err = listen(f.listen); err != nil {
				return nil, nil, err
			}
			sys, err := wasi.New(cfg)
			if err != nil {
				closeAll(cfg.Listeners)
				return nil, nil, err
			}
			imports[im.Module], done = sys, func() { sys.Close() }
		case wasi.ThreadModule:
			imports[im.Module] = wasi.Threads()
		case wasi.ForkModule:
			imports[im.Module] = wasi.Forks(nil)
		}
	}
	for im := range mod.Imports() {
		if im.Module == wasi.WasixModule && imports[im.Module] == nil {
			sys, _ := imports[wasi.ModuleName].(*wasi.System)
			imports[im.Module] = wasi.Wasix(sys)
		}
	}
	release, err := wasi.SharedMemories(rt, mod, imports)
	if err != nil {
		done()
		return nil, nil, err
	}
	closeSystem := done
	return imports, func() { release(); closeSystem() }, nil
}

// wasiConfig says what the guest gets to see, but for sockets.
func (a *app) wasiConfig(f *runFlags, args []string) (wasi.Config, error) {
	cfg := wasi.Config{Args: args, Stdin: a.stdin, Stdout: a.stdout, Stderr: a.stderr}
	for _, s := range f.env {
		kv, ok, err := parseEnv(s)
		if err != nil {
			return cfg, err
		}
		if ok {
			cfg.Env = append(cfg.Env, kv)
		}
	}
	for _, s := range f.dirs {
		m, err := parseMount(s)
		if err != nil {
			return cfg, err
		}
		info, err := os.Stat(m.Host)
		var path *fs.PathError
		switch {
		case errors.As(err, &path):
			return cfg, fmt.Errorf("--dir %s: %w", s, path.Err)
		case err == nil && !info.IsDir():
			return cfg, fmt.Errorf("--dir %s: %w", s, syscall.ENOTDIR)
		}
		cfg.Mounts = append(cfg.Mounts, m)
	}
	return cfg, nil
}

// listen opens the sockets of --tcplisten.
func listen(addrs []string) (ls []net.Listener, err error) {
	for _, addr := range addrs {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			closeAll(ls)
			var op *net.OpError
			if errors.As(err, &op) {
				err = op.Err
			}
			return nil, fmt.Errorf("--tcplisten %s: %w", addr, err)
		}
		ls = append(ls, l)
	}
	return ls, nil
}

func closeAll(ls []net.Listener) {
	for _, l := range ls {
		l.Close()
	}
}

// parseMount reads HOST[::GUEST][:ro].
func parseMount(s string) (wasi.Mount, error) {
	rest, ro := strings.CutSuffix(s, ":ro")
	host, guest, ok := strings.Cut(rest, "::")
	if !ok {
		guest = host
	}
	if host == "" || guest == "" {
		return wasi.Mount{}, usagef("--dir %q: want HOST[::GUEST][:ro]", s)
	}
	return wasi.Mount{Host: host, Guest: guest, ReadOnly: ro}, nil
}

// parseEnv reads NAME=VALUE, or NAME for the command's own variable; ok is false if that is not set.
func parseEnv(s string) (kv string, ok bool, err error) {
	name, _, hasValue := strings.Cut(s, "=")
	switch {
	case name == "":
		return "", false, usagef("--env %q: want NAME=VALUE or NAME", s)
	case hasValue:
		return s, true, nil
	}
	v, ok := os.LookupEnv(name)
	return name + "=" + v, ok, nil
}
