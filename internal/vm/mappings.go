package vm

import (
	"time"

	"github.com/spindle-wasm/spindle/internal/mem"
)

// mappings keeps the process of the operating system from the limit of its mappings. When that is met, the next one to ask may be Go's runtime, which then ends the
// program. So some are left for others. To count them takes long when they are many, thus it is done again only when so many regions have been made since
// that an eighth of those that were left then could have gone: others make mappings as well, and a region takes three at most.
type mappings struct {
	count func() (n, limit int, err error) // mem.Mappings, but in tests
	next  int                              // regions at which they are to be counted again
	full  *LimitError                      // of the last time, if there were too many
	when  time.Time                        // of that
}

const (
	// uncounted is how many regions there may be before the first count.
	uncounted = 1024
	// fullFor is how long it is believed that there are too many while no region has been given back.
	fullFor = 50 * time.Millisecond
)

// admit says whether there may be one more region beside that many.
func (m *mappings) admit(live int) error {
	if m.full == nil && live < m.next || m.next == 0 && live < uncounted {
		return nil
	}
	if m.full != nil && live >= m.next && time.Since(m.when) < fullFor {
		return m.full
	}
	if m.count == nil {
		m.count = mem.Mappings
	}
	n, limit, err := m.count()
	if err != nil {
		m.next, m.full = live+uncounted, nil // the system will say so
		return nil
	}
	limit -= limit / 16
	if left := limit - n; left > 3 {
		m.next, m.full = live+max(1, left/8), nil
		return nil
	}
	m.next, m.when = live, time.Now()
	m.full = &LimitError{Limit: "memory mappings of this process of the operating system (vm.max_map_count, less a sixteenth)", Max: uint64(limit), Got: uint64(n + 3)}
	return m.full
}
