package mem

import (
	"errors"
	"sync"
	"testing"
)

// Whatever was done to a region of an image, the next one that is made of it has the image's content and size; few of those that come back are kept, and none is when
// the image is closed.
func TestReuse(t *testing.T) {
	page := PageSize()
	before := resources(t)
	r := reserveEither(t, true, 6000*page)
	if r.file == nil {
		t.Skip("this system has no memfds")
	}
	if err := r.Commit(5000 * page); err != nil {
		t.Fatal(err)
	}
	m := &model{r, make([]byte, 5000*page)}
	for i := 0; i < 4800; i += 3 {
		m.r.Bytes(m.r.Committed())[i*page+i%page], m.want[i*page+i%page] = byte(i), byte(i)
	}
	img, err := r.Freeze()
	if err != nil {
		t.Fatal(err)
	}
	fill := func(c *Region, from, to int) {
		b := c.Bytes(c.Committed())
		for i := from; i < to; i++ {
			b[i*page] = 0xEE
		}
	}
	uses := []func(c *Region) error{
		func(c *Region) error { return nil },
		func(c *Region) error { fill(c, 10, 30); fill(c, 4790, 4900); return nil }, // the file's, and behind it
		func(c *Region) error { fill(c, 0, 5000); return nil },                     // more than is kept
		func(c *Region) error { err := c.Commit(5700 * page); fill(c, 4000, 5600); return err },
		func(c *Region) error { return c.DiscardRange(100*page, 4800*page) },
		func(c *Region) error { fill(c, 0, 90); _, err := c.Forget(30*page, 4900*page); return err },
		func(c *Region) error { // scattered
			for i := 0; i < 5000; i += 2 {
				fill(c, i, i+1)
			}
			return nil
		},
		func(c *Region) error { // frozen itself, with pages beside the file
			fill(c, 50, 60)
			again, err := c.Freeze()
			if err != nil {
				return err
			}
			fill(c, 55, 65)
			return again.Close()
		},
		func(c *Region) error { // frozen itself, in a new file
			fill(c, 0, 4000)
			again, err := c.Freeze()
			if err != nil {
				return err
			}
			return again.Close()
		},
	}
	for round := range 3 {
		for k, use := range append(uses, uses[1]) {
			c, err := img.Map()
			if err != nil {
				t.Fatal(err)
			}
			(&model{c, m.want}).check(t, "region of a used image")
			if err := errors.Join(use(c), c.Release()); err != nil {
				t.Fatalf("round %d, use %d: %v", round, k, err)
			}
		}
	}
	if len(img.idle) != 1 {
		t.Errorf("%d regions wait after one at a time, want 1", len(img.idle))
	}
	if max := maxOwn; img.own > max || img.own == 0 {
		t.Errorf("regions that wait have %d bytes of their own, at most %d", img.own, max)
	}

	fresh, err := img.MapFresh()
	if err != nil {
		t.Fatal(err)
	}
	(&model{fresh, m.want}).check(t, "fresh region")
	if dirty, err := fresh.Dirty(); err != nil || len(dirty) > 0 || len(img.idle) != 0 {
		t.Errorf("a fresh region has %d pages of its own (%v), %d others wait", Pages(dirty), err, len(img.idle))
	}
	if err := fresh.Release(); err != nil {
		t.Fatal(err)
	}
	own := 0
	for range 2 * maxUses { // each writes to another page: they do not add up for ever
		c, err := img.Map()
		if err != nil {
			t.Fatal(err)
		}
		dirty, err := c.Dirty()
		if err != nil {
			t.Fatal(err)
		}
		own = max(own, Pages(dirty))
		fill(c, c.uses*3, c.uses*3+1)
		if err := c.Release(); err != nil {
			t.Fatal(err)
		}
	}
	if own == 0 || own > maxUses {
		t.Errorf("a region came to have %d pages of its own, want %d at most, and some", own, maxUses)
	}

	var many []*Region
	for range maxIdle + 10 {
		c, err := img.Map()
		if err != nil {
			t.Fatal(err)
		}
		fill(c, 0, 500)
		many = append(many, c)
	}
	var wg sync.WaitGroup
	for _, c := range many {
		wg.Go(func() {
			if err := c.Release(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := len(img.idle); n == 0 || n > maxIdle || img.own > maxOwn {
		t.Errorf("%d regions wait, with %d bytes of their own", n, img.own)
	}
	late, err := img.Map()
	if err != nil {
		t.Fatal(err)
	}
	(&model{late, m.want}).check(t, "region of a used image")
	if err := img.Close(); err != nil {
		t.Fatal(err)
	}
	if len(img.idle) != 0 {
		t.Error("regions wait for a closed image")
	}
	if err := errors.Join(late.Release(), r.Release()); err != nil {
		t.Fatal(err)
	}
	if after := resources(t); after != before {
		t.Errorf("descriptors and mappings %v, were %v", after, before)
	}
}
