# Calling a thread's function in a program that has no pthread_exit. SPDX-License-Identifier: Apache-2.0

	.section	.text.__spt_call,"",@
	.weak	__spt_call
	.hidden	__spt_call
	.type	__spt_call,@function
# __spt_call(fn, arg) gives what fn(arg) returns. Weak: pthread_exit's, in exit.s, replaces it.
__spt_call:
	.functype	__spt_call (i32, i32) -> (i32)
	local.get	1
	local.get	0
	call_indirect	(i32) -> (i32)
	end_function
