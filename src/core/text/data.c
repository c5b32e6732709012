/* data.c: opening and closing token sources. Order and batches are in data_order.c, texts in data_text.c.
 * SPDX-License-Identifier: MIT */
#include "text/data.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "text/shard.h"

static int ends_in(const char *path, const char *end)
{
	size_t n = strlen(path), k = strlen(end);
	return n > k && !strcasecmp(path + n - k, end);
}

int data_is_shard(const char *path)
{
	return ends_in(path, ".bin") || ends_in(path, ".tok");
}

void data_close(struct data *d)
{
	file_unmap(&d->map);
	*d = (struct data){0};
}

void data_hand_over(const struct data *d, struct handover *h)
{
	handover_put(h, "data", d, sizeof *d);
	handover_put_fd(h, "data.file", d->map.fd);
}

int data_take_over(struct data *d, const struct handover *h, struct err *e)
{
	struct data was;
	int rc = handover_get(h, "data", &was, sizeof was, e);
	int fd = rc ? -1 : handover_take_fd(h, "data.file", e);
	if (fd < 0)
		return ERR_FORMAT;
	rc = file_map_fd(&was.map, fd, was.map.size, e);
	if (rc)
		return err_prefix(e, "data: %s", was.name);
	was.map.fd = fd;
	*d = was;
	return 0;
}

int data_id(const struct data *d, uint64_t i)
{
	const unsigned char *p = d->map.data + d->start;
	return d->width == 2 ? ((const uint16_t *)(const void *)p)[i] : ((const int32_t *)(const void *)p)[i];
}

void data_mark(const struct data *d, unsigned char *seen, int vocab)
{
	for (uint64_t i = 0; i < d->ntoken; i++) {
		int id = data_id(d, i);
		if (id >= 0 && id < vocab)
			seen[id] = 1;
	}
}

static int read_headerless(struct data *d, const char *path, int vocab, struct err *e)
{
	if (d->map.size % 2)
		return err_set(e, ERR_FORMAT, "data: %s: %zu bytes: odd, so these are no 2-byte ids (truncated?)", path, d->map.size);
	if (vocab > 1 << 16)
		return err_set(e, ERR_FORMAT, "data: %s: 2-byte ids, the vocabulary of %d needs more", path, vocab);
	d->width = 2;
	d->ntoken = d->map.size / 2;
	return 0;
}

static int check_ids(const struct data *d, const char *path, int vocab, struct err *e)
{
	if (d->ntoken < 2)
		return err_set(e, ERR_FORMAT, "data: %s: %llu ids, at least 2 are needed", path, (unsigned long long)d->ntoken);
	uint64_t at = shard_find_foreign(d, (uint32_t)vocab);
	if (at < d->ntoken)
		return err_set(e, ERR_FORMAT, "data: %s: id %u at position %llu: the vocabulary has %d ids (another tokenizer's shard?)", path,
			       (unsigned)data_id(d, at), (unsigned long long)at, vocab);
	return 0;
}

static int read_shard(struct data *d, const char *path, int vocab, double val_fraction, struct err *e)
{
	uint32_t made_for = 0;
	double text_bytes = 0;
	int rc = shard_is_ours(&d->map) ? shard_read_tail(d, path, &made_for, &text_bytes, e) : read_headerless(d, path, vocab, e);
	if (!rc)
		rc = check_ids(d, path, vocab, e);
	if (rc)
		return rc;
	uint64_t held = (uint64_t)((double)d->ntoken * val_fraction);
	d->ntrain = d->ntoken - held;
	d->val_bytes = text_bytes * (double)held / (double)d->ntoken;
	shard_hash(d);
	return 0;
}

int data_open_shard(struct data *d, const char *path, int vocab, double val_fraction, struct err *e)
{
	*d = (struct data){0};
	if (!(val_fraction >= 0 && val_fraction <= 0.9))
		return err_set(e, ERR_RANGE, "data: val=%g: must be 0 to 0.9", val_fraction);
	int rc = file_map_keep(&d->map, path, "data", e);
	if (!rc)
		rc = d->map.size ? read_shard(d, path, vocab, val_fraction, e) : err_set(e, ERR_FORMAT, "data: %s: is empty", path);
	if (rc)
		data_close(d);
	else
		snprintf(d->name, sizeof d->name, "%s", path);
	return rc;
}
