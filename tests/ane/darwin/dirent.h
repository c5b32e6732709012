/* dirent.h: hand-written stub, see stdio.h. SPDX-License-Identifier: MIT */
#ifndef DARWIN_DIRENT_H
#define DARWIN_DIRENT_H

#include <stdint.h>

typedef struct darwin_dir DIR;
struct dirent {
	uint64_t d_ino, d_seekoff;
	uint16_t d_reclen, d_namlen;
	uint8_t d_type;
	char d_name[1024];
};

DIR *opendir(const char *path);
DIR *fdopendir(int fd);
struct dirent *readdir(DIR *d);
int closedir(DIR *d);

#endif
