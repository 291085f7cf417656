package serve

import (
	"errors"
	"net/http"

	spindle "github.com/spindle-wasm/spindle"
)

// kind is what went wrong with a request.
type kind int

const (
	kindNone    kind = iota
	kindTrap         // the guest trapped
	kindExit         // it ended with another code than 0
	kindOutput       // what it printed is not an answer, or not all of one
	kindTimeout      // it took too long
	kindSlow         // the client did, to send
	kindSize         // the request is too large
	kindBusy         // too many requests
	kindFork         // there is no child
	kindGone         // the client has gone
	kindRequest      // the request has no form that the guest could get it in
	kindOther
	numKinds
)

// kindNames are labels of metrics.
var kindNames = [numKinds]string{
	kindTrap: "trap", kindExit: "exit", kindOutput: "output", kindTimeout: "timeout", kindSlow: "slow_client", kindSize: "too_large", kindBusy: "busy", kindFork: "fork",
	kindGone: "client_gone", kindRequest: "bad_request", kindOther: "other",
}

// kindOf tells what went wrong.
func (o *outcome) kind() kind {
	var trap *spindle.TrapError
	var exception *spindle.ExceptionError
	var exit *spindle.ExitError
	var output *outputError
	switch {
	case o.err == nil:
		return kindNone
	case errors.Is(o.err, errTooLarge), o.status == http.StatusRequestEntityTooLarge && o.pid == 0:
		return kindSize
	case errors.Is(o.err, errBusy), errors.Is(o.err, errClosed):
		return kindBusy
	case errors.Is(o.err, errNoLength), errors.Is(o.err, errZeroByte):
		return kindRequest
	case o.status == statusGone, errors.Is(o.err, errGone):
		return kindGone
	case o.status == http.StatusRequestTimeout:
		return kindSlow
	case o.status == http.StatusGatewayTimeout, errors.Is(o.err, errTimeout), errors.Is(o.err, errLate):
		return kindTimeout
	case o.pid == 0:
		return kindFork
	case errors.As(o.err, &output):
		return kindOutput
	case errors.As(o.err, &exit):
		return kindExit
	case errors.As(o.err, &trap), errors.As(o.err, &exception):
		return kindTrap
	case o.begun:
		return kindOutput // it ended in the middle
	}
	return kindOther
}
