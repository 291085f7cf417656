package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/spindle-wasm/spindle/internal/gcguests"
)

// TestGCGuest: our side of the table makes calls as the others do, and the formula for trees is right.
func TestGCGuest(t *testing.T) {
	rows, err := gcRows()
	if err != nil {
		t.Fatal(err)
	}
	if rows[0].call.Func != "trees" {
		t.Fatalf("the first row is %+v", rows[0].call)
	}
	file := filepath.Join(t.TempDir(), "trees.wasm")
	if err := os.WriteFile(file, rows[0].module, 0o644); err != nil {
		t.Fatal(err)
	}
	var calls []gcguests.PeerCall
	for depth := range int32(9) {
		calls = append(calls, gcguests.PeerCall{Func: "trees", Args: []int32{depth}, Repeat: 2})
	}
	input, err := json.Marshal(calls)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := gcGuest(t.Context(), gcOptions{plan: "semispace", heap: 16}, file, bytes.NewReader(input), &out); err != nil {
		t.Fatal(err)
	}
	var results []gcguests.PeerResult
	if err := json.Unmarshal(out.Bytes(), &results); err != nil {
		t.Fatal(err)
	}
	for depth, r := range results {
		if want := strconv.FormatInt(treeNodes(depth), 10); r.Result != want || len(r.NS) != 2 || r.Loaded <= 0 {
			t.Errorf("depth %d: %+v, want %s", depth, r, want)
		}
	}
}
