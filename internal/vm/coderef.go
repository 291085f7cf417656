package vm

// Snapshotter is an Engine whose threads can be written to a file.
type Snapshotter interface {
	Engine

	// Name tells the engine and the version of its code: a file of another one is not read.
	Name() string

	// CodeRefs calls visit for each code address on t's guest stack and in its context.
	// Preconditions: as for Frames; t has at most one activation.
	CodeRefs(t *Thread, visit func(CodeRef)) error

	// SetCodeRef writes the code address that r describes, into a stack of size bytes.
	SetCodeRef(t *Thread, r CodeRef, size uint64) error

	// CheckFrames says what is wrong with a stack of size bytes whose code addresses have been set.
	CheckFrames(t *Thread, size uint64) error

	// Digest is a checksum of a defined function's code, equal in every process with equal code.
	Digest(c Code, fn uint32) ([32]byte, error)
}

// CodeRef is a code address in a form that means the same in another process.
type CodeRef struct {
	At                    uint64 // offset from Context.StackBase of the word that has it; AtPC for Context.PC
	Kind                  CodeRefKind
	Instance, Func, Index uint32 // the instruction; not of RefEnd and RefBridge
}

// AtPC is CodeRef.At of the address in the context.
const AtPC = ^uint64(0)

// CodeRefKind tells what kind of address it is.
type CodeRefKind uint8

const (
	RefAt     CodeRefKind = iota // of the instruction
	RefAfter                     // behind it: a return address
	RefEnd                       // the activation's end
	RefBridge                    // the way back into another instance
	numRefKinds
)
