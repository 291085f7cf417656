package spindle

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/spindle-wasm/spindle/internal/image"
	"github.com/spindle-wasm/spindle/internal/process"
	"github.com/spindle-wasm/spindle/internal/vm"
	"github.com/spindle-wasm/spindle/internal/wasm"
)

// SnapshotMagic begins every file that Image.WriteTo writes.
const SnapshotMagic = image.Magic

type (
	// SnapshotError says why an Image cannot be written to a file.
	SnapshotError = vm.SnapshotError
	// SnapshotFormatError says why a file cannot be opened as an Image, and where in it.
	SnapshotFormatError = image.FormatError
)

// SavedModule is a FrozenModule that can be written to a file with its Image.
type SavedModule interface {
	FrozenModule
	// Save returns the state, for OpenState.Open. An error names what cannot be in a file.
	Save() ([]byte, error)
}

// OpenState is an ImportModule, not yet of any Process, that takes up the state of a SavedModule.
type OpenState interface {
	ImportModule
	Open(state []byte) (FrozenModule, error)
}

// WriteTo implements io.WriterTo: it writes the image to a file, which Runtime.OpenImage opens, also in another process on another day. The modules are in it. It is as secret as the
// guest's memory, and for whoever opens it as trusted as the guest's own code. If w is an *os.File, zeros in memories become holes in it.
//
// On an error w may have a part of it, which OpenImage refuses.
//
// A garbage-collected heap is in it with its plan. All that lives in it becomes its image there (FreezeOptions.Warmup): if the image was made without, WriteTo makes a copy that
// is warmed up, and keeps it until Close.
//
// Errors: *SnapshotError if something cannot be in a file: values of the host (externref), exception tags and functions of the host that are not
// imports, the state of an import module that is no SavedModule; otherwise w's.
func (i *Image) WriteTo(w io.Writer) (int64, error) {
	if err := i.use(); err != nil {
		return 0, err
	}
	n, err := i.writeTo(w)
	return n, errors.Join(err, i.unuse())
}

func (i *Image) writeTo(to io.Writer) (int64, error) {
	w := &image.Writer{}
	err := i.describe(w, func(m *wasm.Module) { w.Blob(m.Bytes) }, func(name string, m FrozenModule) error {
		s, ok := m.(SavedModule)
		if !ok {
			return &SnapshotError{Reason: fmt.Sprintf("the state of import module %q cannot be in a file", name)}
		}
		state, err := s.Save()
		if err != nil {
			return &SnapshotError{Reason: fmt.Sprintf("import module %q", name), Cause: err}
		}
		w.Blob(state)
		return nil
	})
	if err != nil {
		return 0, err
	}
	return w.WriteTo(to)
}

// describe writes all of the image but what depends on where it goes: module writes a module's binary, or where it is, and state that of an import module.
func (i *Image) describe(w *image.Writer, module func(*wasm.Module), state func(name string, m FrozenModule) error) error {
	engine, ok := i.rt.engine.(vm.Snapshotter)
	if !ok {
		return &SnapshotError{Reason: "the engine cannot tell what is on its stacks"}
	}
	w.String(engine.Name())
	numbers := map[*wasm.Module]int{}
	var mods []*wasm.Module
	for _, inst := range i.vm.Threads()[0].Store.Instances {
		if m := inst.Module; !hasModule(numbers, m) {
			numbers[m] = len(mods)
			mods = append(mods, m)
		}
	}
	w.Uint(uint64(len(mods)))
	for _, m := range mods {
		sum := sha256.Sum256(m.Bytes)
		w.Word(uint64(m.Enabled))
		w.Blob(sum[:])
		module(m)
	}
	if err := i.vm.Write(w, func(m *wasm.Module) int { return numbers[m] }); err != nil {
		return err
	}

	w.String(i.cfg.Name)
	w.String(i.cfg.Entry)
	w.Bool(i.started)
	w.Uint(i.forks)
	w.Uint(uint64(i.family.current()))
	w.Uint(uint64(i.lastTID))
	w.Bool(i.threaded)
	w.Uint(uint64(len(i.all)))
	for _, f := range i.all {
		w.Bool(f.mod != nil)
		w.String(f.name)
		w.Uint(uint64(f.started))
	}
	w.Uint(uint64(len(i.names)))
	for _, name := range sortedKeys(i.names) {
		w.String(name)
		w.Uint(uint64(i.names[name]))
	}
	w.Uint(uint64(len(i.stacks)))
	for _, a := range i.stacks {
		w.Uint(uint64(a.inst))
		w.Bool(a.boot.of != nil)
		writeBlock(w, &a.boot)
	}
	for _, j := range i.jobs {
		if err := i.writeJob(w, j.job); err != nil {
			return err
		}
	}
	w.Uint(uint64(len(i.modules)))
	for _, name := range sortedKeys(i.modules) {
		w.String(name)
		if err := state(name, i.modules[name]); err != nil {
			return err
		}
	}
	return nil
}

func hasModule(of map[*wasm.Module]int, m *wasm.Module) bool {
	_, ok := of[m]
	return ok
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// OpenConfig is what an Image that is opened gets which is not in its file.
type OpenConfig struct {
	// Config is that of its Processes. Imports must have all host functions that the guest imports; those of them that were ForkStates must be OpenStates. Name and Entry are
	// the file's if they are empty. The sizes of stacks that there are, and the limits of memories, are the file's. So is what is in GC, but Workers, Stats and the tools for finding bugs; HeapBytes,
	// if it is not 0, is the new bound of the heap, up to twice the old one on 64-bit systems. Trace is not used.
	Config
	// Modules are modules of the Runtime that need not be compiled again. Each of them must be one of the file's.
	Modules []*Module
	// Check compares the checksum of all pages, which reads them, and goes through all objects of a garbage-collected heap. Without it their pages are trusted like the
	// program that opens them: who takes a file from others sets it.
	Check bool
}

// Entry returns Config.Entry, for who made the image of instances that are to be called.
func (i *Image) Entry() string { return i.cfg.Entry }

// OpenImage opens a file that Image.WriteTo wrote. Its pages are mapped, not read: the file must not be changed, nor made shorter, as long as Processes of the image live; it
// may be closed and removed.
//
// Errors: *SnapshotFormatError if the file is damaged, of another version or engine, or has none of the modules that are given; those of Compile; what OpenState.Open returns;
// those of reading.
func (r *Runtime) OpenImage(ctx context.Context, f *os.File, cfg OpenConfig) (*Image, error) {
	file, err := image.Open(f)
	if err != nil {
		return nil, err
	}
	if cfg.Check {
		if err := file.Check(); err != nil {
			return nil, err
		}
	}
	return r.openImage(ctx, file, cfg, func(d *image.Decoder) []byte { return slices.Clone(d.Blob()) }, func(_ *Image, d *image.Decoder, name string) (FrozenModule, error) {
		state := d.Blob()
		if d.Err() != nil {
			return nil, d.Err()
		}
		s, ok := cfg.Imports[name].(OpenState)
		if !ok {
			d.Failf("import module %q has state, and is not given as one that takes it up", name)
			return nil, d.Err()
		}
		return s.Open(state)
	})
}

// openImage reads what Image.describe wrote. module reads a module's binary, which is kept, and state what an import module becomes; they mirror its arguments.
func (r *Runtime) openImage(ctx context.Context, file *image.File, cfg OpenConfig, module func(*image.Decoder) []byte, state func(i *Image, d *image.Decoder, name string) (FrozenModule, error)) (*Image, error) {
	engine, ok := r.engine.(vm.Snapshotter)
	if !ok {
		return nil, &SnapshotFormatError{Offset: -1, Msg: "the engine cannot take up what is on another one's stacks"}
	}
	if err := cfg.GC.check(); err != nil {
		return nil, err
	}
	d := file.Decoder()
	if name := d.String(); d.Err() == nil && name != engine.Name() {
		d.Failf("the file is of engine %q, and this is %q", name, engine.Name())
	}
	mods, err := r.readModules(ctx, d, cfg.Modules, module)
	if err != nil {
		return nil, err
	}
	var compiled []vm.SnapshotModule
	for _, m := range mods {
		compiled = append(compiled, vm.SnapshotModule{Module: m.m, Code: m.code})
	}
	img := &Image{rt: r, cfg: cfg.Config, opened: true, family: &family{}, names: map[string]int{}, modules: map[string]FrozenModule{}, uses: 1}
	img.vm, err = vm.ReadImage(d, file, vm.SnapshotConfig{
		Engine: engine, Pools: r.pools, Types: r.types, Modules: compiled, GC: cfg.GC.heapConfig(), Check: cfg.Check,
	})
	if err != nil {
		return nil, err
	}
	if err := img.read(d, mods, state); err != nil {
		return nil, errors.Join(err, img.release())
	}
	img.family.depart()
	return img, nil
}

// CheckSnapshot compares all checksums of a file that Image.WriteTo wrote, which reads it. The error is a *SnapshotFormatError, or one of reading.
func CheckSnapshot(f *os.File) error {
	file, err := image.Open(f)
	if err != nil {
		return err
	}
	return file.Check()
}

// readModules reads the modules, and compiles those that are not given.
func (r *Runtime) readModules(ctx context.Context, d *image.Decoder, given []*Module, binary func(*image.Decoder) []byte) (mods []*Module, err error) {
	sums := map[[32]byte]*Module{}
	for _, m := range given {
		if m.rt != r {
			return nil, errors.New("spindle: the module was compiled by another Runtime")
		}
		sums[sha256.Sum256(m.m.Bytes)] = m
	}
	used := 0
	for range d.Len(3) {
		features, want, b := Features(d.Word()), d.Blob(), binary(d)
		if d.Err() != nil {
			return nil, d.Err()
		}
		sum := sha256.Sum256(b)
		if string(sum[:]) != string(want) {
			d.Failf("a module's checksum is wrong")
			return nil, d.Err()
		}
		m := sums[sum]
		if m != nil {
			used++
		} else {
			if m, err = r.Compile(ctx, b); err != nil {
				return nil, fmt.Errorf("snapshot: a module (which needs of the features %v): %w", features, err)
			}
			sums[sum] = m
		}
		mods = append(mods, m)
	}
	if used < len(given) {
		d.Failf("the file is of %d modules, and %d of the %d that were given are none of them: they have changed", len(mods), len(given)-used, len(given))
	}
	return mods, d.Err()
}

func (i *Image) read(d *image.Decoder, mods []*Module, state func(i *Image, d *image.Decoder, name string) (FrozenModule, error)) error {
	if name := d.String(); i.cfg.Name == "" {
		i.cfg.Name = name
	}
	if entry := d.String(); i.cfg.Entry == "" {
		i.cfg.Entry = entry
	}
	i.started, i.forks = d.Bool(), d.Uint()
	i.family.last = d.Uint32()
	i.lastTID, i.threaded = d.Uint32(), d.Bool()
	threads := i.vm.Threads()
	for _, t := range threads {
		i.tids = append(i.tids, t.ID)
		if d.Err() == nil && t.ID > process.MaxTID {
			d.Failf("a thread with identifier %d", t.ID)
		}
	}
	instances := threads[0].Store.Instances
	for k := range d.Len(3) {
		made, f := d.Bool(), frozenInstance{name: d.String(), started: uint8(d.Below(3, "a state"))}
		if d.Err() == nil && k >= len(instances) {
			d.Failf("%d instances of %d", k+1, len(instances))
		}
		if d.Err() != nil {
			return d.Err()
		}
		if made {
			f.mod = mods[slices.IndexFunc(mods, func(m *Module) bool { return m.m == instances[k].Module })]
		}
		i.all = append(i.all, f)
	}
	for range d.Len(2) {
		name, k := d.String(), d.Below(uint64(len(i.all)), "an instance")
		if d.Err() == nil && i.all[k].mod == nil {
			d.Failf("instance %d was not made", k)
		}
		i.names[name] = int(k)
	}
	for range d.Len(6) {
		if err := i.readStack(d); err != nil {
			return err
		}
	}
	for _, t := range threads {
		j := i.readJob(d, t)
		if d.Err() != nil {
			return d.Err()
		}
		i.jobs = append(i.jobs, frozenJob{job: j})
	}
	for range d.Len(2) {
		name := d.String()
		if d.Err() != nil {
			return d.Err()
		}
		m, err := state(i, d, name)
		if d.Err() != nil {
			return d.Err()
		}
		if err != nil {
			return fmt.Errorf("snapshot: import module %q: %w", name, err)
		}
		if i.modules[name] != nil {
			m.Close() //nolint:errcheck // the error to come says more
			d.Failf("import module %q twice", name)
			return d.Err()
		}
		i.modules[name] = m
	}
	d.End()
	return d.Err()
}
