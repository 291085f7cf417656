package spindle

import "context"

// rehearsal is a guest that asks to be frozen, and ends.
const rehearsal = `(module (import "" "freeze" (func $freeze)) (memory 1) (func (export "_start") (call $freeze)))`

// rehearse goes through a fork: of the image, up to the first instruction, and of a guest of its own, up to the end. What is done for the first time takes ten times as long: pages of the program are
// mapped, pools filled, goroutines started.
func (s *standbyServer) rehearse(ctx context.Context) error {
	if s.img == nil {
		return &StandbyError{Reason: "a rehearsal without an image"}
	}
	if err := s.img.vm.Rehearse(); err != nil {
		return err
	}
	rt := NewRuntime()
	defer rt.Close() //nolint:errcheck // nobody has anything of it
	mod, err := rt.CompileText(ctx, []byte(rehearsal))
	if err != nil {
		return err
	}
	var img *Image
	freeze := Proc0(func(c *Caller) {
		var err error
		if img, _, err = c.Freeze(ctx, FreezeOptions{}, Answer{}); err != nil {
			c.Fail(err)
		}
	})
	p, err := rt.Start(ctx, mod, Config{Forkable: true, Imports: Imports{"": HostModule{"freeze": freeze}}})
	if err != nil {
		return err
	}
	if err := p.Wait(ctx); err != nil {
		return err
	}
	defer img.Close() //nolint:errcheck // likewise
	child, err := img.Fork(ctx, ForkConfig{})
	if err != nil {
		return err
	}
	return child.Wait(ctx)
}
