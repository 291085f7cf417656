package main

import (
	"fmt"
	"time"

	"golang.org/x/term"
)

// progressDelay is how long work may take before it shows itself.
const progressDelay = time.Second

// progress shows on a terminal what is going on, once it has taken a second: a line on stderr that is renewed until the
// returned function is called, and then wiped out. label is called from another goroutine.
func (a *app) progress(label func() string) (done func()) {
	fd := int(a.stderr.Fd())
	if !term.IsTerminal(fd) {
		return func() {}
	}
	start := time.Now()
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		select {
		case <-stop:
			return
		case <-time.After(progressDelay):
		}
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for spin := 0; ; spin++ {
			text := fmt.Sprintf("%c %s, %d s", `|/-\`[spin%4], label(), int(time.Since(start).Seconds()))
			if w, _, err := term.GetSize(fd); err == nil && w > 1 {
				if r := []rune(text); len(r) >= w {
					text = string(r[:w-1])
				}
			}
			fmt.Fprintf(a.stderr, "\r%s\x1b[K", text)
			select {
			case <-stop:
				fmt.Fprint(a.stderr, "\r\x1b[K")
				return
			case <-tick.C:
			}
		}
	}()
	return func() {
		close(stop)
		<-stopped
	}
}
