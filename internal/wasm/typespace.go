package wasm

// TypeID is the canonical identity of a defined type within one TypeSpace: equal exactly if the types are equivalent
// (iso-recursive equality of their recursion groups, specification 3.3.13), whatever module they came from.
type TypeID uint32
