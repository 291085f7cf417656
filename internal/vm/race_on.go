//go:build race

package vm

// raceEnabled: see Thread.dumpEdge.
const raceEnabled = true
