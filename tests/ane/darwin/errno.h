/* errno.h: hand-written stub, see stdio.h. SPDX-License-Identifier: MIT */
#ifndef DARWIN_ERRNO_H
#define DARWIN_ERRNO_H

int *__error(void);
#define errno (*__error())
#define EPERM 1
#define ENOENT 2
#define EINTR 4
#define EIO 5
#define ENOMEM 12
#define EACCES 13
#define EEXIST 17
#define ENODEV 19
#define EINVAL 22
#define ERANGE 34
#define ENAMETOOLONG 63
#define ENOSYS 78
#define ENODATA 96
#define EPROTO 100

#endif
