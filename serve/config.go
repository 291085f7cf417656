package serve

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"time"

	spindle "github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/wasi"
)

// Point is where a guest is frozen. Make one with ParsePoint, or use the constants.
type Point string

// The points that need no name. ExportPoint makes the others.
const (
	// PointStdin is where the guest first waits for its standard input.
	PointStdin Point = "stdin"
	// PointFork is the guest's call of snapshot(), imported from module spindle, which returns 1 in its children.
	PointFork Point = "fork-point"
	// PointAccept is where the guest first waits for a connection on the listening socket that it is given, the first descriptor after the mounts. Each connection
	// then has a child, which returns from that accept with it; HTTP is the guest's business. It is served by Serve or ServeConn, not by ServeHTTP.
	PointAccept Point = "accept"
)

const exportPrefix = "export:"

// ExportPoint is where _initialize or _start has returned. Children then call the export, which takes nothing and returns nothing, or an i32: not 0 is failure.
func ExportPoint(name string) Point { return Point(exportPrefix + name) }

// ParsePoint reads what a user has written.
func ParsePoint(s string) (Point, error) {
	p := Point(s)
	if name, ok := p.export(); ok && name != "" || p == PointStdin || p == PointFork || p == PointAccept {
		return p, nil
	}
	return "", fmt.Errorf("there is no point %q, but %s, %s, %s and %sNAME", s, PointStdin, PointAccept, PointFork, exportPrefix)
}

func (p Point) export() (name string, ok bool) { return strings.CutPrefix(string(p), exportPrefix) }

// Config configures a Server. Zeros mean the defaults.
type Config struct {
	// At is where the guest is frozen; the default is PointStdin.
	At Point
	// Guest drives the guest in place of At, which then must be empty.
	Guest Guest
	// Protocol is what requests are in; the default is HTTP.
	Protocol Protocol
	// WASI is what the guest sees. Stdin is the server's: children read their requests there. Stdout is where the guest prints before it is frozen; Stderr is
	// children's too.
	WASI wasi.Config
	// Process configures the guest; Forkable is set. MaxMemory bounds each child by itself.
	Process spindle.Config

	// Concurrency bounds the children that live at the same time; the default is 16 for each processor that Go uses.
	Concurrency int
	// Queue bounds the requests that wait for one to end; the default is 4 times Concurrency, less than 0 means none. Others get 503.
	Queue int
	// Timeout bounds a request from its beginning to its end, the wait included; the default is 30 s, less than 0 means none. With PointAccept it bounds the time
	// in which nothing moves on a connection.
	Timeout time.Duration
	// MaxRequest bounds a request's body in bytes; the default is 32 MiB, less than 0 means none.
	MaxRequest int64

	// ReforkAfter has a new image made of a child that has served requests (Server.Refork) after so many requests; 0 means only when Refork is called.
	ReforkAfter int
	// ReforkWarm is how many requests, one after the other, such a child and those before it have answered; the default is 1.
	ReforkWarm int

	// Log gets a record for each request, at level Info, and what went wrong in guests, at level Warn; nil discards.
	Log *slog.Logger
}

const (
	defaultTimeout    = 30 * time.Second
	defaultMaxRequest = 32 << 20
	perProcessor      = 16
	queueFactor       = 4
)

func (c *Config) fill() error {
	switch {
	case c.At == "" && c.Guest == nil:
		c.At = PointStdin
	case c.Guest != nil && c.At != "":
		return fmt.Errorf("serve: with a Guest there is no point %q", c.At)
	case c.Guest != nil:
	default:
		if _, err := ParsePoint(string(c.At)); err != nil {
			return fmt.Errorf("serve: %w", err)
		}
	}
	switch c.Protocol {
	case "":
		c.Protocol = HTTP
	case HTTP, SCGI:
	default:
		return fmt.Errorf("serve: there is no protocol %q, but %s and %s", c.Protocol, HTTP, SCGI)
	}
	if c.Concurrency < 0 {
		return errors.New("serve: Concurrency is negative")
	}
	if c.Concurrency == 0 {
		c.Concurrency = perProcessor * runtime.GOMAXPROCS(0)
	}
	switch {
	case c.Queue == 0:
		c.Queue = queueFactor * c.Concurrency
	case c.Queue < 0:
		c.Queue = 0
	}
	if c.ReforkAfter < 0 || c.ReforkWarm < 0 {
		return errors.New("serve: ReforkAfter or ReforkWarm is negative")
	}
	c.ReforkWarm = max(1, c.ReforkWarm)
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if c.MaxRequest == 0 {
		c.MaxRequest = defaultMaxRequest
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.Process.Forkable = true
	if c.Process.Name == "" {
		c.Process.Name = "app" // children find the instance by it
	}
	return nil
}
