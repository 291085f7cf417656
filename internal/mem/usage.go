package mem

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

// Usage returns how many bytes the region has that are nobody else's, and adds the file that it shares with images, if any, to files. Where the system does not tell they are
// all that are accessible. Nobody may freeze, release or grow the region meanwhile.
func (r *Region) Usage(files Files) (own int) {
	from := 0
	if r.file != nil {
		if _, ok := files[r.file]; !ok {
			files[r.file] = Pages(r.file.extents(r.backed)) * PageSize()
		}
		if r.shared {
			from = min(r.backed, r.committed)
		}
	}
	if from == r.committed {
		return 0
	}
	spans, err := scan(r, from, r.committed-from)
	if err != nil {
		return r.committed - from
	}
	return Pages(spans) * PageSize()
}
