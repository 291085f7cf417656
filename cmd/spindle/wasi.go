package main

import (
	"os"
	"strings"
)

// wasiNames is how messages call what the command supplies.
const wasiNames = "wasi_snapshot_preview1"

// mount is a --dir.
type mount struct {
	host, guest string
	readOnly    bool
}

// parseMount reads HOST[::GUEST][:ro].
func parseMount(s string) (mount, error) {
	rest, ro := strings.CutSuffix(s, ":ro")
	host, guest, ok := strings.Cut(rest, "::")
	if !ok {
		guest = host
	}
	if host == "" || guest == "" {
		return mount{}, usagef("--dir %q: want HOST[::GUEST][:ro]", s)
	}
	return mount{host, guest, ro}, nil
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
