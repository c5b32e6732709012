/* handover.c: the file in memory: a head, then blocks of name, length and bytes, each on a multiple of 16.
 * SPDX-License-Identifier: MIT */
#include "base/handover.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"

enum { VERSION = 1, NAME = 32, FDS_MAX = 544, ALIGN = 16 };

struct head {
	char magic[16];
	uint32_t version, crc;   /* crc: of all that follows the head */
	uint64_t bytes;          /* of all that follows the head */
	uint64_t program[4];
};

struct block {
	char name[NAME];
	uint64_t n;
	uint64_t is_fd;
};

struct handover {
	struct str text;         /* writing: head and blocks */
	int fd[FDS_MAX], nfd, too_many;
	int file;                /* sealed or opened; -1 */
	struct file_map map;     /* reading */
};

static const char magic[16] = "anetui handover";

/* Which program file this process runs; zeros when that can not be told, which is equal to itself only. */
void handover_program(uint64_t id[4])
{
	struct stat st;
	char path[4096];
	memset(id, 0, 4 * sizeof *id);
#ifdef __linux__
	snprintf(path, sizeof path, "/proc/self/exe"); /* right even when the file has been replaced meanwhile */
#else
	if (file_program(path, sizeof path, NULL))
		return;
#endif
	if (stat(path, &st))
		return;
	id[0] = (uint64_t)st.st_dev;
	id[1] = (uint64_t)st.st_ino;
	id[2] = (uint64_t)st.st_size;
	id[3] = (uint64_t)st.st_mtime;
}

/* --- writing --- */

struct handover *handover_new(struct err *e)
{
	struct handover *h = mem_zalloc(1, sizeof *h);
	struct head head = {.version = VERSION};
	if (!h) {
		err_nomem(e, "restart", sizeof *h);
		return NULL;
	}
	h->file = -1;
	memcpy(head.magic, magic, sizeof magic);
	str_add(&h->text, &head, sizeof head);
	return h;
}

void handover_free(struct handover *h)
{
	if (!h)
		return;
	file_unmap(&h->map);
	if (h->file >= 0)
		close(h->file);
	str_done(&h->text);
	free(h);
}

static void put(struct handover *h, const char *name, const void *data, size_t n, int is_fd)
{
	static const char zeros[ALIGN];
	struct block b = {.n = n, .is_fd = (uint64_t)is_fd};
	snprintf(b.name, sizeof b.name, "%s", name);
	str_add(&h->text, &b, sizeof b);
	str_add(&h->text, n ? data : zeros, n);
	str_add(&h->text, zeros, (ALIGN - n % ALIGN) % ALIGN);
}

void handover_put(struct handover *h, const char *name, const void *data, size_t n)
{
	put(h, name, data, n, 0);
}

void handover_put_text(struct handover *h, const char *name, const char *s)
{
	put(h, name, s ? s : "", s ? strlen(s) + 1 : 1, 0);
}

void handover_put_fd(struct handover *h, const char *name, int fd)
{
	if (h->nfd == FDS_MAX)
		h->too_many = 1;
	else
		h->fd[h->nfd++] = fd;
	put(h, name, &fd, sizeof fd, 1);
}

/* Nobody's descriptor gets into the new process by accident, not those of libraries either. */
static void close_all_on_exec(void)
{
	DIR *d = opendir("/dev/fd");
	struct dirent *x;
	while (d && (x = readdir(d))) {
		int fd = atoi(x->d_name);
		if (fd > 2)
			fcntl(fd, F_SETFD, FD_CLOEXEC);
	}
	if (d)
		closedir(d);
}

static int write_all(int fd, const char *s, size_t n)
{
	for (size_t at = 0; at < n;) {
		ssize_t k = pwrite(fd, s + at, MIN(n - at, (size_t)1 << 30), (off_t)at);
		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return -1;
		at += (size_t)k;
	}
	return 0;
}

int handover_seal(struct handover *h, struct err *e)
{
	struct head *head = (struct head *)(void *)h->text.s;
	if (h->text.failed)
		return err_nomem(e, "restart", h->text.cap);
	if (h->too_many)
		return err_set(e, ERR_STATE, "restart: more than %d descriptors", FDS_MAX);
	head->bytes = h->text.len - sizeof *head;
	head->crc = crc32c(0, h->text.s + sizeof *head, h->text.len - sizeof *head);
	handover_program(head->program);
	h->file = file_in_memory("anetui-restart", h->text.len);
	if (h->file < 0 || write_all(h->file, h->text.s, h->text.len))
		return err_set(e, ERR_IO, "restart: a file in memory: %s", strerror(errno));
	close_all_on_exec();
	for (int i = 0; i < h->nfd; i++)
		fcntl(h->fd[i], F_SETFD, 0);
	fcntl(h->file, F_SETFD, 0);
	return h->file;
}

void handover_unseal(struct handover *h)
{
	for (int i = 0; i < h->nfd; i++)
		fcntl(h->fd[i], F_SETFD, FD_CLOEXEC);
	if (h->file >= 0)
		fcntl(h->file, F_SETFD, FD_CLOEXEC);
}

/* --- reading --- */

static const char *check(const struct handover *h)
{
	const struct head *head = (const void *)h->map.data;
	uint64_t program[4];
	if (h->map.size < sizeof *head || memcmp(head->magic, magic, sizeof magic))
		return "is no handover of anetui";
	handover_program(program);
	if (head->version != VERSION || memcmp(head->program, program, sizeof program))
		return "was written by another program file";
	if (head->bytes != h->map.size - sizeof *head || head->crc != crc32c(0, head + 1, h->map.size - sizeof *head))
		return "is damaged";
	size_t at = sizeof *head;
	while (at < h->map.size) {
		const struct block *b = (const void *)(h->map.data + at);
		size_t left = h->map.size - at;
		if (left < sizeof *b || b->n > left - sizeof *b || memchr(b->name, 0, NAME) == NULL)
			return "is damaged";
		at += sizeof *b + (size_t)(b->n + ALIGN - 1) / ALIGN * ALIGN;
	}
	return at == h->map.size ? NULL : "is damaged";
}

struct handover *handover_open(int fd, struct err *e)
{
	struct handover *h = mem_zalloc(1, sizeof *h);
	struct stat st;
	const char *why = "is no file";
	if (!h) {
		err_nomem(e, "restart", sizeof *h);
		return NULL;
	}
	h->file = -1;
	if (!fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_size > 0 && !file_map_fd(&h->map, fd, (size_t)st.st_size, NULL)) {
		h->file = fd;
		fcntl(fd, F_SETFD, FD_CLOEXEC);
		why = check(h);
	}
	if (!why)
		return h;
	err_set(e, ERR_FORMAT, "restart: descriptor %d %s", fd, why);
	h->file = -1; /* not ours to close */
	handover_free(h);
	return NULL;
}

static const struct block *find(const struct handover *h, const char *name)
{
	for (size_t at = sizeof(struct head); at < h->map.size;) {
		const struct block *b = (const void *)(h->map.data + at);
		if (!strcmp(b->name, name))
			return b;
		at += sizeof *b + (size_t)(b->n + ALIGN - 1) / ALIGN * ALIGN;
	}
	return NULL;
}

const void *handover_find(const struct handover *h, const char *name, size_t *n)
{
	const struct block *b = find(h, name);
	*n = b ? (size_t)b->n : 0;
	return b ? b + 1 : NULL;
}

int handover_get(const struct handover *h, const char *name, void *out, size_t n, struct err *e)
{
	const struct block *b = find(h, name);
	if (!b)
		return err_set(e, ERR_FORMAT, "restart: %s is missing", name);
	if (b->n != n)
		return err_set(e, ERR_FORMAT, "restart: %s: %llu bytes, %zu are needed", name, (unsigned long long)b->n, n);
	memcpy(out, b + 1, n);
	return 0;
}

const char *handover_text(const struct handover *h, const char *name)
{
	const struct block *b = find(h, name);
	if (!b || !b->n)
		return "";
	const char *s = (const char *)(b + 1);
	return s[b->n - 1] ? "" : s;
}

int handover_take_fd(const struct handover *h, const char *name, struct err *e)
{
	const struct block *b = find(h, name);
	int fd = -1;
	if (b && b->is_fd && b->n == sizeof fd)
		memcpy(&fd, b + 1, sizeof fd);
	if (fd < 3 || fcntl(fd, F_SETFD, FD_CLOEXEC))
		return err_set(e, ERR_FORMAT, "restart: %s: no open descriptor", name), -1;
	return fd;
}

/* --- tables --- */

void handover_put_fields(struct handover *h, const char *prefix, const struct handover_field *f, size_t nf, const void *from)
{
	char name[NAME];
	for (size_t i = 0; i < nf; i++) {
		snprintf(name, sizeof name, "%s.%s", prefix, f[i].name);
		handover_put(h, name, (const char *)from + f[i].at, f[i].size);
	}
}

int handover_get_fields(const struct handover *h, const char *prefix, const struct handover_field *f, size_t nf, void *to, struct err *e)
{
	char name[NAME];
	int rc = 0;
	for (size_t i = 0; i < nf && !rc; i++) {
		snprintf(name, sizeof name, "%s.%s", prefix, f[i].name);
		rc = handover_get(h, name, (char *)to + f[i].at, f[i].size, e);
	}
	return rc;
}
