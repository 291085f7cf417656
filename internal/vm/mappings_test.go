package vm

import (
	"errors"
	"testing"
	"time"
)

// Regions are refused before the system's limit, counted seldom while there is room, and given again when others have gone.
func TestMappingsLimit(t *testing.T) {
	const limit = 16_000 // 15,000 for us
	others, live, counts := 100, 0, 0
	m := mappings{count: func() (int, int, error) { counts++; return others + 3*live, limit, nil }}
	fill := func() (err error) {
		for err == nil && live < limit {
			if err = m.admit(live); err == nil {
				live++
			}
		}
		return err
	}
	err := fill()
	var full *LimitError
	if !errors.As(err, &full) || full.Max != 15_000 {
		t.Fatalf("%d regions: %v", live, err)
	}
	if used := others + 3*live; used > 15_000 || used < 14_900 {
		t.Errorf("%d mappings when the limit was met", used)
	}
	if counts > 100 {
		t.Errorf("mappings were counted %d times for %d regions", counts, live)
	}
	before := counts
	for range 10 {
		if err := m.admit(live); !errors.As(err, &full) {
			t.Errorf("after the limit: %v", err)
		}
	}
	m.when = m.when.Add(-time.Second) // it is not believed for ever
	if err := m.admit(live); !errors.As(err, &full) || counts == before {
		t.Errorf("%d more counts, %v", counts-before, err)
	}
	live -= 200
	if err := m.admit(live); err != nil {
		t.Errorf("with room for 200 regions: %v", err)
	}
	others = 14_990 // somebody else's
	live = 0
	m.next = 0
	if err := fill(); err == nil || live > uncounted+1 {
		t.Errorf("%d regions beside others': %v", live, err)
	}
	m = mappings{count: func() (int, int, error) { return 0, 0, errors.ErrUnsupported }}
	if live = 0; fill() != nil {
		t.Error("a limit where there is none")
	}
}
