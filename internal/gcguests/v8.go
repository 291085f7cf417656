package gcguests

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os/exec"
)

// V8Script is a program for node, version 24 or newer, that calls a module's functions; its first lines say how.
//
//go:embed v8.mjs
var V8Script []byte

// A V8Call is one call for V8Script.
type V8Call struct {
	Func   string  `json:"func"`
	Args   []int32 `json:"args,omitempty"`
	Repeat int     `json:"repeat,omitempty"` // 0 is 1
}

// A V8Result is what came of it.
type V8Result struct {
	Result  string  `json:"result"` // decimal
	Trap    string  `json:"trap"`   // V8's message
	Thrown  bool    `json:"thrown"` // an exception of the guest's
	Printed string  `json:"printed"`
	NS      []int64 `json:"ns"`
	Loaded  int64   `json:"loaded"` // nanoseconds to compile and instantiate
}

// V8 runs calls one after the other in one instance. script is a file with V8Script in it; flags are node's.
func V8(ctx context.Context, node, script, module string, calls []V8Call, flags ...string) ([]V8Result, *exec.Cmd, error) {
	input, err := json.Marshal(calls)
	if err != nil {
		return nil, nil, err
	}
	cmd := exec.CommandContext(ctx, node, append(flags, script, module)...)
	cmd.Stdin = bytes.NewReader(input)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, cmd, fmt.Errorf("node: %w: %s", err, stderr.Bytes())
	}
	var results []V8Result
	if err := json.Unmarshal(out, &results); err != nil {
		return nil, cmd, fmt.Errorf("node: %w", err)
	}
	if len(results) != len(calls) {
		return nil, cmd, fmt.Errorf("node: %d results of %d calls", len(results), len(calls))
	}
	return results, cmd, nil
}
