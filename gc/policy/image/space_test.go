package image

import (
	"slices"
	"sync"
	"testing"

	"github.com/spindle-wasm/spindle/gc/scheduler"
)

type packet func()

func (p packet) Run(*scheduler.Worker) { p() }

// A collection that adds to an image tells of the words that the image has had, while workers note those of the objects to come.
func TestRootsWhileObjectsAreNoted(t *testing.T) {
	s := New(1, nil)
	var had []Foreign
	for i := range uint32(2000) {
		had = append(had, Foreign{Class: uint8(i % 2), Word: i})
	}
	s.Restore(1, had, nil)

	var mu sync.Mutex
	var told []Foreign
	var sched *scheduler.Scheduler
	sched = scheduler.New(scheduler.Config{Workers: 4, Done: func() {}, Begin: func(*scheduler.Worker) {
		s.Record()
		s.Roots(sched, true, func(class uint8, word uint32) {
			mu.Lock()
			told = append(told, Foreign{class, word})
			mu.Unlock()
			s.Note(class, word+10_000) // as the plan does with all foreign words
		})
		for k := range uint32(100) {
			sched.Add(scheduler.Closure, packet(func() {
				for i := range uint32(100) {
					s.Note(0, 20_000+100*k+i)
				}
			}))
		}
	}})
	n, err := sched.Request()
	if err != nil {
		t.Fatal(err)
	}
	sched.Wait(n)
	if err := sched.Stop(); err != nil {
		t.Error(err)
	}
	slices.SortFunc(told, func(a, b Foreign) int { return int(a.Word) - int(b.Word) })
	if !slices.Equal(told, had) {
		t.Errorf("%d words are told of, the image had %d", len(told), len(had))
	}
	if n := len(s.Foreign()); n != 2*2000+100*100 {
		t.Errorf("the image has %d words", n)
	}
}
