/* choose.c: see choose.h. SPDX-License-Identifier: MIT */
#include "train/choose.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/ema.h"
#include "model/lora.h"
#include "model/select.h"

struct note { char *s; size_t n; };

static void say(struct note *note, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say(struct note *note, const char *fmt, ...)
{
	size_t n = strlen(note->s);
	va_list ap;
	va_start(ap, fmt);
	if (n)
		n += (size_t)snprintf(note->s + n, note->n - n, "; ");
	if (n < note->n)
		vsnprintf(note->s + n, note->n - n, fmt, ap);
	va_end(ap);
}

static int is_target(const struct param *r, const struct settings *s)
{
	return r->rank == 2 && select_name(s->text[SET_LORA_TARGETS], r->name) && !select_name(s->text[SET_FREEZE], r->name);
}

/* [p->n]: 1 for the rows that get an adapter. NULL: no memory. */
static unsigned char *targets(const struct params *p, const struct settings *s)
{
	unsigned char *hit = mem_zalloc((size_t)p->n, 1);
	for (int i = 0; hit && i < p->n; i++)
		hit[i] = (unsigned char)is_target(&p->table[i], s);
	return hit;
}

/* The old adapters end when those that are wanted are others. */
static int take_lora(struct params *p, const unsigned char *hit, const struct settings *s, uint64_t step, struct note *note, struct err *e)
{
	int rank = settings_int(s, SET_LORA_RANK);
	if (p->lora && (!rank || !lora_same(p, hit, rank, s->num[SET_LORA_ALPHA]))) {
		say(note, "lora: the adapters of rank %d have ended, what they added stays in the weights", p->lora->rank);
		lora_end(p);
	}
	if (!rank || p->lora)
		return 0;
	int rc = lora_begin(p, hit, rank, s->num[SET_LORA_ALPHA], (uint64_t)s->num[SET_SEED], step, e);
	if (rc)
		return rc;
	double n = 0;
	for (int k = 0; k < p->lora->n; k++)
		n += (double)rank * (double)(p->table[p->lora->row[k]].dim[0] + p->table[p->lora->row[k]].dim[1]);
	say(note, "lora: adapters of rank %d for %d matrices, %.0f parameters are trained", rank, p->lora->n, n);
	return 0;
}

static int take_ema(struct params *p, const struct settings *s, struct note *note, struct err *e)
{
	int want = s->num[SET_EMA_DECAY] > 0;
	if (!want && p->ema) {
		say(note, "ema: the average of the weights is no longer kept");
		ema_end(p);
	}
	return want && !p->ema ? ema_begin(p, e) : 0;
}

int choose_trained(struct params *p, const struct settings *s, uint64_t step, char *note, size_t n, struct err *e)
{
	int frozen = 0;
	unsigned char *hit = targets(p, s);
	if (!hit)
		return err_nomem(e, "train", (uint64_t)p->n);
	int rc = take_lora(p, hit, s, step, &(struct note){note, n}, e);
	for (int i = 0; !rc && i < p->n; i++)
		frozen += p->table[i].frozen = p->lora ? !hit[i] : select_name(s->text[SET_FREEZE], p->table[i].name);
	free(hit);
	if (!rc && frozen == p->n)
		rc = err_set(e, ERR_STATE, "train: all %d tensors are frozen (`freeze none` lets them go)", frozen);
	return rc ? rc : take_ema(p, s, &(struct note){note, n}, e);
}

int choose_same(const struct settings *a, const struct settings *b)
{
	static const enum setting_id text[] = {SET_FREEZE, SET_LORA_TARGETS}, num[] = {SET_LORA_RANK, SET_LORA_ALPHA};
	for (size_t i = 0; i < ARRAY_LEN(text); i++)
		if (strcmp(a->text[text[i]], b->text[text[i]]))
			return 0;
	for (size_t i = 0; i < ARRAY_LEN(num); i++)
		if (a->num[num[i]] != b->num[num[i]])
			return 0;
	return (a->num[SET_EMA_DECAY] > 0) == (b->num[SET_EMA_DECAY] > 0);
}

uint64_t choose_bytes(const struct params *p, const struct settings *s)
{
	uint64_t bytes = s->num[SET_EMA_DECAY] > 0 ? p->total * sizeof(float) : 0;
	unsigned char *hit = settings_int(s, SET_LORA_RANK) ? targets(p, s) : NULL;
	if (hit)
		bytes += lora_bytes(p, hit, settings_int(s, SET_LORA_RANK));
	free(hit);
	return bytes;
}
