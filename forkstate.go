package spindle

import (
	"errors"
	"fmt"
	"io"
)

// OnFork says what a fork means for the state S of an import module made by StateModule: ShareState, CopyState, FreshState or RefuseFork.
type OnFork[S any] struct {
	// freeze returns what an Image keeps; child what a child has, which own says to be the child's alone.
	freeze func(S) (S, error)
	child  func(frozen S, child *Process) (S, error)
	own    bool // what freeze and child return is closed by who has it
	saved  bool // nothing of it is in an Image
}

// ShareState: parent and children have the one state, which is safe for concurrent use.
func ShareState[S any]() OnFork[S] {
	keep := func(s S) (S, error) { return s, nil }
	return OnFork[S]{freeze: keep, child: func(s S, _ *Process) (S, error) { return s, nil }}
}

// CopyState: an Image has a copy of the state as it was when all threads stood, and each child a copy of that.
func CopyState[S any](clone func(S) (S, error)) OnFork[S] {
	return OnFork[S]{freeze: clone, child: func(s S, _ *Process) (S, error) { return clone(s) }, own: true}
}

// FreshState: each child has a new one. Such a module may be in a file (Image.WriteTo): who opens it gives one that is made in the same way.
func FreshState[S any](create func(child *Process) (S, error)) OnFork[S] {
	return OnFork[S]{
		freeze: func(S) (none S, err error) { return none, nil },
		child:  func(_ S, child *Process) (S, error) { return create(child) }, own: true, saved: true,
	}
}

// RefuseFork: a Process that has the module cannot be frozen; the error says why.
func RefuseFork[S any](why string) OnFork[S] {
	return OnFork[S]{freeze: func(none S) (S, error) { return none, errors.New(why) }}
}

// StateModule makes an import module whose functions keep a state for their Process. functions makes those for a state: it must give the same names and types
// for each. A state that is made for an Image or a child is closed with that if it is an io.Closer; the first one is the caller's. What ForkConfig.Options has for the module, an S, becomes the
// child's state in place of what onFork would give; it stays the caller's.
func StateModule[S any](state S, onFork OnFork[S], functions func(S) HostModule) ForkState {
	return &stateModule[S]{functions(state), state, onFork, functions}
}

type stateModule[S any] struct {
	HostModule
	state     S
	onFork    OnFork[S]
	functions func(S) HostModule
}

// Freeze implements ForkState.
func (m *stateModule[S]) Freeze(*Process) (FrozenModule, error) {
	s, err := m.onFork.freeze(m.state)
	if err != nil {
		return nil, err
	}
	return &frozenState[S]{m, s}, nil
}

// Open implements OpenState.
func (m *stateModule[S]) Open([]byte) (FrozenModule, error) {
	if !m.onFork.saved {
		return nil, errNotSaved
	}
	var none S
	return &frozenState[S]{m, none}, nil
}

var errNotSaved = errors.New("the state is not one that each child has anew (FreshState)")

type frozenState[S any] struct {
	of    *stateModule[S]
	state S
}

// Fork implements FrozenModule.
func (f *frozenState[S]) Fork(child *Process, opts any) (ImportModule, error) {
	m := *f.of
	if opts != nil {
		given, ok := opts.(S)
		if !ok {
			return nil, fmt.Errorf("the option is a %T, and the module's state a %T", opts, m.state)
		}
		m.state = given
	} else {
		var err error
		if m.state, err = m.onFork.child(f.state, child); err != nil {
			return nil, err
		}
		if c, ok := any(m.state).(io.Closer); ok && m.onFork.own {
			child.OnClose(func() { c.Close() }) //nolint:errcheck // nobody is told of what OnClose's functions meet
		}
	}
	m.HostModule = m.functions(m.state)
	return &m, nil
}

// Close implements FrozenModule.
func (f *frozenState[S]) Close() error {
	if c, ok := any(f.state).(io.Closer); ok && f.of.onFork.own && !f.of.onFork.saved {
		return c.Close()
	}
	return nil
}

// Save implements SavedModule.
func (f *frozenState[S]) Save() ([]byte, error) {
	if !f.of.onFork.saved {
		return nil, errNotSaved
	}
	return nil, nil
}

// ForkState is an ImportModule that keeps state for its Process, and says what a fork means for that. The functions of other modules are shared by
// parent and children, as a HostModule's are.
type ForkState interface {
	ImportModule
	// Freeze captures the state for p, all of whose threads stand. An error means that p cannot be forked now.
	Freeze(p *Process) (FrozenModule, error)
}

// FrozenModule is the state of an ImportModule in an Image.
type FrozenModule interface {
	// Fork makes the module of a child. It is asked for what the child's modules import before the child runs. opts is what ForkConfig.Options has
	// for it, nil if nothing.
	Fork(child *Process, opts any) (ImportModule, error)
	// Close gives the state up when no child will be made of it any more.
	Close() error
}
