# Where a thread begins and ends. SPDX-License-Identifier: Apache-2.0
#
# The start argument is the thread's descriptor (struct __pthread in internal.h); its first words are read here:
# 0 top of the stack, 4 memory for thread-local variables, 12 state. Offset 8 is the stack's lowest address, for hosts: the custom
# section spindle.pthread says so to those that watch the stack pointer.

	.section	.custom_section.spindle.pthread,"",@
	.int8	1

	.globaltype	__stack_pointer, i32
	.functype	__wasm_init_tls (i32) -> ()
	.functype	__spt_thread_main (i32, i32) -> ()
	.functype	__spt_import_spawn (i32) -> (i32)

	.section	.text.wasi_thread_start,"",@
	.globl	wasi_thread_start
	.type	wasi_thread_start,@function
wasi_thread_start:
	.functype	wasi_thread_start (i32, i32) -> ()
	local.get	1
	i32.load	0
	global.set	__stack_pointer
	local.get	1
	i32.load	4
	call	__wasm_init_tls
	local.get	0
	local.get	1
	call	__spt_thread_main
# From here on the thread is on no stack in memory: what follows has its operands in locals. Once DONE is stored, a joiner
# may free the stack and the thread-local variables at any moment; the descriptor stays a descriptor (internal.h).
	local.get	1
	i32.const	2
	i32.atomic.store	12
	local.get	1
	i32.const	-1
	memory.atomic.notify	12
	drop
	end_function
	.export_name	wasi_thread_start, wasi_thread_start

# __spt_spawn(descriptor) gives the tid, or less than 0. It stands here, before the import (which C can name and an assembler
# cannot), so that whoever spawns has wasi_thread_start linked too.
	.section	.text.__spt_spawn,"",@
	.globl	__spt_spawn
	.hidden	__spt_spawn
	.type	__spt_spawn,@function
__spt_spawn:
	.functype	__spt_spawn (i32) -> (i32)
	local.get	0
	call	__spt_import_spawn
	end_function
