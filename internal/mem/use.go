package mem

// Use is what a region takes of memory, in bytes: what it shares with an image, touched or not, and what is its own.
type Use struct{ Shared, Private int }

// Add adds another region's.
func (u *Use) Add(o Use) { u.Shared, u.Private = u.Shared+o.Shared, u.Private+o.Private }

// Use tells what the region takes. It costs a scan of its page table. Nobody may release the region meanwhile; its pages may be written to. The error is
// errors.ErrUnsupported where the system does not tell.
func (r *Region) Use() (u Use, err error) {
	dirty, err := r.Dirty()
	if err != nil {
		return u, err
	}
	below := 0 // of what is its own now, what the image has too
	for _, s := range dirty {
		u.Private += s.Len
		below += max(0, min(s.end(), r.backed)-s.Off)
	}
	if r.file != nil && !r.shared {
		u.Shared = max(0, min(r.file.resident(), r.backed)-below)
	}
	return u, nil
}
