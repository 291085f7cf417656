package main

import "context"

// An Engine is one contestant. Its methods are used from one goroutine.
type Engine interface {
	// Name is the column's title.
	Name() string
	// Load compiles and instantiates a module with no imports.
	Load(ctx context.Context, wasm []byte) (Instance, error)
	// CompileStart goes from bytes to the return of the export "first" (one
	// i32 in and out), and closes everything. Nothing is cached between calls.
	CompileStart(ctx context.Context, wasm []byte) error
	// Instantiator compiles once; each call of the result makes an instance
	// and closes it.
	Instantiator(ctx context.Context, wasm []byte) (step func() error, done func() error, err error)
	// HostToGuest gives a function that calls the export "add" n times in the
	// engine's cheapest way that the public API offers.
	HostToGuest(ctx context.Context, wasm []byte) (calls func(n int) error, done func() error, err error)
	// GuestToHost gives a function that has the guest call the import env.add
	// n times.
	GuestToHost(ctx context.Context, wasm []byte) (calls func(n int) error, done func() error, err error)
	Close(ctx context.Context) error
}

// An Instance runs one kernel.
type Instance interface {
	// Run calls the export "run", from i32 to i64: the kernel's checksum.
	Run(ctx context.Context, n int32) (int64, error)
	Close(ctx context.Context) error
}
