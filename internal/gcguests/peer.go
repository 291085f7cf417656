package gcguests

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// V8Script is a program for node, version 24 or newer, that takes calls as Peer gives them.
//
//go:embed v8.mjs
var V8Script []byte

// A PeerCall is one call of an export.
type PeerCall struct {
	Func   string  `json:"func"`
	Args   []int32 `json:"args,omitempty"`
	Repeat int     `json:"repeat,omitempty"` // 0 is 1
}

// A PeerResult is what came of it, the last time if it was repeated.
type PeerResult struct {
	Result  string  `json:"result"` // decimal
	Trap    string  `json:"trap"`   // the engine's message
	Thrown  bool    `json:"thrown"` // an exception of the guest's
	Printed string  `json:"printed"`
	NS      []int64 `json:"ns"`     // of each repetition
	CPU     []int64 `json:"cpu"`    // the same in processor time, collectors and compilers included; nothing where the system does not tell
	Loaded  int64   `json:"loaded"` // nanoseconds to compile and instantiate
	Pauses  []int64 `json:"pauses"` // nanoseconds, of collections, if the engine tells
	Peak    int64   `json:"peak"`   // the process's largest resident size in KiB; 0 where the system does not tell
}

// PeakResident is the largest resident size in KiB that this process has had, 0 if the system does not tell. That of a finished child
// will not do: it starts with its parent's.
func PeakResident() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if text, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			var kib int64
			if _, err := fmt.Sscan(text, &kib); err == nil {
				return kib
			}
		}
	}
	return 0
}

// A PeerRun is a process in which calls were made.
type PeerRun struct {
	Results []PeerResult
	State   *os.ProcessState
}

// Peer runs a command that makes calls on an engine: it gets them as JSON on its standard input, and prints a list of PeerResults.
func Peer(ctx context.Context, line []string, calls []PeerCall) (run PeerRun, err error) {
	input, err := json.Marshal(calls)
	if err != nil {
		return run, err
	}
	cmd := exec.CommandContext(ctx, line[0], line[1:]...)
	cmd.Stdin = bytes.NewReader(input)
	cmd.WaitDelay = 5 * time.Second
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return run, fmt.Errorf("%s: %w: %s", line[0], err, stderr.Bytes())
	}
	if err := json.Unmarshal(out, &run.Results); err != nil {
		return run, fmt.Errorf("%s: %w", line[0], err)
	}
	if len(run.Results) != len(calls) {
		return run, fmt.Errorf("%s: %d results of %d calls", line[0], len(run.Results), len(calls))
	}
	run.State = cmd.ProcessState
	return run, nil
}
