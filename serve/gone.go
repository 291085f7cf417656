package serve

import (
	"context"
	"net"
	"sync"
	"time"
)

// goneEvery is how often a client that has not sent its whole request is looked at.
const goneEvery = 200 * time.Millisecond

// connKey is under what the context of a request has its connection.
type connKey struct{}

func withConn(ctx context.Context, c net.Conn) context.Context {
	if f, ok := c.(*framing); ok {
		ctx = context.WithValue(ctx, framingKey{}, f)
		c = f.Conn
	}
	return context.WithValue(ctx, connKey{}, c)
}

// watchGone ends a request whose client goes away before the guest has read all of it. (After that net/http sees it: it reads on, and finds the end.) stop has to follow.
func watchGone(ctx context.Context, in *input, gone func(error)) (stop func()) {
	conn, _ := ctx.Value(connKey{}).(net.Conn)
	if conn == nil || in.complete() {
		return func() {}
	}
	var mu sync.Mutex
	var stopped bool
	var timer *time.Timer
	look := func() {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case stopped || in.complete():
		case hungUp(conn):
			gone(errGone)
		default:
			timer.Reset(goneEvery)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	timer = time.AfterFunc(goneEvery, look)
	return func() {
		mu.Lock()
		defer mu.Unlock()
		stopped = true
		timer.Stop()
	}
}
