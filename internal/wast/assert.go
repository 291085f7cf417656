package wast

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/internal/wat"
)

func (r *runner) assertReturn(ctx context.Context, c *wat.Command) error {
	got, err := r.action(ctx, c.Action)
	if err != nil {
		return err
	}
	return r.matchAll(got, c.Results)
}

// attempt runs what is expected to fail: an action, or the instantiation of a module (which stays nameless).
func (r *runner) attempt(ctx context.Context, c *wat.Command) error {
	if c.Action != nil {
		_, err := r.action(ctx, c.Action)
		return err
	}
	mod, err := r.compile(ctx, c.Module)
	if err != nil {
		return err
	}
	_, err = r.instantiate(ctx, mod)
	return err
}

func (r *runner) assertTrap(ctx context.Context, c *wat.Command) error {
	err := r.attempt(ctx, c)
	trap, ok := err.(*spindle.TrapError) //nolint:errorlint // what caused a dependent failure does not count
	if !ok {
		return unexpected(err, "a trap", c.Message)
	}
	if c.Kind == wat.CmdAssertExhaustion && trap.Code != spindle.TrapStackExhausted || !sameWords(trap.Code.String(), c.Message) {
		return unexpected(err, "a trap", c.Message)
	}
	return nil
}

func (r *runner) assertException(ctx context.Context, c *wat.Command) error {
	err := r.attempt(ctx, c)
	if _, ok := err.(*spindle.ExceptionError); !ok { //nolint:errorlint // likewise
		return unexpected(err, "an exception", "")
	}
	return nil
}

// assertMalformed expects the text or binary decoder to refuse a module. A module that uses what is switched off is either
// malformed or invalid, depending on where a version of the specification without the feature would have stopped.
func (r *runner) assertMalformed(ctx context.Context, c *wat.Command) error {
	_, err := r.compile(ctx, c.Module)
	switch e := err.(type) { //nolint:errorlint // compile does not wrap
	case *spindle.SyntaxError:
		if sameWords(e.Msg, c.Message) {
			return nil
		}
	case *spindle.MalformedError, *spindle.FeatureError, *spindle.ImplementationLimitError:
		return nil // in which order a decoder meets the faults of a module is its own affair
	}
	return unexpected(err, "a malformed module", c.Message)
}

func (r *runner) assertInvalid(ctx context.Context, c *wat.Command) error {
	_, err := r.compile(ctx, c.Module)
	switch e := err.(type) { //nolint:errorlint // compile does not wrap
	case *spindle.ValidationError:
		if sameWords(e.Msg, c.Message) {
			return nil
		}
	case *spindle.SyntaxError:
		// An annotation that breaks a rule about its target is found where it is written.
		if c.Kind == wat.CmdAssertInvalidCustom && sameWords(e.Msg, c.Message) {
			return nil
		}
	case *spindle.FeatureError, *spindle.ImplementationLimitError:
		return nil
	}
	return unexpected(err, "an invalid module", c.Message)
}

func (r *runner) assertUnlinkable(ctx context.Context, c *wat.Command) error {
	err := r.attempt(ctx, c)
	if e, ok := err.(*spindle.LinkError); !ok || !sameWords(e.Msg, c.Message) { //nolint:errorlint // attempt wraps only what depends on others
		return unexpected(err, "an unlinkable module", c.Message)
	}
	return nil
}

// sameWords compares an error's words with those of a script as the reference interpreter does, by prefix, but either way: a script may
// know more (which element is uninitialized), or we may.
func sameWords(got, want string) bool {
	return strings.HasPrefix(got, want) || strings.HasPrefix(want, got)
}

func unexpected(err error, what, words string) error {
	if words != "" {
		what = fmt.Sprintf("%s (%q)", what, words)
	}
	if err == nil {
		return errors.New("no error, want " + what)
	}
	return fmt.Errorf("%w; want %s", err, what)
}
