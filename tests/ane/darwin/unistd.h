/* unistd.h: hand-written stub, see stdio.h. SPDX-License-Identifier: MIT */
#ifndef DARWIN_UNISTD_H
#define DARWIN_UNISTD_H

#include <sys/types.h>

int close(int fd);
ssize_t read(int fd, void *s, size_t n);
ssize_t readlink(const char *path, char *s, size_t n);
ssize_t write(int fd, const void *s, size_t n);
int unlinkat(int fd, const char *path, int flags);
int rmdir(const char *path);
uid_t geteuid(void);

#endif
