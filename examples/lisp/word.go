package main

import "github.com/spindle-wasm/spindle/gc/heap"

// word is a value: what a slot of the stack, a register or a field of an object holds. The lowest two bits tell what it is, as the heap wants them
// (heap.IsObject), so that the collector can look at any word without being told which ones are references.
//
//	00  an object of the heap; 0 is no value
//	10  something that is not in the heap: kind in the next six bits, number in the upper 24
//	x1  an integer of 31 bits
type word = uint32

type kind uint32

const (
	kindConst  kind = iota // nil, true and the like
	kindFrame              // the top word of a frame on the stack: what to do with a value (eval.go)
	kindForm               // a special form, by its number in forms
	kindPrim               // a function in Go, by its number in prims
	kindThread             // what spawn returned, by its number in VM.threads
)

func special(k kind, n int) word { return word(n)<<8 | word(k)<<2 | 2 }

func isSpecial(w word, k kind) bool { return w&0xff == word(k)<<2|2 }

// number is a special's number.
func number(w word) int { return int(w >> 8) }

// The constants, in the order of constNames.
var (
	null   = special(kindConst, 0) // the empty list
	truth  = special(kindConst, 1)
	falsum = special(kindConst, 2)
	void   = special(kindConst, 3)
	// Marks of the reader, on its stack.
	open   = special(kindConst, 4)
	openV  = special(kindConst, 5)
	quoteM = special(kindConst, 6)
	dot    = special(kindConst, 7)
)

var constNames = [...]string{"()", "#t", "#f", "#void", "(", "#(", "'", "."}

func truthOf(b bool) word {
	if b {
		return truth
	}
	return falsum
}

const (
	minInt = -1 << 30
	maxInt = 1<<30 - 1
)

func integer(n int) word { return word(n)<<1 | 1 }

func isInt(w word) bool { return w&1 == 1 }

func intOf(w word) int { return int(int32(w) >> 1) }

// Where an object's fields are. A header of 8 bytes comes first.
const (
	carAt = heap.HeaderSize
	cdrAt = carAt + 4

	symName  = heap.HeaderSize // a string
	symValue = symName + 4     // the global variable; 0: none

	fnParams = heap.HeaderSize
	fnBody   = fnParams + 4
	fnEnv    = fnBody + 4
	fnName   = fnEnv + 4

	weakRef = heap.HeaderSize // 0 when the object is gone
)
