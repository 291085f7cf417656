// Package spindle runs WebAssembly: multi-threaded, garbage-collected guests that can be stopped anywhere. Pure Go, no cgo.
//
// The way of a program:
//
//	rt := spindle.NewRuntime()               // limits, features, caches; many per program
//	mod, err := rt.Compile(ctx, bytes)       // decode, validate; immutable, shared
//	inst, err := rt.Instantiate(ctx, mod, spindle.Config{Imports: ...}) // a library: call its exports
//	res, err := inst.Call(ctx, "add", 1, 2)
//	p, err := rt.Start(ctx, mod, spindle.Config{Imports: ...})          // a program: runs _start
//	err = p.Wait(ctx)
//
// Every instance belongs to a [Process], the unit of exit, limits and (later) fork. Instances of one Process can import from
// each other; Processes share nothing but shared memories that the embedder gives to several.
//
// # Concurrency
//
// Runtimes and Modules are safe for concurrent use. Calls of a Process's exports run on its main thread, one goroutine's at a time: one while another
// goroutine's is under way fails with [ErrBusy]. To run several at once, give each a thread ([Process.Spawn]) or a Process. Process.Close, and
// contexts, may end a guest from any goroutine; so may Process.Pause stop it, and Process.ThreadDump look at it.
//
// # Values
//
// Arguments and results travel in 8-byte slots: i32 and f32 in the low half, i64 and f64 whole, v128 as two slots (low half first),
// references as opaque words made and read by the Process ([Process.ExternRef], [Func.Ref]). Of a slot for 32 bits, references included, the
// upper half does not matter in what goes in and is zero in what comes out. [I32], [F64] and their like convert.
//
// A reference that the embedder holds is good for as long as guest code can reach it. One that guest code cannot reach is good until guest code
// runs again, in a host function until that returns. In a Process with a garbage-collected heap ([GCConfig]) references to objects and host values are local
// references ([Objects]): those of a host function are good until it returns, results of a call from outside until the next call, whoever reaches
// them; a word that is none is refused.
//
// # Errors
//
// Errors are typed, for errors.As: [*ExitError], [*TrapError], [*LinkError], [*ValidationError], [*MalformedError], [*FeatureError],
// [*LimitError], [*ExceptionError], [*ImplementationLimitError], [*SyntaxError] of the text format, [*RefError] of objects.
package spindle
