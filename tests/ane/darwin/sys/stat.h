/* stat.h: hand-written stub, see stdio.h; the struct as 64-bit macOS has it. SPDX-License-Identifier: MIT */
#ifndef DARWIN_SYS_STAT_H
#define DARWIN_SYS_STAT_H

#include <sys/types.h>

struct stat {
	dev_t st_dev;
	mode_t st_mode;
	nlink_t st_nlink;
	ino_t st_ino;
	uid_t st_uid;
	gid_t st_gid;
	dev_t st_rdev;
	int64_t times[8];
	off_t st_size;
	int64_t st_blocks;
	int32_t st_blksize;
	uint32_t st_flags, st_gen;
	int32_t st_lspare;
	int64_t st_qspare[2];
};

int mkdir(const char *path, mode_t mode);
int mkdirat(int fd, const char *path, mode_t mode);
int fstat(int fd, struct stat *st);
int lstat(const char *path, struct stat *st);

#endif
