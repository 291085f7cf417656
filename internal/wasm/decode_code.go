package wasm

// elementSection reads element segments (specification: Binary Format, Element Section). Of the flags, bit 0 is set for passive
// and declarative segments; bit 1 announces a table index, or declarative; bit 2 expressions in place of function indices.
func (d *decoder) elementSection() {
	m := d.m
	n := d.vector("element segments", 0, d.opts.MaxElemSegments, 2)
	m.Elems = make([]ElemSegment, 0, d.room(n, 16))
	for ; n > 0 && !d.failed(); n-- {
		m.Elems = append(m.Elems, d.elemSegment())
	}
}

func (d *decoder) elemSegment() ElemSegment {
	e := ElemSegment{Offset: uint32(d.pos)}
	flags := d.u32()
	if flags > 7 {
		d.pos = int(e.Offset)
		d.fail("malformed elements segment kind")
		return e
	}
	if flags != 0 {
		d.need(int(e.Offset), FeatureBulkMemory, "an element segment with flags")
	}
	e.IsExpr = flags&4 != 0
	switch flags & 3 {
	case 1:
		e.Mode = SegmentPassive
	case 3:
		e.Mode = SegmentDeclarative
	default:
		if flags&2 != 0 {
			e.Table = d.u32()
		}
		e.Start = d.constExpr()
	}
	// Without a type, indices are functions that exist, expressions may be null.
	e.Type = RefTo(HeapFunc, e.IsExpr)
	if flags&3 != 0 {
		if e.IsExpr {
			e.Type = d.elemType()
		} else if d.byte() != 0 && d.msg == "" {
			d.pos--
			d.fail("malformed element kind")
		}
	}
	n := d.vector("elements of a segment", 0, d.opts.MaxElements, 1)
	if e.IsExpr {
		e.Exprs = make([]ConstExpr, 0, d.room(n, 3))
		for ; n > 0 && !d.failed(); n-- {
			e.Exprs = append(e.Exprs, d.constExpr())
		}
		return e
	}
	e.Funcs = make([]uint32, 0, n)
	for ; n > 0 && !d.failed(); n-- {
		e.Funcs = append(e.Funcs, d.u32())
	}
	return e
}

// dataSection reads data segments (specification: Binary Format, Data Section).
func (d *decoder) dataSection() {
	m := d.m
	n := d.vector("data segments", 0, d.opts.MaxDataSegments, 2)
	m.Datas = make([]DataSegment, 0, d.room(n, 8))
	for ; n > 0 && !d.failed(); n-- {
		s := DataSegment{Offset: uint32(d.pos)}
		flags := d.u32()
		if flags > 2 {
			d.pos = int(s.Offset)
			d.fail("malformed data segment kind")
			return
		}
		if flags != 0 {
			d.need(int(s.Offset), FeatureBulkMemory, "a data segment with flags")
		}
		if flags == 1 {
			s.Mode = SegmentPassive
		} else {
			if flags == 2 {
				s.Memory = d.u32()
			}
			s.Start = d.constExpr()
		}
		s.Init = d.bytes(d.u32())
		m.Datas = append(m.Datas, s)
	}
}

// codeSection cuts the section into bodies (specification: Binary Format, Code Section).
func (d *decoder) codeSection() {
	m := d.m
	// The count is compared to the function section's first, so that it needs no limit of its own.
	at := d.pos
	n := d.count()
	if d.msg == "" && uint64(n) != uint64(len(m.Funcs)-m.NumImportedFuncs) {
		d.pos = at
		d.fail("function and code section have inconsistent lengths")
	}
	if d.failed() {
		return
	}
	d.bodies = int64(n)
	m.Bodies = make([]Body, 0, n)
	for ; n > 0; n-- {
		d.body()
		if err := d.err(); err != nil {
			d.other = InFunc(err, uint32(m.NumImportedFuncs+len(m.Bodies)))
			return
		}
	}
}

func (d *decoder) body() {
	at := d.pos
	size := d.u32()
	d.limit(at, "bytes of a function body", uint64(size), d.opts.MaxBodySize)
	start := d.pos
	if d.bytes(size); d.failed() {
		return
	}
	section, end := d.code, d.pos
	d.code, d.pos = section[:end], start
	b := Body{Start: uint32(start), Locals: d.locals()}
	if d.failed() {
		return
	}
	b.Offset = uint32(d.pos)
	b.Code = d.code[d.pos:end:end]
	d.m.Bodies = append(d.m.Bodies, b)
	d.code, d.pos = section, end
}

// locals reads the declarations at the head of a body.
func (d *decoder) locals() []LocalRun {
	head := d.pos
	n := int(d.count())
	if n == 0 || d.failed() {
		return nil
	}
	if cap(d.runArena)-len(d.runArena) < n {
		// A run takes two bytes at least: the arena is bounded by the section.
		n := min(n, (len(d.code)-d.pos)/2+1)
		d.runArena = make([]LocalRun, 0, max(n, min(1024, len(d.m.Bytes)/16)))
	}
	start, total := len(d.runArena), uint64(0)
	for ; n > 0; n-- {
		at := d.pos
		count := d.u32()
		total += uint64(count)
		if d.msg == "" && total > 1<<32-1 {
			d.pos = at
			d.fail("too many locals")
		}
		t := d.checkedValType()
		if d.failed() {
			return nil
		}
		d.runArena = append(d.runArena, LocalRun{Count: count, Type: t})
	}
	d.limit(head, "locals of a function", total, d.opts.MaxLocals)
	return d.runArena[start:len(d.runArena):len(d.runArena)]
}
