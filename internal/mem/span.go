package mem

// Span is bytes of a Region, from Off on; whole pages.
type Span struct{ Off, Len int }

func (s Span) end() int { return s.Off + s.Len }

// Pages returns how many pages the spans have.
func Pages(spans []Span) (n int) {
	for _, s := range spans {
		n += s.Len
	}
	return n / PageSize()
}

// union merges two sorted lists.
func union(a, b []Span) []Span {
	out := make([]Span, 0, len(a)+len(b))
	for len(a) > 0 || len(b) > 0 {
		if len(b) == 0 || len(a) > 0 && a[0].Off <= b[0].Off {
			out = appendSpan(out, a[0])
			a = a[1:]
		} else {
			out = appendSpan(out, b[0])
			b = b[1:]
		}
	}
	return out
}

// appendSpan adds a span that begins behind the last one's start, and joins the two if they touch.
func appendSpan(spans []Span, s Span) []Span {
	if k := len(spans) - 1; k >= 0 && spans[k].end() >= s.Off {
		spans[k].Len = max(spans[k].end(), s.end()) - spans[k].Off
		return spans
	}
	return append(spans, s)
}
