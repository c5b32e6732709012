/* errno.h: hand-written stub, see stdio.h. SPDX-License-Identifier: MIT */
#ifndef DARWIN_ERRNO_H
#define DARWIN_ERRNO_H

int *__error(void);
#define errno (*__error())
#define ENOENT 2
#define EINTR 4
#define EEXIST 17
#define ERANGE 34

#endif
