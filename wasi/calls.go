package wasi

import (
	"sync"

	spindle "github.com/spindle-wasm/spindle"
)

// call is a function of the interface: its parameters, "i" for i32 and "I" for i64, and what it does with them. All return an
// errno but proc_exit, which does not return.
type call struct {
	params string
	do     func(e env, a []uint64) errno
}

// calls are all functions of wasi_snapshot_preview1.
var calls = map[string]call{
	"args_get":                {"ii", argsGet},
	"args_sizes_get":          {"ii", argsSizesGet},
	"environ_get":             {"ii", environGet},
	"environ_sizes_get":       {"ii", environSizesGet},
	"clock_res_get":           {"ii", clockResGet},
	"clock_time_get":          {"iIi", clockTimeGet},
	"fd_advise":               {"iIIi", fdAdvise},
	"fd_allocate":             {"iII", fdAllocate},
	"fd_close":                {"i", fdClose},
	"fd_datasync":             {"i", fdDatasync},
	"fd_fdstat_get":           {"ii", fdFdstatGet},
	"fd_fdstat_set_flags":     {"ii", fdFdstatSetFlags},
	"fd_fdstat_set_rights":    {"iII", fdFdstatSetRights},
	"fd_filestat_get":         {"ii", fdFilestatGet},
	"fd_filestat_set_size":    {"iI", fdFilestatSetSize},
	"fd_filestat_set_times":   {"iIIi", fdFilestatSetTimes},
	"fd_pread":                {"iiiIi", fdPread},
	"fd_prestat_get":          {"ii", fdPrestatGet},
	"fd_prestat_dir_name":     {"iii", fdPrestatDirName},
	"fd_pwrite":               {"iiiIi", fdPwrite},
	"fd_read":                 {"iiii", fdRead},
	"fd_readdir":              {"iiiIi", fdReaddir},
	"fd_renumber":             {"ii", fdRenumber},
	"fd_seek":                 {"iIii", fdSeek},
	"fd_sync":                 {"i", fdSync},
	"fd_tell":                 {"ii", fdTell},
	"fd_write":                {"iiii", fdWrite},
	"path_create_directory":   {"iii", pathCreateDirectory},
	"path_filestat_get":       {"iiiii", pathFilestatGet},
	"path_filestat_set_times": {"iiiiIIi", pathFilestatSetTimes},
	"path_link":               {"iiiiiii", pathLink},
	"path_open":               {"iiiiiIIii", pathOpen},
	"path_readlink":           {"iiiiii", pathReadlink},
	"path_remove_directory":   {"iii", pathRemoveDirectory},
	"path_rename":             {"iiiiii", pathRename},
	"path_symlink":            {"iiiii", pathSymlink},
	"path_unlink_file":        {"iii", pathUnlinkFile},
	"poll_oneoff":             {"iiii", pollOneoff},
	"proc_exit":               {"i", procExit},
	"proc_raise":              {"i", procRaise},
	"random_get":              {"ii", randomGet},
	"sched_yield":             {"", schedYield},
	"sock_accept":             {"iii", sockAccept},
	"sock_recv":               {"iiiiii", sockRecv},
	"sock_send":               {"iiiii", sockSend},
	"sock_shutdown":           {"ii", sockShutdown},
}

// noMemory is the memory of an instance that has none.
type noMemory struct{}

func (noMemory) View(_, n uint64) ([]byte, bool) { return nil, false }

// signature is what a call looks like to the engine.
type signature struct {
	name string // for backtraces
	typ  spindle.FuncType
}

// signatures are made once, when the first guest is linked.
var signatures = sync.OnceValue(func() map[string]signature {
	m := make(map[string]signature, len(calls))
	for name, c := range calls {
		s := signature{name: ModuleName + "." + name}
		for _, p := range c.params {
			v := spindle.TypeI32
			if p == 'I' {
				v = spindle.TypeI64
			}
			s.typ.Params = append(s.typ.Params, v)
		}
		if name != "proc_exit" {
			s.typ.Results = []spindle.ValueType{spindle.TypeI32}
		}
		m[name] = s
	}
	return m
})

// hostFunc makes a call a function for s's guest.
func (c call) hostFunc(s *System, name string) *spindle.HostFunc {
	sig := signatures()[name]
	do, results := c.do, len(sig.typ.Results)
	return spindle.RawFunc(sig.typ, func(c *spindle.Caller, slots []uint64) {
		e := env{s: s, c: c, m: noMemory{}}
		if m := c.Memory(); m != nil {
			e.m = m
		}
		en := do(e, slots)
		if results > 0 {
			slots[0] = uint64(en)
		}
	}).Named(sig.name)
}
