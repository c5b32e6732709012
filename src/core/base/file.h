/* file.h: whole files, maps, folders, and where a user's caches and state belong. The save protocol is in save.h.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_BASE_FILE_H
#define ANETUI_BASE_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

/* A read-only view of a whole file; a file that is cut while mapped raises SIGBUS. */
struct file_map {
	const unsigned char *data; /* NULL when the file is empty */
	size_t size;
	int fd;                    /* kept open by file_map_keep (0, 1 and 2 are the standard streams'), else 0 */
};

/* Refuses folders and what is no regular file. Messages name the path: "data: x.bin: No such file or directory". */
int file_map(struct file_map *m, const char *path, const char *what, struct err *e);
/* The same, with the descriptor kept, so that a restarted process can map the very same file. */
int file_map_keep(struct file_map *m, const char *path, const char *what, struct err *e);
/* The first `size` bytes of what is open; m->fd stays 0. */
int file_map_fd(struct file_map *m, int fd, size_t size, struct err *e);
void file_unmap(struct file_map *m);
/* The file's bytes of now, when that is fewer than were mapped (to look at what is gone would be the end of the process), else m->size. Where the descriptor
 * was not kept, m->size. */
size_t file_still(const struct file_map *m);
/* Bytes [at, at + n) are not needed soon: they take no memory of ours any more, and are read again when they are looked at. For passes
 * over files that are larger than memory; does nothing where the descriptor was not kept. */
void file_forget(const struct file_map *m, size_t at, size_t n);

/* A nameless file in memory, zero-filled, whose pages come when they are touched; closes on exec. -1: see errno. */
int file_in_memory(const char *name, size_t bytes);
/* Memory that another process can take over: a file in memory, mapped; its descriptor in *fd (one that is >= 0 already is mapped instead). Where no such file may be
 * (ulimit -f and a full table of files forbid it) the same memory without a name, and *fd is -1. NULL: see errno, *fd is as it was. munmap and close are the caller's. */
void *file_memory(const char *name, size_t bytes, int *fd);
/* Memory of our own (whole pages, mapped, without a name) becomes a file in memory, at the same address and with the same bytes; threads that only read it need not wait. Its descriptor; -1: see
 * errno, the memory is as it was. */
int file_memory_move(const char *name, void *p, size_t bytes);

/* The whole file into `out` (NUL-terminated); at most `max` bytes, else ERR_RANGE. */
int file_read(struct str *out, const char *path, const char *what, size_t max, struct err *e);

/* 1 folder, 0 something else, -1 nothing there. */
int file_is_dir(const char *path);
/* mkdir -p, mode 0777 less umask. */
int file_mkdirs(const char *path, struct err *e);

/* $XDG_CACHE_HOME/anetui (else ~/.cache/anetui), made when missing; likewise state (.local/state) and config
 * (.config, not made). With neither the variable nor HOME set: ERR_STATE. */
int file_cache_dir(char *out, size_t n, struct err *e);
int file_state_dir(char *out, size_t n, struct err *e);
int file_config_dir(char *out, size_t n, struct err *e);

/* The absolute path of the program that runs. */
int file_program(char *out, size_t n, struct err *e);
/* The installed data folder (assets): $ANETUI_ASSETS, else ./assets beside the program, else PREFIX/share/anetui. */
int file_asset(char *out, size_t n, const char *name, struct err *e);

#endif
