/* ref.c: reading a record for its curve. Lines that can not be read are passed over: the record may be that of a run that goes on.
 * SPDX-License-Identifier: MIT */
#include "tui/ref.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* Longer lines are samples and settings, no steps. */
enum { LINE = 4096 };

static double number(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);
	return json_is_number(v) ? json_number_value(v) : NAN;
}

/* The run went back: what it left there is forgotten. */
static void go_back(struct series *s, uint64_t step)
{
	while (s->n && s->b[s->n - 1].first >= step)
		s->n--;
	while (s->ntail && s->tail[s->ntail - 1].first >= step)
		s->ntail--;
	while (s->nval && s->val[s->nval - 1].step >= step)
		s->nval--;
	s->fill = s->stride;
	s->step = s->n ? s->b[s->n - 1].last : 0;
}

static void take(struct series *s, const json_t *o)
{
	const char *event = json_string_value(json_object_get(o, "event"));
	double step = number(o, "step");
	if (!event || !(step >= 0 && step < 9e15))
		return;
	struct step_obs obs = {.step = (uint64_t)step, .t = number(o, "t"), .loss = number(o, "loss"), .grad_norm = number(o, "grad_norm"), .lr = number(o, "lr"), .ms = number(o, "ms"),
		.watts = number(o, "watts"), .joules = NAN, .gap = fmax(number(o, "gap"), 0)};
	double tokens = number(o, "tokens");
	obs.tokens = tokens >= 0 && tokens < 9e15 ? (uint64_t)tokens : 0;
	if (!strcmp(event, "step") && s->n && obs.step <= s->step)
		go_back(s, obs.step);
	if (!strcmp(event, "step"))
		series_add(s, &obs);
	else if (!strcmp(event, "eval"))
		series_eval(s, obs.step, obs.loss, number(o, "bits_per_byte"));
}

static FILE *open_record(const char *run, char *dir, size_t n, char *path, size_t path_n)
{
	FILE *f = NULL;
	for (int i = 0; i < 2 && !f; i++) {
		char at[512];
		snprintf(at, sizeof at, "%s%s", i ? "runs/" : "", run);
		snprintf(path, path_n, "%s/metrics.jsonl", at);
		f = fopen(path, "re");
		if (f)
			snprintf(dir, n, "%s", at);
	}
	return f;
}

struct series *ref_read(const char *run, char *dir, size_t n, struct err *e)
{
	char path[600], *line = malloc(LINE);
	struct series *s = malloc(sizeof *s);
	FILE *f = line && s ? open_record(run, dir, n, path, sizeof path) : NULL;
	if (!line || !s)
		err_nomem(e, "ref", sizeof *s);
	else if (!f)
		err_set(e, ERR_IO, "ref: %s: %s (a run's folder, or its name below runs/; `runs` lists them)", run, strerror(errno));
	else
		series_reset(s);
	for (int whole = 1; f && fgets(line, LINE, f);) {
		int begins = whole;
		whole = strchr(line, '\n') != NULL;
		if (!begins || !whole)
			continue;
		json_t *o = json_loads(line, 0, NULL);
		if (json_is_object(o))
			take(s, o);
		json_decref(o);
	}
	if (f)
		fclose(f);
	free(line);
	if (f && !s->n)
		err_set(e, ERR_FORMAT, "ref: %s: no step in it", path);
	if (f && s->n)
		return s;
	free(s);
	return NULL;
}
