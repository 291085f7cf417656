//go:build !linux

package main

import (
	"context"
	"errors"
)

func serveStandby() {}

// processes is for Linux, where guests can be forked into processes.
func (b *forkBench) processes(context.Context) ([]*Row, error) {
	return []*Row{{Name: "fork into a process", Samples: samples(3), Note: errors.ErrUnsupported.Error()}}, nil
}
