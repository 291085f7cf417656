package spindle

// The plain Go signatures of host functions, by number of parameters. Types are resolved when the function is made; a call
// moves its values straight between slots and Go variables.

// Proc0 makes a host function of 0 parameters and no result.
func Proc0(f func(*Caller)) *HostFunc {
	return RawFunc(FuncType{}, func(c *Caller, _ []uint64) { f(c) })
}

// Func0 makes a host function of 0 parameters and one result.
func Func0[R Value](f func(*Caller) R) *HostFunc {
	return RawFunc(FuncType{Results: []ValueType{typeOf[R]()}}, func(c *Caller, s []uint64) { put(&s[0], f(c)) })
}

// Proc1 makes a host function of 1 parameter and no result.
func Proc1[A0 Value](f func(*Caller, A0)) *HostFunc {
	return RawFunc(FuncType{Params: []ValueType{typeOf[A0]()}}, func(c *Caller, s []uint64) { f(c, get[A0](&s[0])) })
}

// Func1 makes a host function of 1 parameter and one result.
func Func1[A0, R Value](f func(*Caller, A0) R) *HostFunc {
	return RawFunc(FuncType{Params: []ValueType{typeOf[A0]()}, Results: []ValueType{typeOf[R]()}}, func(c *Caller, s []uint64) { put(&s[0], f(c, get[A0](&s[0]))) })
}

// Proc2 makes a host function of 2 parameters and no result.
func Proc2[A0, A1 Value](f func(*Caller, A0, A1)) *HostFunc {
	return RawFunc(FuncType{Params: []ValueType{typeOf[A0](), typeOf[A1]()}}, func(c *Caller, s []uint64) { f(c, get[A0](&s[0]), get[A1](&s[1])) })
}

// Func2 makes a host function of 2 parameters and one result.
func Func2[A0, A1, R Value](f func(*Caller, A0, A1) R) *HostFunc {
	return RawFunc(FuncType{Params: []ValueType{typeOf[A0](), typeOf[A1]()}, Results: []ValueType{typeOf[R]()}}, func(c *Caller, s []uint64) { put(&s[0], f(c, get[A0](&s[0]), get[A1](&s[1]))) })
}

// Proc3 makes a host function of 3 parameters and no result.
func Proc3[A0, A1, A2 Value](f func(*Caller, A0, A1, A2)) *HostFunc {
	return RawFunc(FuncType{Params: []ValueType{typeOf[A0](), typeOf[A1](), typeOf[A2]()}}, func(c *Caller, s []uint64) { f(c, get[A0](&s[0]), get[A1](&s[1]), get[A2](&s[2])) })
}

// Func3 makes a host function of 3 parameters and one result.
func Func3[A0, A1, A2, R Value](f func(*Caller, A0, A1, A2) R) *HostFunc {
	return RawFunc(FuncType{Params: []ValueType{typeOf[A0](), typeOf[A1](), typeOf[A2]()}, Results: []ValueType{typeOf[R]()}}, func(c *Caller, s []uint64) { put(&s[0], f(c, get[A0](&s[0]), get[A1](&s[1]), get[A2](&s[2]))) })
}

// Proc4 makes a host function of 4 parameters and no result.
func Proc4[A0, A1, A2, A3 Value](f func(*Caller, A0, A1, A2, A3)) *HostFunc {
	return RawFunc(FuncType{Params: []ValueType{typeOf[A0](), typeOf[A1](), typeOf[A2](), typeOf[A3]()}}, func(c *Caller, s []uint64) { f(c, get[A0](&s[0]), get[A1](&s[1]), get[A2](&s[2]), get[A3](&s[3])) })
}

// Func4 makes a host function of 4 parameters and one result.
func Func4[A0, A1, A2, A3, R Value](f func(*Caller, A0, A1, A2, A3) R) *HostFunc {
	return RawFunc(FuncType{Params: []ValueType{typeOf[A0](), typeOf[A1](), typeOf[A2](), typeOf[A3]()}, Results: []ValueType{typeOf[R]()}}, func(c *Caller, s []uint64) {
		put(&s[0], f(c, get[A0](&s[0]), get[A1](&s[1]), get[A2](&s[2]), get[A3](&s[3])))
	})
}

// Proc5 makes a host function of 5 parameters and no result.
func Proc5[A0, A1, A2, A3, A4 Value](f func(*Caller, A0, A1, A2, A3, A4)) *HostFunc {
	return RawFunc(FuncType{Params: []ValueType{typeOf[A0](), typeOf[A1](), typeOf[A2](), typeOf[A3](), typeOf[A4]()}}, func(c *Caller, s []uint64) {
		f(c, get[A0](&s[0]), get[A1](&s[1]), get[A2](&s[2]), get[A3](&s[3]), get[A4](&s[4]))
	})
}

// Func5 makes a host function of 5 parameters and one result.
func Func5[A0, A1, A2, A3, A4, R Value](f func(*Caller, A0, A1, A2, A3, A4) R) *HostFunc {
	return RawFunc(FuncType{Params: []ValueType{typeOf[A0](), typeOf[A1](), typeOf[A2](), typeOf[A3](), typeOf[A4]()}, Results: []ValueType{typeOf[R]()}}, func(c *Caller, s []uint64) {
		put(&s[0], f(c, get[A0](&s[0]), get[A1](&s[1]), get[A2](&s[2]), get[A3](&s[3]), get[A4](&s[4])))
	})
}

// Proc6 makes a host function of 6 parameters and no result.
func Proc6[A0, A1, A2, A3, A4, A5 Value](f func(*Caller, A0, A1, A2, A3, A4, A5)) *HostFunc {
	return RawFunc(FuncType{Params: []ValueType{typeOf[A0](), typeOf[A1](), typeOf[A2](), typeOf[A3](), typeOf[A4](), typeOf[A5]()}}, func(c *Caller, s []uint64) {
		f(c, get[A0](&s[0]), get[A1](&s[1]), get[A2](&s[2]), get[A3](&s[3]), get[A4](&s[4]), get[A5](&s[5]))
	})
}

// Func6 makes a host function of 6 parameters and one result.
func Func6[A0, A1, A2, A3, A4, A5, R Value](f func(*Caller, A0, A1, A2, A3, A4, A5) R) *HostFunc {
	return RawFunc(FuncType{Params: []ValueType{typeOf[A0](), typeOf[A1](), typeOf[A2](), typeOf[A3](), typeOf[A4](), typeOf[A5]()}, Results: []ValueType{typeOf[R]()}}, func(c *Caller, s []uint64) {
		put(&s[0], f(c, get[A0](&s[0]), get[A1](&s[1]), get[A2](&s[2]), get[A3](&s[3]), get[A4](&s[4]), get[A5](&s[5])))
	})
}

// Proc7 makes a host function of 7 parameters and no result.
func Proc7[A0, A1, A2, A3, A4, A5, A6 Value](f func(*Caller, A0, A1, A2, A3, A4, A5, A6)) *HostFunc {
	return RawFunc(FuncType{Params: []ValueType{typeOf[A0](), typeOf[A1](), typeOf[A2](), typeOf[A3](), typeOf[A4](), typeOf[A5](), typeOf[A6]()}}, func(c *Caller, s []uint64) {
		f(c, get[A0](&s[0]), get[A1](&s[1]), get[A2](&s[2]), get[A3](&s[3]), get[A4](&s[4]), get[A5](&s[5]), get[A6](&s[6]))
	})
}

// Func7 makes a host function of 7 parameters and one result.
func Func7[A0, A1, A2, A3, A4, A5, A6, R Value](f func(*Caller, A0, A1, A2, A3, A4, A5, A6) R) *HostFunc {
	return RawFunc(FuncType{Params: []ValueType{typeOf[A0](), typeOf[A1](), typeOf[A2](), typeOf[A3](), typeOf[A4](), typeOf[A5](), typeOf[A6]()}, Results: []ValueType{typeOf[R]()}}, func(c *Caller, s []uint64) {
		put(&s[0], f(c, get[A0](&s[0]), get[A1](&s[1]), get[A2](&s[2]), get[A3](&s[3]), get[A4](&s[4]), get[A5](&s[5]), get[A6](&s[6])))
	})
}

// Proc8 makes a host function of 8 parameters and no result.
func Proc8[A0, A1, A2, A3, A4, A5, A6, A7 Value](f func(*Caller, A0, A1, A2, A3, A4, A5, A6, A7)) *HostFunc {
	return RawFunc(FuncType{Params: []ValueType{typeOf[A0](), typeOf[A1](), typeOf[A2](), typeOf[A3](), typeOf[A4](), typeOf[A5](), typeOf[A6](), typeOf[A7]()}}, func(c *Caller, s []uint64) {
		f(c, get[A0](&s[0]), get[A1](&s[1]), get[A2](&s[2]), get[A3](&s[3]), get[A4](&s[4]), get[A5](&s[5]), get[A6](&s[6]), get[A7](&s[7]))
	})
}

// Func8 makes a host function of 8 parameters and one result.
func Func8[A0, A1, A2, A3, A4, A5, A6, A7, R Value](f func(*Caller, A0, A1, A2, A3, A4, A5, A6, A7) R) *HostFunc {
	return RawFunc(FuncType{Params: []ValueType{typeOf[A0](), typeOf[A1](), typeOf[A2](), typeOf[A3](), typeOf[A4](), typeOf[A5](), typeOf[A6](), typeOf[A7]()}, Results: []ValueType{typeOf[R]()}}, func(c *Caller, s []uint64) {
		put(&s[0], f(c, get[A0](&s[0]), get[A1](&s[1]), get[A2](&s[2]), get[A3](&s[3]), get[A4](&s[4]), get[A5](&s[5]), get[A6](&s[6]), get[A7](&s[7])))
	})
}
