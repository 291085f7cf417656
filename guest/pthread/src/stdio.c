// The libc's stdio with a lock around each call. SPDX-License-Identifier: Apache-2.0
//
// The link options send every call of these functions here, the libc's own included: printf needs no wrapper because it
// calls vfprintf, fgetpos because it calls __ftello. Locks are recursive. The *_unlocked functions stay as they are.
#include "stdio.h"
#include <stdarg.h>
#include <wchar.h>

static inline void unlock_at_end(struct filelock **l) { __spt_unlock_file(*l); }
#define LOCKED(f)                                                                                                               \
	__attribute__((cleanup(unlock_at_end))) struct filelock *locked = __spt_file(f);                                            \
	__spt_lock_file(locked, NEVER)

#define WRAPPED(type, name, params, args, file)                                                                                 \
	type __real_##name params;                                                                                                  \
	type __wrap_##name params {                                                                                                 \
		LOCKED(file);                                                                                                           \
		return __real_##name args;                                                                                              \
	}

// Output.
WRAPPED(int, vfprintf, (FILE *restrict f, const char *restrict s, va_list v), (f, s, v), f)
WRAPPED(int, vfwprintf, (FILE *restrict f, const wchar_t *restrict s, va_list v), (f, s, v), f)
WRAPPED(size_t, fwrite, (const void *restrict p, size_t n, size_t m, FILE *restrict f), (p, n, m, f), f)
WRAPPED(int, fputs, (const char *restrict s, FILE *restrict f), (s, f), f)
WRAPPED(int, fputws, (const wchar_t *restrict s, FILE *restrict f), (s, f), f)
WRAPPED(int, fputc, (int c, FILE *f), (c, f), f)
WRAPPED(int, putc, (int c, FILE *f), (c, f), f)
WRAPPED(int, _IO_putc, (int c, FILE *f), (c, f), f)
WRAPPED(int, putchar, (int c), (c), stdout)
WRAPPED(int, puts, (const char *s), (s), stdout)
WRAPPED(int, putw, (int w, FILE *f), (w, f), f)
WRAPPED(wint_t, fputwc, (wchar_t c, FILE *f), (c, f), f)
WRAPPED(wint_t, putwc, (wchar_t c, FILE *f), (c, f), f)
WRAPPED(wint_t, putwchar, (wchar_t c), (c), stdout)
WRAPPED(void, perror, (const char *s), (s), stderr)

// Input.
WRAPPED(int, vfscanf, (FILE *restrict f, const char *restrict s, va_list v), (f, s, v), f)
WRAPPED(int, vfwscanf, (FILE *restrict f, const wchar_t *restrict s, va_list v), (f, s, v), f)
WRAPPED(size_t, fread, (void *restrict p, size_t n, size_t m, FILE *restrict f), (p, n, m, f), f)
WRAPPED(char *, fgets, (char *restrict s, int n, FILE *restrict f), (s, n, f), f)
WRAPPED(wchar_t *, fgetws, (wchar_t *restrict s, int n, FILE *restrict f), (s, n, f), f)
WRAPPED(ssize_t, getdelim, (char **restrict s, size_t *restrict n, int d, FILE *restrict f), (s, n, d, f), f)
WRAPPED(char *, fgetln, (FILE *f, size_t *n), (f, n), f)
WRAPPED(int, fgetc, (FILE *f), (f), f)
WRAPPED(int, getc, (FILE *f), (f), f)
WRAPPED(int, _IO_getc, (FILE *f), (f), f)
WRAPPED(int, getchar, (void), (), stdin)
WRAPPED(int, getw, (FILE *f), (f), f)
WRAPPED(int, ungetc, (int c, FILE *f), (c, f), f)
WRAPPED(wint_t, fgetwc, (FILE *f), (f), f)
WRAPPED(wint_t, getwc, (FILE *f), (f), f)
WRAPPED(wint_t, getwchar, (void), (), stdin)
WRAPPED(wint_t, ungetwc, (wint_t c, FILE *f), (c, f), f)

int __real_fflush(FILE *);

// Position and state.
WRAPPED(int, fseek, (FILE *f, long o, int w), (f, o, w), f)
WRAPPED(int, fseeko, (FILE *f, off_t o, int w), (f, o, w), f)
WRAPPED(int, __fseeko, (FILE *f, off_t o, int w), (f, o, w), f)
WRAPPED(long, ftell, (FILE *f), (f), f)
WRAPPED(off_t, ftello, (FILE *f), (f), f)
WRAPPED(off_t, __ftello, (FILE *f), (f), f)
WRAPPED(void, rewind, (FILE *f), (f), f)
WRAPPED(int, setvbuf, (FILE *restrict f, char *restrict b, int m, size_t n), (f, b, m, n), f)
WRAPPED(int, fwide, (FILE *f, int m), (f, m), f)
WRAPPED(int, feof, (FILE *f), (f), f)
WRAPPED(int, ferror, (FILE *f), (f), f)
WRAPPED(void, clearerr, (FILE *f), (f), f)
WRAPPED(FILE *, freopen, (const char *restrict n, const char *restrict m, FILE *restrict f), (n, m, f), f)

int __real_fclose(FILE *);
int __wrap_fclose(FILE *f) {
	LOCKED(f);
	locked->open = 0;
	return __real_fclose(f);
}

// flush is for open files: the lock of one that was closed is left behind.
static void flush(struct filelock *l) {
	__spt_lock_file(l, NEVER);
	if (l->open)
		__real_fflush(l->file);
	__spt_unlock_file(l);
}

int __wrap_fflush(FILE *f) {
	if (f) {
		LOCKED(f);
		return __real_fflush(f);
	}
	// What has no lock yet was never written to by any of these functions.
	__spt_each_file(flush);
	return 0;
}

// The libc's list of open files. Lock order: a file's, then the list's.
HIDDEN word __spt_fork_list;
#define list __spt_fork_list
FILE **__real___ofl_lock(void);
FILE **__wrap___ofl_lock(void) {
	lock(&list);
	return __real___ofl_lock();
}
void __wrap___ofl_unlock(void) { unlock(&list); }

// Every fopen, fdopen and the like ends here.
FILE *__real___ofl_add(FILE *);
FILE *__wrap___ofl_add(FILE *f) {
	LOCKED(f);
	locked->open = 1;
	return __real___ofl_add(f);
}
