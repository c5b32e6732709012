/* fcntl.h: hand-written stub, see stdio.h. SPDX-License-Identifier: MIT */
#ifndef DARWIN_FCNTL_H
#define DARWIN_FCNTL_H

#define O_RDONLY 0
#define O_WRONLY 1
#define O_NONBLOCK 0x4
#define O_NOFOLLOW 0x100
#define O_CREAT 0x200
#define O_EXCL 0x800
#define O_DIRECTORY 0x100000
#define O_CLOEXEC 0x1000000
#define AT_REMOVEDIR 0x80

int open(const char *path, int flags, ...);
int openat(int fd, const char *path, int flags, ...);

#endif
