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
