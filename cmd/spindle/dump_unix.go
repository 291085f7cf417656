//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
)

// onQuit dumps at each SIGQUIT, until stop is called.
func (d *dumper) onQuit() (stop func()) {
	ch := make(chan os.Signal, 1)
	signal.Notify(ch, syscall.SIGQUIT)
	go func() {
		for range ch {
			d.dump()
		}
	}()
	return func() {
		signal.Stop(ch)
		close(ch)
	}
}
