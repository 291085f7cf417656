// Command tlserrno gives each thread its own errno in a libc that was compiled for one thread.
//
//	tlserrno libc.a out.a
//
// Such a libc has errno as one word at a fixed address. tlserrno copies an archive of WebAssembly objects and replaces
// every access to that word by a call, in place and without changing a length, so that no offset in the code moves:
//
//	i32.load  errno     →  call __spt_errno_load (base) -> value; nop
//	i32.store errno     →  call __spt_errno_store (base, value); nop
//	i32.const errno     →  call __spt_errno_address () -> address
//
// The base is the address operand, always 0. An access of any other form is an error: nothing is left unchanged silently.
// The functions become imports of the object, behind its others, and so its own functions' indices rise; the code's
// relocations, the symbol table, element segments and COMDATs are adjusted. The result has no index of symbols: run
// "llvm-ar s" on it.
package main
