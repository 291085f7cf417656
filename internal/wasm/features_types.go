package wasm

// typeFeature returns the feature that a value type needs and how to call the type in an error.
func typeFeature(t ValType) (Features, string) {
	switch {
	case t.IsNum() || t == Bottom:
		return FeatureMvp, ""
	case t == V128:
		return FeatureSimd, "the type v128"
	case t == I8 || t == I16:
		return FeatureGc, "a packed type"
	}
	h := t.Heap()
	if h.Concrete() {
		return FeatureFunctionReferences, "a typed reference"
	}
	f := FeatureGc
	switch h {
	case HeapFunc, HeapExtern:
		f = FeatureReferenceTypes
	case HeapExn, HeapNoExn:
		f = FeatureExceptionHandling
	}
	if !t.Nullable() {
		f |= FeatureFunctionReferences
	}
	return f, heapFeatureNames[-h]
}

// heapFeatureNames are constants at hand, so that asking for a type's feature allocates nothing.
var heapFeatureNames = func() (t [0x20]string) {
	for h, n := range heapNames {
		if h != HeapBottom {
			t[-h] = "the type " + n
		}
	}
	return t
}()
