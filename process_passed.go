package spindle

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spindle-wasm/spindle/internal/image"
	"github.com/spindle-wasm/spindle/internal/mem"
	"github.com/spindle-wasm/spindle/internal/standby"
	"github.com/spindle-wasm/spindle/internal/wasm"
)

// Passed is state on its way to another OS process: bytes, and open files, which are the same open file descriptions there. Whoever has it closes the files.
type Passed struct {
	State []byte
	Files []*os.File
}

// Close closes the files.
func (p *Passed) Close() error {
	m := standby.Message{Files: p.Files}
	p.Files = nil
	return m.Close()
}

// PassedModule is a FrozenModule that can go to another OS process with its Image. One that is only a SavedModule goes as it would into a file.
type PassedModule interface {
	FrozenModule
	// Pass returns the state. It may be called any number of times. An error names what cannot be in another process.
	Pass() (*Passed, error)
}

// OpenPassed is an ImportModule, not yet of any Process, that takes up the state of a PassedModule. It owns the files from then on, also if it fails.
type OpenPassed interface {
	ImportModule
	OpenPassed(state *Passed) (FrozenModule, error)
}

// PassedOptions is a value of ProcessForkConfig.Options. In the other process FrozenModule.Fork gets a *Passed, and owns its files.
type PassedOptions interface {
	Pass() (*Passed, error)
}

// passedImage goes before the files of an image: its description, the counter of its family, pages, modules, and those of import modules.
type passedImage struct {
	Features     Features
	StackSize    int
	MaxMemory    uint64
	NoStackCheck bool
	Config       passedConfig
	Layouts      []mem.Layout
	Modules      int
	Files        int // of import modules
}

// passedConfig is what a Config has that another process can have, and that is not in the image's description.
type passedConfig struct {
	MaxMemory                            uint64
	StackSize, MaxThreads                int
	NoStackCheck, Forkable, ThreadLabels bool
	ThreadStackSize                      int
	Tree                                 TreeLimits
	ForkHookTimeout                      time.Duration
	GCPlan                               string
	GCHeap, GCMinHeap, GCNursery         int64
	GCWorkers, GCStress                  int
	GCEverySafepoint, GCSanity           bool
}

func passConfig(c *Config) passedConfig {
	return passedConfig{
		MaxMemory: c.MaxMemory, StackSize: c.StackSize, MaxThreads: c.MaxThreads, NoStackCheck: c.NoStackCheck, Forkable: c.Forkable, ThreadLabels: c.ThreadLabels,
		ThreadStackSize: c.ThreadStackSize, Tree: c.Tree, ForkHookTimeout: c.ForkHookTimeout,
		GCPlan: c.GC.Plan, GCHeap: c.GC.HeapBytes, GCMinHeap: c.GC.MinHeapBytes, GCNursery: c.GC.NurseryBytes, GCWorkers: c.GC.Workers, GCStress: c.GC.Stress,
		GCEverySafepoint: c.GC.EverySafepoint, GCSanity: c.GC.Sanity,
	}
}

func (p *passedConfig) config() Config {
	return Config{
		MaxMemory: p.MaxMemory, StackSize: p.StackSize, MaxThreads: p.MaxThreads, NoStackCheck: p.NoStackCheck, Forkable: p.Forkable, ThreadLabels: p.ThreadLabels,
		ThreadStackSize: p.ThreadStackSize, Tree: p.Tree, ForkHookTimeout: p.ForkHookTimeout,
		GC: GCConfig{
			Plan: p.GCPlan, HeapBytes: p.GCHeap, MinHeapBytes: p.GCMinHeap, NurseryBytes: p.GCNursery, Workers: p.GCWorkers, Stress: p.GCStress,
			EverySafepoint: p.GCEverySafepoint, Sanity: p.GCSanity,
		},
	}
}

// pass returns the image as a message, which is made once. It is the image's, and good as long as that is in use.
func (i *Image) pass() (*standby.Message, error) {
	i.passing.Lock()
	defer i.passing.Unlock()
	if i.passed == nil {
		m, err := i.makePassed()
		if err != nil {
			return nil, err
		}
		i.passed = m
	}
	return i.passed, nil
}

func (i *Image) makePassed() (m *standby.Message, err error) {
	w := &image.Writer{}
	var modules, files []*os.File
	var parts []image.Part
	var description *os.File
	defer func() {
		if err != nil {
			m := standby.Message{Files: append(modules, files...)}
			err = errors.Join(err, m.Close(), image.CloseParts(parts))
		}
	}()
	var fault error
	err = i.describe(w, func(m *wasm.Module) {
		w.Uint(uint64(len(modules)))
		f, err := standby.NewFile("module", m.Bytes)
		if err != nil {
			fault = errors.Join(fault, err)
			return
		}
		modules = append(modules, f)
	}, func(name string, m FrozenModule) error {
		state, err := passModule(name, m)
		if err != nil {
			return err
		}
		w.Blob(state.State)
		w.Uint(uint64(len(state.Files)))
		files = append(files, state.Files...)
		return nil
	})
	if err = errors.Join(err, fault); err != nil {
		return nil, err
	}
	desc, parts, err := w.Parts()
	if err != nil {
		return nil, err
	}
	p := passedImage{
		Features: i.rt.features, StackSize: i.rt.stackSize, MaxMemory: i.rt.maxMemory, NoStackCheck: i.rt.noStackCheck, Config: passConfig(&i.cfg),
		Modules: len(modules), Files: len(files),
	}
	for _, part := range parts {
		p.Layouts = append(p.Layouts, part.Layout)
	}
	body, err := json.Marshal(&p)
	if err != nil {
		return nil, err
	}
	counter, err := i.family.share()
	if err != nil {
		return nil, err
	}
	if description, err = standby.NewFile("image", desc); err != nil {
		return nil, err
	}
	all := []*os.File{description}
	for _, part := range parts {
		all = append(all, part.File)
	}
	all = append(append(all, modules...), files...)
	return &standby.Message{Kind: msgImage, Body: body, Files: append(all, counter)}, nil
}

// passModule is the state of an import module.
func passModule(name string, m FrozenModule) (state *Passed, err error) {
	switch m := m.(type) {
	case PassedModule:
		state, err = m.Pass()
	case SavedModule:
		state = &Passed{}
		state.State, err = m.Save()
	default:
		return nil, &ForkError{Reason: fmt.Sprintf("the state of import module %q cannot be in another process", name)}
	}
	if err != nil {
		return nil, &ForkError{Reason: fmt.Sprintf("import module %q", name), Cause: err}
	}
	return state, nil
}

// closePassed closes the message's files, but for the family's counter, which is the last one.
func (i *Image) closePassed() error {
	i.passing.Lock()
	defer i.passing.Unlock()
	if i.passed == nil {
		return nil
	}
	n := len(i.passed.Files) - 1
	i.passed.Files = i.passed.Files[:n]
	return i.passed.Close()
}

// passedLimit bounds the bytes of a description and of a module.
const passedLimit = 1 << 31

// openModule gives an import module its state.
func openModule(m ImportModule, name string, state *Passed) (FrozenModule, error) {
	switch m := m.(type) {
	case OpenPassed:
		return m.OpenPassed(state)
	case OpenState:
		return m.Open(state.State)
	}
	return nil, &ForkError{Reason: fmt.Sprintf("import module %q has state, and is not given as one that takes it up", name)}
}
