/* plain_out.c: events into lines. Decides what is shown and how often; waits for nothing.
 * SPDX-License-Identifier: MIT */
#include "repl/plain_out.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"

#define SECOND 1000000000u

struct plain_out {
	struct engine *engine;
	struct engine_snapshot snap;
	int to_terminal;          /* control characters must not reach it */
	int muted, failed;
	struct step_obs step;     /* the latest one */
	int step_waits;           /* not printed yet */
	uint64_t step_ns, doing_ns;
	char doing[128];
	struct str sample;        /* one that came by itself */
};

struct plain_out *plain_out_new(struct engine *g, struct err *e)
{
	struct plain_out *o = mem_zalloc(1, sizeof *o);
	if (!o) {
		err_nomem(e, "output", sizeof *o);
		return NULL;
	}
	o->engine = g;
	o->to_terminal = isatty(STDOUT_FILENO);
	return o;
}

void plain_out_free(struct plain_out *o)
{
	if (!o)
		return;
	str_done(&o->sample);
	free(o);
}

static const struct handover_field fields[] = {
#define F(name) HANDOVER_FIELD(struct plain_out, name)
	F(muted), F(failed), F(step), F(step_waits), F(step_ns), F(doing_ns), F(doing),
#undef F
};

void plain_out_hand_over(const struct plain_out *o, struct handover *h)
{
	handover_put_fields(h, "out", fields, ARRAY_LEN(fields), o);
	handover_put_text(h, "out.sample", o->sample.s);
}

int plain_out_take_over(struct plain_out *o, const struct handover *h, struct err *e)
{
	str_puts(&o->sample, handover_text(h, "out.sample"));
	return handover_get_fields(h, "out", fields, ARRAY_LEN(fields), o, e);
}

const struct engine_snapshot *plain_out_snapshot(struct plain_out *o)
{
	engine_snapshot(o->engine, &o->snap);
	return &o->snap;
}

void plain_out_mute(struct plain_out *o)
{
	o->muted = 1;
}

int plain_out_flush(struct plain_out *o)
{
	if (o->muted)
		return 0;
	if (!o->failed && (fflush(stdout) || ferror(stdout))) {
		o->failed = 1;
		if (errno != EPIPE)
			fprintf(stderr, "anetui: standard output: %s\n", strerror(errno));
	}
	return o->failed ? -1 : 0;
}

/* Whole characters; on a terminal without those that steer it. */
void plain_out_text(struct plain_out *o, const char *s)
{
	size_t n = strlen(s);
	if (o->muted || o->failed)
		return;
	if (!o->to_terminal) {
		fputs(s, stdout);
		return;
	}
	for (size_t i = 0; i < n;) {
		uint32_t cp = 0;
		int k = utf8_decode(s + i, n - i, &cp);
		if (k < 0 || (cp < 32 && cp != '\n' && cp != '\t') || (cp >= 127 && cp < 160))
			putchar('?');
		else
			fwrite(s + i, 1, (size_t)k, stdout);
		i += k < 0 ? 1 : (size_t)k;
	}
}

void plain_out_line(struct plain_out *o, const char *where, const char *s)
{
	char *line = o->muted ? NULL : mem_strdup(s); /* names of files stand in it */
	if (line) {
		utf8_one_line(line);
		fprintf(stderr, "%s%s%s\n", where, *where ? ": " : "", line);
	}
	free(line);
}

char *plain_rate(char buf[32], double v)
{
	char text[32];
	snprintf(text, sizeof text, "%.2e", v);
	char *e = strchr(text, 'e');
	if (!(v > 0) || !e) {
		snprintf(buf, 32, "%.3g", v);
		return buf;
	}
	int exponent = atoi(e + 1);
	*e = 0;
	for (char *end = e - 1; end > text && (*end == '0' || *end == '.'); end--) {
		int point = *end == '.';
		*end = 0;
		if (point)
			break;
	}
	snprintf(buf, 32, "%.12se%d", text, exponent);
	return buf;
}

/* step 40/40 loss 5.123 lr 3e-4 41.2k tok/s 24 ms 18.4 W */
static void print_step(struct plain_out *o)
{
	char of[32] = "", rate[32], speed[16], watts[32] = "";
	const struct step_obs *s = &o->step;
	const struct engine_snapshot *now = plain_out_snapshot(o);
	if (now->target)
		snprintf(of, sizeof of, "/%llu", (unsigned long long)now->target);
	if (isfinite(s->watts))
		snprintf(watts, sizeof watts, " %.1f W", s->watts);
	if (now->tokens_per_s > 0)
		str_si(speed, now->tokens_per_s);
	else
		strcpy(speed, "--");
	char *blank = strchr(speed, ' ');
	if (blank)
		memmove(blank, blank + 1, strlen(blank));
	if (!o->muted)
		fprintf(stderr, "step %llu%s loss %.4g lr %s %s tok/s %.*f ms%s\n", (unsigned long long)s->step, of, s->loss, plain_rate(rate, s->lr), speed, s->ms < 10, s->ms, watts);
	o->step_waits = 0;
	o->step_ns = clock_ns();
}

static void print_log(struct plain_out *o, const struct engine_event *ev)
{
	plain_out_line(o, ev->level == LOG_WARN ? "warning" : ev->level == LOG_ERROR ? "error" : "", ev->text);
}

/* A sample that came by itself, as one line. */
static void print_own_sample(struct plain_out *o)
{
	if (o->sample.s && !o->sample.failed) {
		for (char *c = o->sample.s; *c; c++)
			if ((unsigned char)*c < 32 || *c == 127)
				*c = ' ';
		plain_out_line(o, "sample", o->sample.s);
	}
	str_clear(&o->sample);
}

static void take_sample(struct plain_out *o, const struct engine_event *ev)
{
	if (ev->past) /* of a run that is gone on with: it was printed then */
		return;
	if (ev->kind == EV_SAMPLE_END) {
		if (ev->id)
			plain_out_text(o, "\n");
		else
			print_own_sample(o);
	} else if (ev->id) {
		plain_out_text(o, ev->text);
	} else {
		str_puts(&o->sample, ev->text);
	}
}

void plain_out_event(struct plain_out *o, const struct engine_event *ev)
{
	char line[128];
	switch (ev->kind) {
	case EV_TEXT:
		plain_out_text(o, ev->text);
		break;
	case EV_LOG:
		print_log(o, ev);
		break;
	case EV_STEP:
		o->step = ev->obs;
		o->step_waits = 1;
		if (clock_ns() - o->step_ns >= SECOND)
			print_step(o);
		break;
	case EV_EVAL:
		snprintf(line, sizeof line, "step %llu loss %.4g", (unsigned long long)ev->obs.step, ev->obs.val);
		if (isfinite(ev->obs.bpb))
			snprintf(line + strlen(line), sizeof line - strlen(line), " %.4g bits/byte", ev->obs.bpb);
		else
			snprintf(line + strlen(line), sizeof line - strlen(line), ", bits/byte -- (what text the ids stand for is not known)");
		plain_out_line(o, "validation", line);
		break;
	case EV_SAMPLE_BEGIN:
	case EV_SAMPLE:
	case EV_SAMPLE_END:
		take_sample(o, ev);
		break;
	case EV_DONE:     /* plain.c */
	case EV_STOPPED:
	case EV_RESTART:
	case EV_CKPT:     /* the log has told */
	case EV_MARK:
	case EV_RESET:
	case EV_HAPPENED: /* the rules of `on` */
	case EV_OVER:
		break;
	}
}

void plain_out_command_done(struct plain_out *o)
{
	if (o->step_waits)
		print_step(o);
	o->doing[0] = 0;
}

void plain_out_progress(struct plain_out *o)
{
	char now[128];
	uint64_t t = clock_ns();
	if (t - o->doing_ns < SECOND)
		return;
	o->doing_ns = t;
	const struct engine_snapshot *s = plain_out_snapshot(o);
	if (s->state != ENGINE_PREPARING || !*s->doing)
		return;
	if (s->progress >= 0)
		snprintf(now, sizeof now, "%s: %.0f %%", s->doing, 100.0 * (double)s->progress);
	else
		snprintf(now, sizeof now, "%s", s->doing);
	if (strcmp(now, o->doing)) {
		char line[160];
		int n = snprintf(line, sizeof line, "%s", now);
		if (s->doing_left >= 1)
			snprintf(line + n, sizeof line - (size_t)n, ", %.0f:%02.0f left", floor(s->doing_left / 60), floor(fmod(s->doing_left, 60)));
		plain_out_line(o, "", line);
	}
	memcpy(o->doing, now, sizeof now);
}
