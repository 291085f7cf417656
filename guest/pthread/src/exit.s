# Leaving a thread out of the middle of its calls. SPDX-License-Identifier: Apache-2.0
#
# WebAssembly unwinds by exceptions alone, so a program that refers to pthread_exit has a tag, one throw and one try_table
# in it, and needs a host with the exception-handling proposal (exnref). All other programs do not: see call.s. Frames in
# between need no support; they are dropped, and so C++ destructors in them do not run.

	.globaltype	__stack_pointer, i32
	.tagtype	__spt_exit_tag i32
	.globl	__spt_exit_tag
	.hidden	__spt_exit_tag
__spt_exit_tag:

	.section	.text.__spt_throw,"",@
	.globl	__spt_throw
	.hidden	__spt_throw
	.type	__spt_throw,@function
__spt_throw:
	.functype	__spt_throw (i32) -> ()
	local.get	0
	throw	__spt_exit_tag
	end_function

# __spt_call(fn, arg) gives what fn(arg) returns or what pthread_exit was given. The dropped frames leave the stack pointer
# where it was, so it is put back.
	.section	.text.__spt_call,"",@
	.globl	__spt_call
	.hidden	__spt_call
	.type	__spt_call,@function
__spt_call:
	.functype	__spt_call (i32, i32) -> (i32)
	.local	i32
	global.get	__stack_pointer
	local.set	2
	block	i32
	try_table	(catch __spt_exit_tag 0)
	local.get	1
	local.get	0
	call_indirect	(i32) -> (i32)
	return
	end_try_table
	unreachable
	end_block
	local.get	2
	global.set	__stack_pointer
	end_function
