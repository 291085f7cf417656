// Hello is the Go guest whose whole-process time the bench measures: built
// with GOOS=wasip1 GOARCH=wasm, it is about 2.6 MB of which almost nothing
// runs, so its time is that of loading, compiling and starting.
package main

import "fmt"

func main() { fmt.Println("hello from Go") }
