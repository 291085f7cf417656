package modgen

import "github.com/spindle-wasm/spindle/internal/wasm"

// Config says what Generate may use.
type Config struct {
	// Features that the module may need.
	Features wasm.Features
	// Aggregates allows struct and array instructions (with FeatureGc); their types occur without it too.
	Aggregates bool
	// CanonicalNaN makes every NaN whose bits the specification leaves open the canonical one.
	CanonicalNaN bool
	// Imports allows imports; Support makes a module that satisfies those from module SupportName, the functions of module
	// HostName have parameters and results of numeric types only, for the embedder to supply.
	Imports bool
	// Peers leaves out what other engines are known to do differently from the specification: memory.init of segments that
	// are not passive, active segments out of bounds, element segments of anything but functions, select of exception
	// references, and clauses that catch the values of exceptions with vectors. Package bench has an example of each.
	Peers bool
	// MaxFuncs bounds the defined functions; 0 means 8.
	MaxFuncs int
	// MaxInstrs bounds the instructions of a function, roughly; 0 means 300.
	MaxInstrs int
	// Fuel is the number of loop iterations and calls until the module traps; 0 means 500.
	Fuel int32
}

// Names of imports and exports. Functions are exported as "f" with their index, tables as "t", memories as "m", globals as
// "g", tags as "e".
const (
	SupportName = "env"
	HostName    = "host"
	// Refuel is an exported function without parameters or results that fills up the fuel. It takes no fuel itself.
	Refuel = "refuel"
)

// normalize drops features whose prerequisites are missing.
func (c Config) normalize() Config {
	need := func(f, on wasm.Features) {
		if !c.Features.Has(on) {
			c.Features &^= f
		}
	}
	need(wasm.FeatureReferenceTypes, wasm.FeatureBulkMemory)
	need(wasm.FeatureFunctionReferences, wasm.FeatureReferenceTypes)
	need(wasm.FeatureGc, wasm.FeatureFunctionReferences)
	need(wasm.FeatureExceptionHandling, wasm.FeatureReferenceTypes|wasm.FeatureMultiValue)
	need(wasm.FeatureRelaxedSimd, wasm.FeatureSimd)
	if !c.Features.Has(wasm.FeatureGc) {
		c.Aggregates = false
	}
	if c.MaxFuncs == 0 {
		c.MaxFuncs = 8
	}
	if c.MaxInstrs == 0 {
		c.MaxInstrs = 300
	}
	if c.Fuel == 0 {
		c.Fuel = 500
	}
	return c
}

// Generate returns the module that the choices stand for.
func Generate(data []byte, cfg Config) []byte {
	g := &gen{c: &choices{data: data}, cfg: cfg.normalize(), start: -1}
	g.taste()
	g.makeTypes()
	g.makeNodeTypes()
	g.makeSpaces()
	g.makeSegments()
	g.makeBodies()
	return g.encode()
}
