package wasm

func (d *decoder) importSection() {
	m := d.m
	n := d.vector("imports", 0, d.opts.MaxImports, 4)
	m.Imports = make([]Import, 0, d.room(n, 16))
	for ; n > 0 && !d.failed(); n-- {
		start := d.pos
		im := Import{Offset: uint32(start)}
		im.Module, im.Name = d.name(), d.name()
		kind := d.byte()
		im.Kind = ExternKind(kind)
		switch im.Kind {
		case ExternFunc:
			im.Func = d.u32()
			m.Funcs = append(m.Funcs, im.Func)
			m.NumImportedFuncs++
			d.limit(start, "functions", uint64(len(m.Funcs)), d.opts.MaxFuncs)
		case ExternTable:
			im.Table = d.tableType()
			m.Tables = append(m.Tables, Table{Type: im.Table})
			m.NumImportedTables++
			d.limit(start, "tables", uint64(len(m.Tables)), d.opts.MaxTables)
		case ExternMemory:
			im.Memory = d.memoryType()
			m.Memories = append(m.Memories, im.Memory)
			m.NumImportedMemories++
			d.limit(start, "memories", uint64(len(m.Memories)), d.opts.MaxMemories)
		case ExternGlobal:
			im.Global = d.globalType()
			if im.Global.Mutable {
				d.need(start, FeatureMutableGlobals, "the import of a mutable global")
			}
			m.Globals = append(m.Globals, Global{Type: im.Global})
			m.NumImportedGlobals++
			d.limit(start, "globals", uint64(len(m.Globals)), d.opts.MaxGlobals)
		case ExternTag:
			im.Tag = d.tagType()
			m.Tags = append(m.Tags, im.Tag)
			m.NumImportedTags++
			d.limit(start, "tags", uint64(len(m.Tags)), d.opts.MaxTags)
		default:
			d.pos--
			d.fail("malformed import kind")
		}
		m.Imports = append(m.Imports, im)
	}
}

func (d *decoder) functionSection() {
	m := d.m
	n := d.vector("functions", len(m.Funcs), d.opts.MaxFuncs, 1)
	m.Funcs = append(make([]uint32, 0, len(m.Funcs)+n), m.Funcs...)
	for ; n > 0 && !d.failed(); n-- {
		d.item()
		m.Funcs = append(m.Funcs, d.u32())
	}
}

func (d *decoder) tableSection() {
	m := d.m
	n := d.vector("tables", len(m.Tables), d.opts.MaxTables, 3)
	for ; n > 0 && !d.failed(); n-- {
		d.item()
		// A table with an initialiser starts with 0x40 0x00 (specification: Binary Format, Table Section).
		if d.peek() != 0x40 {
			m.Tables = append(m.Tables, Table{Type: d.tableType()})
			continue
		}
		d.need(d.pos, FeatureFunctionReferences, "a table with an initialiser")
		d.pos++
		if d.byte() != 0 && d.msg == "" {
			d.pos--
			d.fail("zero byte expected")
		}
		t := d.tableType()
		init := d.constExpr()
		m.Tables = append(m.Tables, Table{Type: t, Init: &init})
	}
}

func (d *decoder) memorySection() {
	m := d.m
	n := d.vector("memories", len(m.Memories), d.opts.MaxMemories, 2)
	for ; n > 0 && !d.failed(); n-- {
		d.item()
		m.Memories = append(m.Memories, d.memoryType())
	}
}

func (d *decoder) tagSection() {
	m, start := d.m, d.pos
	n := d.vector("tags", len(m.Tags), d.opts.MaxTags, 2)
	for ; n > 0 && !d.failed(); n-- {
		d.item()
		m.Tags = append(m.Tags, d.tagType())
	}
	d.need(start, FeatureExceptionHandling, "the tag section") // if it is empty
}

func (d *decoder) globalSection() {
	m := d.m
	n := d.vector("globals", len(m.Globals), d.opts.MaxGlobals, 3)
	m.Globals = append(make([]Global, 0, len(m.Globals)+d.room(n, 6)), m.Globals...)
	for ; n > 0 && !d.failed(); n-- {
		d.item()
		t := d.globalType()
		m.Globals = append(m.Globals, Global{Type: t, Init: d.constExpr()})
	}
}

func (d *decoder) exportSection() {
	m := d.m
	n := d.vector("exports", 0, d.opts.MaxExports, 3)
	m.Exports = make([]Export, 0, d.room(n, 12))
	for ; n > 0 && !d.failed(); n-- {
		d.item()
		e := Export{Name: d.name()}
		kind := d.byte()
		if kind > byte(ExternTag) && d.msg == "" {
			d.pos--
			d.fail("malformed export kind")
		}
		e.Kind, e.Index = ExternKind(kind), d.u32()
		m.Exports = append(m.Exports, e)
	}
}

func (d *decoder) startSection() { d.m.Start = int64(d.u32()) }

func (d *decoder) dataCountSection() {
	start := d.pos
	d.need(start, FeatureBulkMemory, "the data count section")
	n := d.u32()
	d.limit(start, "data segments", uint64(n), d.opts.MaxDataSegments)
	d.m.DataCount = int64(n)
}

// constExpr takes a constant expression: everything up to the end that closes it. What may stand in it is the validator's
// business.
func (d *decoder) constExpr() ConstExpr {
	start := d.pos
	if d.failed() {
		return ConstExpr{}
	}
	d.instrs.Reset(d.code[start:], uint32(start))
	for depth := 1; depth > 0; {
		if err := d.instrs.Next(&d.in); err != nil {
			if d.other == nil {
				d.other = err
			}
			return ConstExpr{}
		}
		switch d.in.Op {
		case OpBlock, OpLoop, OpIf, OpTryTable:
			depth++
		case OpEnd:
			depth--
		}
	}
	d.pos = start + d.instrs.Pos()
	return ConstExpr{Code: d.code[start:d.pos:d.pos], Offset: uint32(start)}
}
