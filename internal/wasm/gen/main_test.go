package main

import (
	"bytes"
	"os"
	"testing"
)

// TestUpToDate: the generated file is what the table makes.
func TestUpToDate(t *testing.T) {
	in, err := os.ReadFile("../instructions.txt")
	if err != nil {
		t.Fatal(err)
	}
	got, err := generate(in)
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("../opcode_generated.go")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("opcode_generated.go is not what instructions.txt makes: run go generate ./internal/wasm")
	}
}

func TestBadLines(t *testing.T) {
	for in, want := range map[string]string{
		"prefix none\n0 nop none :\n":     "2: want 5 columns",
		"\nprefix xx\n":                   "2: unknown prefix xx",
		"xyz nop none : mvp\n":            `1: strconv.ParseUint: parsing "xyz": invalid syntax`,
		"# remark\nprefix\n0 nop : mvp\n": "2: want 5 columns",
	} {
		if _, err := generate([]byte(in)); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", in, err, want)
		}
	}
}
