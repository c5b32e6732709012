/* data.c: closing, handing over and reading token sources. Opening is in data_shard.c and data_text.c, order and batches in data_order.c.
 * SPDX-License-Identifier: MIT */
#include "text/data.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void data_close(struct data *d)
{
	for (int i = 0; i < d->nfile; i++)
		file_unmap(&d->file[i].map);
	free(d->file);
	*d = (struct data){0};
}

int data_can_hand_over(const struct data *d)
{
	for (int i = 0; i < d->nfile; i++)
		if (!d->file[i].map.fd)
			return 0;
	return 1;
}

void data_hand_over(const struct data *d, struct handover *h)
{
	char name[32];
	handover_put(h, "data", d, sizeof *d);
	handover_put(h, "data.files", d->file, (size_t)d->nfile * sizeof *d->file);
	for (int i = 0; i < d->nfile; i++) {
		snprintf(name, sizeof name, "data.file.%d", i);
		handover_put_fd(h, name, d->file[i].map.fd);
	}
}

static int take_file(struct data_file *f, int i, const struct handover *h, struct err *e)
{
	char name[32];
	snprintf(name, sizeof name, "data.file.%d", i);
	size_t size = f->map.size;
	int fd = handover_take_fd(h, name, e);
	f->map = (struct file_map){0};
	if (fd < 0)
		return ERR_FORMAT;
	int rc = file_map_fd(&f->map, fd, size, e);
	f->map.fd = fd;
	return rc;
}

int data_take_over(struct data *d, const struct handover *h, struct err *e)
{
	struct data was;
	size_t n;
	int rc = handover_get(h, "data", &was, sizeof was, e);
	const void *files = rc ? NULL : handover_find(h, "data.files", &n);
	if (rc || !files || was.nfile < 1 || n != (size_t)was.nfile * sizeof *was.file)
		return rc ? rc : err_set(e, ERR_FORMAT, "restart: the files of the data are missing");
	was.file = mem_zalloc((size_t)was.nfile, sizeof *was.file);
	if (!was.file)
		return err_nomem(e, "data", n);
	memcpy(was.file, files, n);
	int count = was.nfile;
	was.nfile = 0; /* those that are ours to close */
	while (!rc && was.nfile < count) {
		rc = take_file(&was.file[was.nfile], was.nfile, h, e);
		was.nfile++;
	}
	if (rc) {
		err_prefix(e, "data: %s", was.name);
		data_close(&was);
		return rc;
	}
	*d = was;
	return 0;
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

/* The file that has id i: files follow one another without a gap. */
static const struct data_file *file_of(const struct data *d, uint64_t i)
{
	int lo = 0, hi = d->nfile - 1;
	while (lo < hi) {
		int mid = (lo + hi + 1) / 2;
		if (d->file[mid].first <= i)
			lo = mid;
		else
			hi = mid - 1;
	}
	return &d->file[lo];
}

static uint32_t id_in(const struct data_file *f, uint64_t i)
{
	const void *p = f->map.data + f->start;
	return f->width == 2 ? ((const uint16_t *)p)[i] : ((const uint32_t *)p)[i];
}

uint32_t data_id(const struct data *d, uint64_t i)
{
	const struct data_file *f = file_of(d, i);
	return id_in(f, i - f->first);
}

void data_ids(const struct data *d, uint64_t at, size_t n, int *id)
{
	const struct data_file *f = file_of(d, at);
	for (size_t i = 0; i < n; i++)
		id[i] = (int)id_in(f, at - f->first + i);
}

void data_mark(const struct data *d, unsigned char *seen, int vocab)
{
	for (int k = 0; k < d->nfile; k++)
		for (uint64_t i = 0; i < d->file[k].n; i++) {
			uint32_t id = id_in(&d->file[k], i);
			if (id < (uint32_t)vocab)
				seen[id] = 1;
		}
}
