package wasm

import (
	"fmt"
	"strings"
)

// Features is a set of WebAssembly features. All finished ones are on by default; each can be switched off.
type Features uint32

const (
	FeatureSignExtension Features = 1 << iota
	FeatureSaturatingFloatToInt
	FeatureMultiValue
	FeatureMutableGlobals
	FeatureBulkMemory
	FeatureReferenceTypes
	FeatureSimd
	FeatureRelaxedSimd
	FeatureTailCall
	FeatureExtendedConst
	FeatureFunctionReferences
	FeatureGc
	FeatureExceptionHandling
	FeatureMultiMemory
	FeatureMemory64 // 64-bit memories and tables
	FeatureThreads

	// FeatureMvp marks instructions of WebAssembly 1.0: always on.
	FeatureMvp Features = 0

	numFeatures = 16
	// AllFeatures is the default: WebAssembly 3.0 and the threads proposal.
	AllFeatures Features = 1<<numFeatures - 1
)

var featureNames = [numFeatures]string{
	"sign-extension", "saturating-float-to-int", "multi-value", "mutable-globals", "bulk-memory", "reference-types", "simd", "relaxed-simd",
	"tail-call", "extended-const", "function-references", "gc", "exception-handling", "multi-memory", "memory64", "threads",
}

// Has reports whether all of g are in f.
func (f Features) Has(g Features) bool { return f&g == g }

// Names lists the features of the set, in the order in which they were standardised.
func (f Features) Names() []string {
	var names []string
	for i, n := range featureNames {
		if f&(1<<i) != 0 {
			names = append(names, n)
		}
	}
	return names
}

func (f Features) String() string {
	if f == 0 {
		return "mvp"
	}
	return strings.Join(f.Names(), ",")
}

// ParseFeature returns the feature of that name.
func ParseFeature(name string) (Features, error) {
	for i, n := range featureNames {
		if n == name {
			return 1 << i, nil
		}
	}
	return 0, fmt.Errorf("unknown feature %q (known: %s)", name, strings.Join(featureNames[:], ", "))
}
