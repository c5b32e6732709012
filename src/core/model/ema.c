/* ema.c: see ema.h. SPDX-License-Identifier: MIT */
#include "model/ema.h"

#include <errno.h>
#include <string.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"

static int make(struct params *p, int fd, struct err *e)
{
	struct params *a = mem_zalloc(1, sizeof *a);
	if (!a)
		return err_nomem(e, "ema", sizeof *a);
	*a = (struct params){.config = p->config, .n = p->n, .table = p->table, .total = p->total, .fd = fd, .map_bytes = p->total * sizeof(float)};
	a->map = file_memory("anetui-ema", a->map_bytes, &a->fd);
	if (!a->map) {
		free(a);
		return err_set(e, ERR_NOMEM, "ema: mapping weights: %s", strerror(errno));
	}
	a->w = a->map;
	p->ema = a;
	return 0;
}

int ema_begin(struct params *p, struct err *e)
{
	char a[16], b[16];
	uint64_t need = p->total * sizeof(float), have = mem_available();
	if (have && need > have)
		return err_set(e, ERR_NOMEM, "ema: %s needed, %s free (set ema.decay 0)", str_bytes(a, need), str_bytes(b, have));
	int rc = make(p, -1, e);
	if (!rc)
		memcpy(p->ema->w, p->w, p->total * sizeof *p->w);
	return rc;
}

int ema_adopt(struct params *p, int fd, struct err *e)
{
	struct stat st;
	if (fstat(fd, &st) || (uint64_t)st.st_size != p->total * sizeof(float))
		return err_set(e, ERR_FORMAT, "ema: %lld bytes are no weights of %s", (long long)st.st_size, p->config.name);
	return make(p, fd, e);
}

void ema_end(struct params *p)
{
	struct params *a = p->ema;
	if (!a)
		return;
	munmap(a->map, a->map_bytes);
	if (a->fd >= 0)
		close(a->fd);
	free(a);
	p->ema = NULL;
}

void ema_swap(struct params *p)
{
	for (size_t i = 0; i < p->total; i++) {
		float w = p->w[i];
		p->w[i] = p->ema->w[i];
		p->ema->w[i] = w;
	}
}
