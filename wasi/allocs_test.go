package wasi

import (
	"strings"
	"testing"
)

// TestNoAllocations: the calls that programs make most leave nothing for Go's collector.
func TestNoAllocations(t *testing.T) {
	g := newGuest(t, Config{Stdin: strings.NewReader(strings.Repeat("x", 1<<16)), Mounts: []Mount{{Guest: "/", Host: t.TempDir()}, {Guest: "/m", Mem: NewMemFS(0)}}})
	host, mem := uint64(g.mustOpen(3, "f", "rwc")), uint64(g.mustOpen(4, "f", "rwc"))
	p, n := g.iov(dataAt, 16)
	e := env{s: g.s, c: g, m: g.mem}
	for _, c := range []struct {
		name string
		args []uint64
	}{
		{"fd_write", []uint64{1, p, n, resultAt}}, {"fd_write", []uint64{host, p, n, resultAt}}, {"fd_write", []uint64{mem, p, n, resultAt}},
		{"fd_read", []uint64{0, p, n, resultAt}}, {"fd_read", []uint64{host, p, n, resultAt}}, {"fd_pread", []uint64{mem, p, n, 0, resultAt}},
		{"fd_pwrite", []uint64{host, p, n, 0, resultAt}}, {"fd_seek", []uint64{host, 0, 0, resultAt}}, {"fd_tell", []uint64{mem, resultAt}},
		{"clock_time_get", []uint64{1, 0, resultAt}}, {"random_get", []uint64{dataAt, 32}}, {"fd_fdstat_get", []uint64{host, resultAt}},
		{"fd_filestat_get", []uint64{mem, resultAt}}, {"args_sizes_get", []uint64{resultAt, resultAt + 4}}, {"sched_yield", nil},
	} {
		do := calls[c.name].do
		if avg := testing.AllocsPerRun(100, func() {
			if en := do(e, c.args); en != success {
				t.Errorf("%s: %v", c.name, en)
			}
		}); avg >= 1 {
			t.Errorf("%s%v allocates %v times", c.name, c.args, avg)
		}
	}
}
