package vm

import "reflect"

// comparable_ reports whether v can be a map key without a panic.
func comparable_(v any) bool {
	return reflect.TypeOf(v).Comparable() && reflect.ValueOf(v).Comparable()
}
