package mem

// trimRun is the shortest run of zeros that Trim gives back: each is a system call, and an extent of the file more to tell apart.
const trimRun = 64 << 10

// Trim gives the memory of pages back that hold nothing but zeros, where they are many together and the region has been reserved forkable and not been frozen yet;
// of other regions nothing. Guests clear what they allocate, and so a file has pages that could as well be holes. It reads all that has been written. Nobody may write
// to the region meanwhile.
func (r *Region) Trim() error {
	if !r.shared || r.hidden > 0 {
		return nil
	}
	for _, s := range r.file.extents(min(r.backed, r.committed)) {
		from := s.Off
		discard := func(to int) error {
			if to-from < trimRun {
				return nil
			}
			return r.DiscardRange(from, to-from)
		}
		err := r.eachNonZero(s, func(off, n int) error {
			err := discard(off)
			from = off + n
			return err
		})
		if err == nil {
			err = discard(s.end())
		}
		if err != nil {
			return err
		}
	}
	return nil
}
