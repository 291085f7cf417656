package mem

// Use is what a region takes of memory, in bytes: what it shares with an image, touched or not, and what is its own.
type Use struct{ Shared, Private int }

// Add adds another region's.
func (u *Use) Add(o Use) { u.Shared, u.Private = u.Shared+o.Shared, u.Private+o.Private }

// Use tells what the region takes by itself: each of its pages counts once, as shared or as its own, and a file that it still writes to is its own. Usage is for the sum of many.
// It costs a scan of its page table. Nobody may release the region meanwhile; its pages may be written to. The error is
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

// Files is how many bytes of memory files take that regions share, each counted once.
type Files map[*file]int

// Total returns the sum but for the files that others have.
func (fs Files) Total(others Files) (n int) {
	for f, bytes := range fs {
		if _, ok := others[f]; !ok {
			n += bytes
		}
	}
	return n
}

// Usage returns how many bytes the region has beside its file, and adds the file, if any, to files: with all of its pages, those that the region has written over too, for images and
// other regions have them still. So the sum for many regions is what the system would get back if all of them went, which is what a limit bounds; Use tells what one region costs.
// Where the system does not tell, all accessible bytes count: a limit must not be passed unseen. Nobody may freeze, release or grow the region meanwhile.
func (r *Region) Usage(files Files) (own int) {
	if r.file != nil {
		if _, ok := files[r.file]; !ok {
			files[r.file] = Pages(r.file.extents(r.backed)) * PageSize()
		}
	}
	from, spans, err := r.beside()
	if err != nil {
		return r.committed - from
	}
	return Pages(spans) * PageSize()
}
