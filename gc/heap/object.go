package heap

import "sync/atomic"

// Types in headers of objects that have been copied. The upper half of a forwarded header is the copy's Ref.
const (
	typeBusy      = ^uint32(0)     // a worker is copying the object
	typeForwarded = ^uint32(0) - 1 // it has been copied
)

// Header makes a header.
func Header(t TypeID, length uint32) uint64 { return uint64(length)<<32 | uint64(t) }

// TypeOf returns an object's type.
func (m *Memory) TypeOf(r Ref) TypeID { return TypeID(*m.Slot(r)) }

// Length returns an array's length.
func (m *Memory) Length(r Ref) uint32 { return *m.Slot(r + LengthOffset) }

// SizeOf returns an object's size in bytes.
func (m *Memory) SizeOf(r Ref) uint32 {
	h := *m.Word(r)
	return m.Types.All()[uint32(h)].Bytes(uint32(h >> 32))
}

// Claim makes the caller the one who copies an object: it returns the object's header and true, or, when another worker has copied it
// (waited for if need be), the copy and false. Settle must follow a claim.
func (m *Memory) Claim(r Ref) (header uint64, copied Ref, claimed bool) {
	w := m.Word(r)
	for {
		h := atomic.LoadUint64(w)
		switch uint32(h) {
		case typeForwarded:
			return 0, Ref(h >> 32), false
		case typeBusy:
			spin()
			continue
		}
		if atomic.CompareAndSwapUint64(w, h, uint64(typeBusy)) {
			return h, 0, true
		}
	}
}

// Settle ends a claim: to is the copy.
func (m *Memory) Settle(r, to Ref) {
	atomic.StoreUint64(m.Word(r), uint64(to)<<32|uint64(typeForwarded))
}

// Unclaim ends a claim without a copy.
func (m *Memory) Unclaim(r Ref, header uint64) { atomic.StoreUint64(m.Word(r), header) }

// Forwarded returns the copy of an object if it was copied.
func (m *Memory) Forwarded(r Ref) (Ref, bool) {
	h := atomic.LoadUint64(m.Word(r))
	return Ref(h >> 32), uint32(h) == typeForwarded
}
