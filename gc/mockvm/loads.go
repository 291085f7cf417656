package mockvm

import (
	"math/rand/v2"

	"github.com/spindle-wasm/spindle/gc"
)

// Node is a type of objects of 32 bytes with three references: left, right and any.
var Node = gc.Type{Name: "node", Size: 32, Refs: []uint32{8, 12, 16}}

// Tree makes a binary tree of n Nodes, level by level, in which each has besides a reference to a random older one. The root is in t.Stack[0].
func Tree(t *Thread, node gc.TypeID, n int, seed uint64) error {
	// What moves is found by the root only, and nothing does: the heap has room for the tree.
	objs := make([]uint32, n)
	rng := rand.New(rand.NewPCG(seed, 1))
	t.Stack = objs
	for i := range objs {
		r, err := t.Alloc(node, 0)
		if err != nil {
			return err
		}
		objs[i] = r
		if i > 0 {
			t.Write(objs[(i-1)/2], 8+uint32(i-1)%2*4, r)
			t.Write(r, 16, objs[rng.IntN(i)])
		}
	}
	t.Stack = append([]uint32(nil), objs[:1]...)
	return nil
}

// Cells makes n Nodes and writes their fields; none lives.
func Cells(t *Thread, node gc.TypeID, n int) error {
	mem := t.vm.Heap.Mem
	for range n {
		r, err := t.Alloc(node, 0)
		if err != nil {
			return err
		}
		*mem.Word(r + 8), *mem.Word(r + 16), *mem.Word(r + 24) = 1, 2, 3
	}
	return nil
}

// Churn is a mutator of which few objects live on: they become the first of lists, each of which is dropped at times.
type Churn struct {
	t     *Thread
	types [2]gc.TypeID // Node; an array of references, which holds lists
	rng   *rand.Rand
}

const (
	churnArrays = 64
	churnLists  = 64 // of an array
	churnLength = 64 // of a list on average, when it is dropped
)

// NewChurn makes the lists, which are empty, on t.Stack.
func NewChurn(t *Thread, seed uint64) (*Churn, error) {
	c := &Churn{t: t, rng: rand.New(rand.NewPCG(seed, 2))}
	for i, typ := range []gc.Type{Node, {Name: "lists", Elem: 4, ElemRef: true}} {
		id, err := t.vm.Heap.Mem.Types.Add(typ)
		if err != nil {
			return nil, err
		}
		c.types[i] = id
	}
	t.Stack = make([]uint32, churnArrays)
	for i := range t.Stack {
		r, err := t.Alloc(c.types[1], churnLists)
		if err != nil {
			return nil, err
		}
		t.Stack[i] = r
	}
	return c, nil
}

// Run makes n objects of which so many in a hundred live on.
func (c *Churn) Run(n, percent int) error {
	mem := c.t.vm.Heap.Mem
	for range n {
		r, err := c.t.Alloc(c.types[0], 0)
		if err != nil {
			return err
		}
		x := c.rng.Uint64()
		if int(x>>32)%100 >= percent {
			continue
		}
		array, list := c.t.Stack[x%churnArrays], uint32(x>>8%churnLists)*4+8
		if x>>24%churnLength != 0 {
			*mem.Slot(r + 8) = *mem.Slot(array + list) // a young object: no barrier
		}
		*mem.Slot(r + 12) = c.t.Stack[x>>16%churnArrays] // an old one
		c.t.Write(array, list, r)
	}
	return nil
}
