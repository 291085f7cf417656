package serve

import (
	"context"

	spindle "github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/wasi"
)

// Guest drives guests that do not go by themselves: modules whose host calls one export after the other, with arguments, such as an interpreter that is embedded.
// Requests and answers are on the standard streams as ever.
type Guest interface {
	// Start makes a Process of mod and warms it up. What it returns is frozen, and then closed. wc and pc are Config's WASI and Process as the server wants them.
	Start(ctx context.Context, rt *spindle.Runtime, mod *spindle.Module, wc wasi.Config, pc spindle.Config) (*spindle.Process, error)
	// Answer has a child answer the request on its standard input. ctx ends with the request, or when the client has gone. It is called by many goroutines
	// at a time, each with a child of its own, which the server closes. Unless it is an ExitError with code 0, an error means 502.
	Answer(ctx context.Context, child *spindle.Process) error
}
