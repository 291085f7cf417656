package gcguests

import "math"

// The algorithms of graph.wat, dispatch.wat, exceptions.wat and roots.wat.

type node struct {
	id, stamp int32
	edges     []*node
}

type graph struct {
	random
	nodes int32
}

func (g *graph) new(degree int) *node {
	g.nodes++
	return &node{id: g.nodes, edges: make([]*node, degree)}
}

func walk(h int64, at *node, steps int) int64 {
	for ; at != nil && steps > 0; steps-- {
		at.stamp++
		h = mix(h, int64(at.id*7+at.stamp))
		at = at.edges[(steps+int(at.stamp))%len(at.edges)]
	}
	return h
}

func mutate(n, steps int32) (h int64) {
	g := &graph{random: random(n)}
	all := make([]*node, n)
	for i := range all {
		all[i] = g.new(1 + i&7)
	}
	for range steps {
		i := g.below(len(all))
		x := all[i]
		slot := g.below(len(x.edges))
		switch g.below(8) {
		case 0, 1:
			x.edges[slot] = all[g.below(len(all))]
		case 2:
			y := g.new(2)
			y.edges[0], y.edges[1] = x, x.edges[slot]
			x.edges[slot] = y
		case 3:
			y := g.new(len(x.edges))
			copy(y.edges, x.edges)
			all[i] = y
		case 4:
			x.edges[slot] = nil
		case 5:
			h = walk(h, x, 12)
		case 6:
			all[g.below(len(all))].edges = x.edges
		case 7:
			if len(x.edges) < 12 {
				x.edges = append([]*node{x}, x.edges...)
			}
		}
	}
	for _, x := range all {
		h = walk(h, x, 5)
	}
	return mix(h, int64(g.nodes))
}

// machine evaluates expressions; it counts values that an i31 cannot hold as the guest's three interpreters do.
type machine struct {
	random
	boxes int64
}

type expr func(m *machine, env []int64) int64

// box counts a value each time that one is made: what was made once, when the expression was built, in any case once.
func (m *machine) box(v int64) int64 {
	if v<<33>>33 != v {
		m.boxes++
	}
	return v
}

func (m *machine) build(depth, vars int) expr {
	if depth == 0 {
		if m.below(4)&1 == 1 {
			v := m.box(int64(m.below(100000)))
			return func(*machine, []int64) int64 { return v }
		}
		up := m.below(vars)
		return func(_ *machine, env []int64) int64 { return env[len(env)-1-up] }
	}
	op := m.below(8)
	inner := vars
	if op == 6 {
		inner++
	}
	a := m.build(depth-1, vars)
	b := m.build(depth-1, inner)
	switch op {
	case 0, 1, 2:
		return func(m *machine, env []int64) int64 { return m.box(a(m, env) + b(m, env)) }
	case 3, 4:
		return func(m *machine, env []int64) int64 { return m.box(a(m, env) * b(m, env)) }
	case 5:
		return func(m *machine, env []int64) int64 { return m.box(a(m, env) ^ b(m, env)) }
	case 6:
		return func(m *machine, env []int64) int64 { return b(m, append(env[:len(env):len(env)], a(m, env))) }
	}
	c := m.build(depth-1, vars)
	return func(m *machine, env []int64) int64 {
		if a(m, env)&1 == 1 {
			return b(m, env)
		}
		return c(m, env)
	}
}

func evaluate(depth, rounds int32) (h int64) {
	m := &machine{random: random(depth)}
	x := m.build(int(depth), 1)
	for i := range rounds {
		before := m.boxes
		v := x(m, []int64{int64(i * 7919)})
		m.boxes += 2 * (m.boxes - before) // three interpreters
		m.box(int64(i * 7919))            // the environment is made once
		h = mix(h, v)
	}
	return mix(h, m.boxes)
}

func unwind(depth, times int32) (h int64) {
	for range times {
		for level := depth / 3 * 3; level >= 0; level -= 3 {
			h = mix(h, int64(level))
		}
	}
	return h
}

// look sums up what the exception with a number carries.
func look(h int64, i int32) int64 {
	h = mix(h, int64(i))
	if i&1 == 1 {
		h = mix(h, int64(i*3))
	}
	return mix(mix(h, int64(i)*0x100000001), int64(i<<1>>1))
}

func keep(n int32) (h int64) {
	var waiting [16]int32
	var list [8]int32
	for i := range n {
		waiting[i&15], list[i&7] = i+200, i+300
		h = look(look(h, i), i+100)
		h = look(look(h, waiting[i&15>>1]), list[i&7>>1])
	}
	return h
}

func through(_, times int32) (h int64) {
	for i := times; i > 0; i-- {
		h = look(h, i)
	}
	return h
}

// Values of roots.wat as value sums them up: an i31, a box, a pair, null.
type (
	i31  int32
	box  struct{ v int32 }
	pair struct{ a, b any }
)

func value(x any) int64 {
	switch x := x.(type) {
	case i31:
		return int64(x)
	case *box:
		return int64(x.v) + 1_000_000
	case *pair:
		return mix(value(x.a), value(x.b))
	}
	return -1
}

func deep(n int32) int64 {
	if n == 0 {
		return 1
	}
	x := &box{n}
	y, z := any(x), any(nil)
	if n&1 == 1 {
		y = i31(n)
	}
	if n&7 == 0 {
		z = &pair{y, x}
	}
	h := deep(n - 1)
	for _, v := range []any{&box{n * 5}, y, z, x} {
		h = mix(h, value(v))
	}
	return h
}

func places(rounds int32) (h int64) {
	things, strange := make([]any, 32, 256), make([]any, 8)
	g0, g1, g2 := any(nil), any(i31(9)), any(&box{77})
	kept := []any{&box{5}, i31(6), g2}
	for i := int32(1); i <= rounds; i++ {
		g0 = &box{i}
		b := any(nil)
		if i&1 == 0 {
			b = &box{3}
		}
		things[i&31] = &pair{&box{i + 1}, i31(i)}
		things[i*7&31] = b
		if i&63 == 0 {
			copy(things[3:23], things[1:21])
			filled := &box{i}
			things[25], things[26], things[27] = filled, filled, filled
			copy(things[30:], kept[:2])
			if len(things) < 200 {
				more := &box{i * 2}
				things = append(things, more, more, more)
			}
		}
		if i&3 != 0 {
			g1 = g0
		}
		strange[i&7] = things[i*3&31]
		for _, v := range []any{strange[i*5&7], g0, g1, things[int(i)%len(things)]} {
			h = mix(h, value(v))
		}
		h = mix(h, 1)
	}
	return mix(mix(h, 1), value(kept[0]))
}

func wide(n int32) (h int64) {
	bit := func(v int64) { h = mix(h, v) }
	for i := range n {
		bit(int64(int8(i * 3)))
		bit(0xFF)
		bit(int64(uint16(i * 40503)))
		bit(int64(int16(-i)))
		bit(0)
		bit(int64(i) * -0x123456789)
		bit(int64(int32(math.Float32bits(float32(i)))))
		bit(int64(math.Float64bits(1 / float64(i+1))))
		bit(int64(i))
		bit(value(&box{i}))
		if i == 0 {
			bit(-1)
		} else {
			bit(value(&box{i - 1}))
		}
		bit(int64(-i))
		bit(0x3FFFFFFF)
		bit(1)
		if i > 0 {
			bit(int64(i - 1))
		}
	}
	return h
}
