// The sysroot's <errno.h> includes this, in place of the sysroot's own which declares errno as a variable: a function gives each
// thread its own whether or not the caller was compiled for threads. SPDX-License-Identifier: Apache-2.0
#ifndef SPT___ERRNO_H
#define SPT___ERRNO_H
#ifdef __cplusplus
extern "C" {
#endif
int *__errno_location(void);
#ifdef __cplusplus
}
#endif
#define errno (*__errno_location())
#endif
