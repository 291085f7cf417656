module github.com/spindle-wasm/spindle/bench

go 1.26.0

require (
	github.com/spindle-wasm/spindle v0.0.0
	github.com/tetratelabs/wazero v1.12.0
	golang.org/x/sys v0.49.0
)

replace github.com/spindle-wasm/spindle => ../
