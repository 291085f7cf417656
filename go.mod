module github.com/spindle-wasm/spindle

go 1.26
