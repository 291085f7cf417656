package wat_test

import (
	"fmt"
	"os"

	"github.com/spindle-wasm/spindle/internal/wasm"
	"github.com/spindle-wasm/spindle/internal/wat"
)

func ExampleAssemble() {
	bin, err := wat.Assemble([]byte(`(module (func (export "answer") (result i32) i32.const 42))`), wat.Options{})
	fmt.Printf("%x %v\n", bin[:8], err)
	_, err = wat.Assemble([]byte("(func (export \"answer\")\n  i32.const forty-two)"), wat.Options{})
	fmt.Println(err)
	// Output:
	// 0061736d01000000 <nil>
	// 2:13: unknown operator forty-two, want an integer
}

func ExampleSourceMap() {
	var sm wat.SourceMap
	bin, err := wat.Assemble([]byte("(func (result i32)\n  (i32.add (i32.const 1) (f32.const 2)))"), wat.Options{Map: &sm})
	if err != nil {
		panic(err)
	}
	m, err := wasm.Decode(bin, wasm.DecodeOptions{Features: wasm.AllFeatures})
	if err != nil {
		panic(err)
	}
	err = wasm.Validate(m, wasm.NewTypeSpace(), wasm.ValidateOptions{})
	fmt.Println(sm.Pos(err.(*wasm.ValidationError).Offset))
	// Output: 2:4 true
}

func ExamplePrint() {
	bin, err := wat.Assemble([]byte(`(func $add (param $x i32) (result i32) (i32.add (local.get $x) (i32.const 1)))`), wat.Options{})
	if err != nil {
		panic(err)
	}
	m, err := wasm.Decode(bin, wasm.DecodeOptions{Features: wasm.AllFeatures})
	if err != nil {
		panic(err)
	}
	if err := wat.Print(os.Stdout, m, wat.PrintOptions{}); err != nil {
		panic(err)
	}
	// Output:
	// (module
	//   (type (;0;) (func (param i32) (result i32)))
	//   (func $add (;0;) (type 0) (param $x i32) (result i32)
	//     local.get $x
	//     i32.const 1
	//     i32.add))
}

func ExampleParseScript() {
	script, err := wat.ParseScript([]byte(`
(module (func (export "id") (param i32) (result i32) local.get 0))
(assert_return (invoke "id" (i32.const 7)) (i32.const 7))`))
	if err != nil {
		panic(err)
	}
	for _, c := range script.Commands {
		fmt.Println(c.Pos, c.Kind)
	}
	// Output:
	// 2:1 module
	// 3:1 assert_return
}
