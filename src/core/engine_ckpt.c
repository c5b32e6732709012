/* engine_ckpt.c: `ckpt`, `load`, `verify`, `runs` and resuming: checkpoints taken and taken back. Their format is in train/ckpt, how they are on their way in engine_save.c.
 * SPDX-License-Identifier: MIT */
#include "engine_impl.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"

/* --- checkpoints ---------------------------------------------------------------------------------------------------------- */

static int bad_name(const char *s)
{
	for (const char *c = s; *c; c++)
		if ((unsigned char)*c < 32 || *c == 127)
			return 1;
	return !s[0] || s[0] == '.' || strpbrk(s, "/\\") || strlen(s) > 100;
}

/* best.ckpt and step-N.ckpt are read as what they say they are. */
static int own_name(const char *s)
{
	return !strcmp(s, "best") || !strcmp(s, "best.ckpt") || (!strncmp(s, "step-", 5) && s[5] >= '0' && s[5] <= '9');
}

int cmd_ckpt(struct worker *w, int argc, char **argv, struct err *e)
{
	if (argc && bad_name(argv[0]))
		return err_set(e, ERR_USAGE, "ckpt: %.60s: a plain name is needed (no folder, no leading dot)", argv[0]);
	if (argc && own_name(argv[0]))
		return err_set(e, ERR_USAGE, "ckpt: %.60s: this name is the program's own (`ckpt` alone saves step-%08llu)", argv[0],
			       (unsigned long long)w->state.step);
	/* Training does not wait for it, the answer does. */
	uint64_t id;
	int beside = w->training && w->npending < PENDING_MAX;
	int rc = beside ? worker_ckpt_begin(w, argc ? argv[0] : NULL, &id, e) : worker_ckpt(w, argc ? argv[0] : NULL, e);
	if (!rc)
		script_command(w, "ckpt", argc ? argv[0] : NULL);
	if (rc || !beside)
		return rc;
	w->pending[w->npending++] = (struct pending){.kind = WAIT_SAVE, .id = w->cmd_id, .step = id};
	return 1;
}

/* Library and kernels; the number of threads, which stands last, changes no byte. */
static int same_blas(const char *a, const char *b)
{
	const char *end_a = strrchr(a, ','), *end_b = strrchr(b, ',');
	size_t n = end_a ? (size_t)(end_a - a) : strlen(a);
	return n == (end_b ? (size_t)(end_b - b) : strlen(b)) && !memcmp(a, b, n);
}

/* What the user has set in this session stays; the rest comes back as it was. */
static void adopt_settings(struct worker *w, const struct settings *s)
{
	struct settings mine = w->settings;
	w->settings = *s;
	for (int i = 0; i < SET_N; i++)
		if (mine.set[i]) {
			w->settings.num[i] = mine.num[i];
			memcpy(w->settings.text[i], mine.text[i], sizeof mine.text[i]);
			w->settings.set[i] = 1;
		}
	w->nundo = 0;
}

int worker_adopt(struct worker *w, struct params *p, const struct train_state *s, struct tokenizer *tok, struct err *e)
{
	char blas[sizeof s->blas], device[sizeof s->device];
	memcpy(blas, w->state.blas, sizeof blas);
	memcpy(device, w->state.device, sizeof device);
	worker_drop_model(w);
	w->params = p;
	w->tok = tok;
	w->state = *s;
	memcpy(w->state.blas, blas, sizeof blas);
	memcpy(w->state.device, device, sizeof device);
	worker_best_look(w);
	adopt_settings(w, &s->settings);
	if (!same_blas(blas, s->blas))
		worker_log(w, LOG_WARN, "resume: written with %s, now %s: the numbers will differ in their last digits", s->blas, blas);
	snprintf(w->data_name, sizeof w->data_name, "%s", s->data_name[0] ? s->data_name : "builtin");
	const char *width = strstr(s->data_how, "width=");
	w->data_width = width ? atoi(width + 6) : 0;
	w->data_chosen = 0;
	uint64_t hash = s->data_hash;
	w->saved = 1;
	w->saved_step = s->step;
	w->saved_ns = clock_ns();
	w->evaluated = 1;
	w->early[0] = 0;
	w->last = (struct step_obs){.step = s->step, .loss = NAN, .watts = NAN, .joules = NAN, .val = NAN, .bpb = NAN};
	worker_reset_timing(w);
	int rc = worker_machine(w, e);
	if (rc)
		return rc;
	if (worker_nice(w, e))
		worker_log(w, LOG_WARN, "%s", e->msg);
	worker_take_device(w, s->device);
	rc = worker_need_data(w, e);
	w->state.cursor = s->cursor;
	if (rc) {
		worker_log(w, LOG_WARN, "%s (choose other data: data FILE)", e->msg);
		return 0;
	}
	if (hash && w->data.hash != hash) {
		worker_log(w, LOG_WARN, "resume: %s has changed since the checkpoint: reading begins anew", w->data_name);
		data_cursor_init(&w->state.cursor, s->cursor.order, s->cursor.seed);
	}
	return 0;
}

/* A name is looked for in the run first, whatever lies in this folder; with a slash in it it is a path. */
static void load_path(const struct worker *w, const char *name, char *out, size_t n)
{
	int plain = run_is_open(&w->run) && !strchr(name, '/');
	if (plain) {
		run_ckpt_path(&w->run, name, 0, out, n);
		if (!access(out, F_OK))
			return;
		if (name[strspn(name, "0123456789")] == 0)
			run_ckpt_path(&w->run, NULL, strtoull(name, NULL, 10), out, n);
		if (!access(out, F_OK) || access(name, F_OK))
			return;
	}
	snprintf(out, n, "%s", name);
}

int cmd_load(struct worker *w, int argc, char **argv, struct err *e)
{
	(void)argc;
	char path[2048];
	struct params *p = NULL;
	struct train_state s;
	struct tokenizer *tok = NULL;
	worker_saves_finish(w); /* it may be one of them; and the model goes */
	load_path(w, argv[0], path, sizeof path);
	worker_state(w, ENGINE_PREPARING, "reading a checkpoint");
	if (ckpt_load_on(w->pool, path, &p, &s, &tok, e))
		return e->code;
	script_load(w, path);
	worker_stop_training(w, ERR_STATE, "train: ended by `load` before the end was reached");
	int rc = worker_adopt(w, p, &s, tok, e);
	if (run_is_open(&w->run)) {
		worker_announce_run(w);
		worker_replay(w, w->state.step, 0);
		worker_event_start(w, 1);
		script_settings(w);
	} else {
		w->started = 0;
		str_clear(&w->new_line);
		str_puts(&w->new_line, "load");
		script_word(&w->new_line, path);
		str_putc(&w->new_line, '\n');
	}
	worker_log(w, LOG_INFO, "loaded %s: %s at step %llu", path, p->config.name, (unsigned long long)s.step);
	return rc;
}

int cmd_verify(struct worker *w, int argc, char **argv, struct err *e)
{
	(void)argc;
	worker_saves_finish(w);
	int rc = ckpt_verify(argv[0], e);
	if (!rc)
		worker_say(w, "%s: whole\n", argv[0]);
	return rc;
}

int cmd_runs(struct worker *w, int argc, char **argv, struct err *e)
{
	(void)argc;
	(void)argv;
	enum { ROWS = 200 };
	struct run_info *r = mem_zalloc(ROWS, sizeof *r);
	if (!r)
		return err_nomem(e, "runs", ROWS * sizeof *r);
	int n = run_list("runs", r, ROWS, e);
	if (n > 0)
		worker_say(w, "%-32s %10s %9s %9s %6s %10s  %s\n", "run", "step", "loss", "val", "ckpts", "size", "last written");
	for (int i = 0; i < n && i < ROWS; i++) {
		char size[16], when[32] = "", loss[16] = "--", val[16] = "--";
		time_t t = (time_t)r[i].mtime;
		struct tm tm;
		if (localtime_r(&t, &tm))
			strftime(when, sizeof when, "%Y-%m-%d %H:%M", &tm);
		if (isfinite(r[i].loss))
			snprintf(loss, sizeof loss, "%.4f", r[i].loss);
		if (isfinite(r[i].val))
			snprintf(val, sizeof val, "%.4f", r[i].val);
		worker_say(w, "%-32s %10llu %9s %9s %6d %10s  %s\n", r[i].dir, (unsigned long long)r[i].step, loss, val, r[i].ckpts,
			   str_bytes(size, r[i].bytes), when);
	}
	if (n == 0)
		worker_say(w, "no runs here yet (train makes one below runs/)\n");
	free(r);
	return n < 0 ? n : 0;
}

/* --- resuming ------------------------------------------------------------------------------------------------------------- */

int worker_resume(struct worker *w, struct err *e)
{
	char dir[1024], path[2048];
	struct str notes = {0};
	struct run_loaded l = {.pool = w->pool};
	int rc = 0;
	worker_state(w, ENGINE_PREPARING, "reading a checkpoint");
	if (w->g->run_dir_opt[0])
		snprintf(dir, sizeof dir, "%s", w->g->run_dir_opt);
	else
		rc = run_newest("runs", dir, sizeof dir, e);
	if (!rc)
		rc = run_open(&w->run, dir, e);
	if (!rc)
		rc = run_load_newest(dir, path, sizeof path, &notes, &l, e);
	for (char *rest, *line = notes.s ? strtok_r(notes.s, "\n", &rest) : NULL; line; line = strtok_r(NULL, "\n", &rest))
		worker_log(w, LOG_WARN, "%s", line);
	str_done(&notes);
	if (rc) {
		run_close(&w->run);
		return rc;
	}
	worker_announce_run(w);
	worker_replay(w, l.state.step, 1);
	struct step_obs last = w->last;
	rc = worker_adopt(w, l.params, &l.state, l.tok, e);
	if (last.step)
		w->last = last;
	w->started = 0;
	w->evaluated = w->data_open;
	script_resume(w, path);
	worker_log(w, LOG_INFO, "resumed %s at step %llu", dir, (unsigned long long)l.state.step);
	if (w->lost.to)
		worker_log(w, LOG_WARN, "%s: steps %llu to %llu were not saved by the session before (%s): they are made again", dir, (unsigned long long)w->lost.from, (unsigned long long)w->lost.to, w->lost.why);
	return rc;
}
