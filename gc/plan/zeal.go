package plan

// Zealous reports whether Safepoint is to be called at every safepoint (Options.Zeal); otherwise an engine need not.
func (m *Mutator) Zealous() bool { return m.base.Opts.Zeal > 0 }

// Safepoint runs a collection if it is the safepoint's turn, of the young and of the whole heap in turns. The mutator's roots are known, as for Base.Collect;
// errors are the same.
func (m *Mutator) Safepoint() error {
	if m.base.Opts.Zeal == 0 {
		return nil
	}
	if m.zeal++; m.zeal < m.base.Opts.Zeal || m.base.held.Load() {
		return nil
	}
	m.zeal = 0
	m.turn = !m.turn
	return m.base.Collect(m, m.turn)
}
