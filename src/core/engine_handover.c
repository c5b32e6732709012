/* engine_handover.c: the engine's part of a restart: why a new process is wanted, what it gets, and taking that over. exec() is the caller's.
 *
 * Static programs on a device that freezes weights are compiled anew for every step, and such a device compiles only so often in one process. Weights and
 * moments, the data file, the run's log and its lock go on as open descriptors: nothing is copied, nobody can take the run in between. All else is plain values.
 * Programs, activations and gradients are made anew: a restart comes at a step boundary, where gradients are zero.
 * SPDX-License-Identifier: MIT */
#include "engine_impl.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "device/gemm.h"
#include "model/ema.h"
#include "model/lora.h"

static const struct handover_field worker_fields[] = {
#define F(name) HANDOVER_FIELD(struct worker, name)
	F(proc), F(machine), F(timing), F(cost), F(tok_source), F(tok_auto), F(new_seed), F(state), F(data_name), F(data_open), F(data_width), F(data_chosen), F(run), F(script_failed), F(saved_step),
	F(saved), F(saved_ns), F(lost), F(started), F(evaluated), F(settings), F(undo), F(nundo), F(training), F(pause_wanted), F(target), F(pending), F(npending),
	F(last), F(ema_step_ms), F(loss_scale), F(flushed), F(flushed_told), F(next_sample_ns), F(auto_samples), F(dropped), F(restarts), F(restart_line),
	F(budget_hinted), F(after_due), F(device_chosen), F(early), F(rewind), F(happen), F(stall_ms), F(measures), F(choice), F(nice_begun),
#undef F
};

static const struct handover_field engine_fields[] = {
#define F(name) HANDOVER_FIELD(struct engine, name)
	F(run_dir_opt), F(cancel), F(cancel_upto), F(queued), F(state), F(next_id), F(snap),
#undef F
};

/* --- why --------------------------------------------------------------------------------------------------------- */

/* What the log will say, and once what would make restarts rarer. accum is the user's: it is named, never changed. */
static void compose_line(struct worker *w)
{
	const struct device_caps *caps = device_caps(w->dev);
	const struct model *m = w->trainer ? trainer_model(w->trainer) : NULL;
	int each = m ? model_compiles(m) : 0, accum = settings_int(&w->settings, SET_ACCUM);
	int n = snprintf(w->restart_line, sizeof w->restart_line, "%d of %d compiles of this process were used at step %llu", caps->compiles_used,
			 caps->compiles_used + caps->compiles_left, (unsigned long long)w->state.step);
	if (each && !w->budget_hinted++)
		snprintf(w->restart_line + n, sizeof w->restart_line - (size_t)n,
			 " (a step takes %d: `set accum %d` makes a tenth of the restarts for the same tokens, `pipeline dynamic` none)", each, accum * 10);
}

int worker_restarts(struct worker *w, const struct engine_cmd *c, struct err *e)
{
	const struct err why = *e;
	worker_saves_finish(w);
	/* A process that has compiled nothing yet is as good as a new one. */
	if (!device_caps(w->dev)->compiles_used) {
		err_set(e, ERR_DEVICE, "%s, and a new one has no more (`pipeline dynamic` compiles once for all layers and steps)", why.msg);
		return 0;
	}
	if ((w->params && params_move(w->params)) || (w->data_open && !data_can_hand_over(&w->data))) {
		err_set(e, ERR_STATE, "%s; a new process can not take over weights and data that have no file in memory (ulimit -f limits files here)", why.msg);
		return 0;
	}
	if (c) {
		w->again = malloc(sizeof *w->again);
		if (!w->again) {
			err_nomem(e, "restart", sizeof *w->again);
			return 0;
		}
		*w->again = *c;
	}
	compose_line(w);
	w->restart = 1;
	return 1;
}

void worker_tell_restart(struct worker *w)
{
	worker_log(w, LOG_INFO, "restart %d: %s", w->restarts, w->restart_line);
}

/* --- handing over -------------------------------------------------------------------------------------------------- */

static int put_tokenizer(const struct worker *w, struct handover *h, struct err *e)
{
	unsigned char *bytes;
	size_t n;
	int rc = w->tok ? tokenizer_pack(w->tok, &bytes, &n, e) : 0;
	if (rc || !w->tok)
		return rc;
	handover_put(h, "tokenizer", bytes, n);
	handover_put_text(h, "tokenizer.name", tokenizer_info(w->tok)->name);
	free(bytes);
	return 0;
}

/* What the rows of a table have gone through. */
static int put_rows(const struct params *p, const char *name, struct handover *h, struct err *e)
{
	uint64_t *late = mem_zalloc((size_t)p->n, sizeof *late);
	if (!late)
		return err_nomem(e, "restart", (uint64_t)p->n * sizeof *late);
	for (int i = 0; i < p->n; i++)
		late[i] = p->table[i].late;
	handover_put(h, name, late, (size_t)p->n * sizeof *late);
	free(late);
	return 0;
}

static int take_rows(struct params *p, const char *name, const struct handover *h, struct err *e)
{
	size_t n;
	const uint64_t *late = handover_find(h, name, &n);
	if (!late || n != (size_t)p->n * sizeof *late)
		return err_set(e, ERR_FORMAT, "restart: %s: %zu bytes, %zu expected", name, late ? n : 0, (size_t)p->n * sizeof *late);
	for (int i = 0; i < p->n; i++)
		p->table[i].late = late[i];
	return 0;
}

struct lora_carry {
	int rank;
	double alpha;
};

static int put_lora(const struct params *p, struct handover *h, struct err *e)
{
	struct lora_carry c = {.rank = p->lora->rank, .alpha = p->lora->alpha};
	unsigned char *hit = mem_zalloc((size_t)p->n, 1);
	if (!hit)
		return err_nomem(e, "restart", (uint64_t)p->n);
	for (int k = 0; k < p->lora->n; k++)
		hit[p->lora->row[k]] = 1;
	handover_put(h, "lora", &c, sizeof c);
	handover_put(h, "lora.rows", hit, (size_t)p->n);
	handover_put_fd(h, "lora.arena", p->lora->low->fd);
	free(hit);
	return put_rows(p->lora->low, "lora.late", h, e);
}

static int take_lora(struct params *p, const struct handover *h, struct err *e)
{
	struct lora_carry c;
	size_t n;
	if (!handover_find(h, "lora", &n))
		return 0;
	int rc = handover_get(h, "lora", &c, sizeof c, e);
	const unsigned char *hit = handover_find(h, "lora.rows", &n);
	if (!rc && (!hit || n != (size_t)p->n))
		rc = err_set(e, ERR_FORMAT, "restart: lora.rows: %d expected", p->n);
	int fd = rc ? -1 : handover_take_fd(h, "lora.arena", e);
	if (fd < 0)
		return ERR_FORMAT;
	rc = lora_adopt(p, hit, c.rank, c.alpha, fd, e);
	return rc ? rc : take_rows(p->lora->low, "lora.late", h, e);
}

static int take_ema(struct params *p, const struct handover *h, struct err *e)
{
	size_t n;
	if (!handover_find(h, "model.ema", &n))
		return 0;
	int fd = handover_take_fd(h, "model.ema", e);
	return fd < 0 ? ERR_FORMAT : ema_adopt(p, fd, e);
}

static int put_params(const struct params *p, struct handover *h, struct err *e)
{
	int train = p->g != NULL;
	handover_put(h, "model", &p->config, sizeof p->config);
	handover_put(h, "model.train", &train, sizeof train);
	handover_put_fd(h, "model.arena", p->fd);
	if (p->ema)
		handover_put_fd(h, "model.ema", p->ema->fd);
	int rc = put_rows(p, "model.late", h, e);
	return rc || !p->lora ? rc : put_lora(p, h, e);
}

/* In their order: the one that is to be begun again came first. */
static int put_commands(struct engine *g, struct handover *h, struct err *e)
{
	struct engine_cmd *c = mem_zalloc(1, sizeof *c);
	struct str all = {0};
	if (!c)
		return err_nomem(e, "restart", sizeof *c);
	while (ring_pop(g->commands, c))
		str_add(&all, c, sizeof *c);
	handover_put(h, "commands", all.s, all.len);
	if (g->w.again)
		handover_put(h, "again", g->w.again, sizeof *g->w.again);
	int rc = all.failed ? err_nomem(e, "restart", all.cap) : 0;
	/* Back into the ring: the restart may fail, and then they are answered here. */
	for (size_t at = 0; at < all.len; at += sizeof *c) {
		memcpy(c, all.s + at, sizeof *c);
		ring_push(g->commands, c);
	}
	str_done(&all);
	free(c);
	return rc;
}

static void put_power(const struct power *p, struct handover *h)
{
	struct power_view v;
	power_look(p, &v);
	double carry[3] = {v.joules, v.estimated ? v.watts : 0, v.baseline};
	handover_put(h, "power", carry, sizeof carry);
}

int engine_hand_over(struct engine *g, struct handover *h, struct err *e)
{
	struct worker *w = &g->w;
	if (!g->joined)
		pthread_join(g->thread, NULL);
	g->joined = 1;
	double gflops = blas_open()->gflops;
	int restarts = w->restarts++;
	handover_put_fields(h, "engine", engine_fields, ARRAY_LEN(engine_fields), g);
	handover_put_fields(h, "worker", worker_fields, ARRAY_LEN(worker_fields), w);
	w->restarts = restarts;
	handover_put(h, "gflops", &gflops, sizeof gflops);
	handover_put_text(h, "new_line", w->new_line.s);
	handover_put_text(h, "script", w->script.s);
	put_power(w->power, h);
	if (run_is_open(&w->run)) {
		handover_put_fd(h, "run.lock", w->run.lock_fd);
		handover_put_fd(h, "run.metrics", w->run.metrics_fd);
	}
	int rc = w->params ? put_params(w->params, h, e) : 0;
	if (w->data_open)
		data_hand_over(&w->data, h);
	rc = rc ? rc : put_tokenizer(w, h, e);
	return rc ? rc : put_commands(g, h, e);
}

/* --- taking over ---------------------------------------------------------------------------------------------------- */

static int take_params(struct worker *w, const struct handover *h, struct err *e)
{
	struct model_config c;
	int train = 0;
	size_t n;
	if (!handover_find(h, "model", &n))
		return 0;
	int rc = handover_get(h, "model", &c, sizeof c, e);
	if (!rc)
		rc = handover_get(h, "model.train", &train, sizeof train, e);
	int fd = rc ? -1 : handover_take_fd(h, "model.arena", e);
	if (fd < 0)
		return ERR_FORMAT;
	w->params = params_adopt(&c, fd, train, e);
	if (!w->params)
		return ERR_FORMAT;
	rc = take_rows(w->params, "model.late", h, e);
	rc = rc ? rc : take_lora(w->params, h, e);
	return rc ? rc : take_ema(w->params, h, e);
}

static int take_tokenizer(struct worker *w, const struct handover *h, struct err *e)
{
	size_t n;
	const void *bytes = handover_find(h, "tokenizer", &n);
	if (bytes && !(w->tok = tokenizer_parse(bytes, n, handover_text(h, "tokenizer.name"), e)))
		return ERR_FORMAT;
	return 0;
}

static int take_commands(struct engine *g, const struct handover *h, struct err *e)
{
	size_t n, used;
	const char *all = handover_find(h, "commands", &n), *again = handover_find(h, "again", &used);
	for (size_t at = 0; all && at + sizeof(struct engine_cmd) <= n; at += sizeof(struct engine_cmd))
		if (ring_push(g->commands, all + at))
			return err_set(e, ERR_STATE, "restart: too many commands wait");
	if (again && used == sizeof *g->w.again) {
		g->w.again = malloc(sizeof *g->w.again);
		if (!g->w.again)
			return err_nomem(e, "restart", sizeof *g->w.again);
		memcpy(g->w.again, again, used);
	}
	return 0;
}

/* The lock is held by the open file itself: it was never free. */
static int take_run(struct run *r, const struct handover *h, struct err *e)
{
	int open = run_is_open(r);
	r->lock_fd = open ? handover_take_fd(h, "run.lock", e) : -1;
	r->metrics_fd = open && r->lock_fd >= 0 ? handover_take_fd(h, "run.metrics", e) : -1;
	return open && r->metrics_fd < 0 ? ERR_FORMAT : 0;
}

static void take_small(struct worker *w, const struct handover *h)
{
	double carry[3] = {NAN, 0, NAN}, gflops = 0;
	if (!handover_get(h, "power", carry, sizeof carry, NULL)) {
		power_carry(w->power, carry[0]);
		power_estimate(w->power, carry[1]);
		power_set_baseline(w->power, carry[2]);
	}
	if (!handover_get(h, "gflops", &gflops, sizeof gflops, NULL) && gflops > 0)
		blas_measured(gflops);
	str_puts(&w->new_line, handover_text(h, "new_line"));
	str_puts(&w->script, handover_text(h, "script"));
}

int worker_take_over(struct worker *w, struct err *e)
{
	struct engine *g = w->g;
	const struct handover *h = g->opt.from;
	int rc = handover_get_fields(h, "engine", engine_fields, ARRAY_LEN(engine_fields), g, e);
	if (!rc)
		rc = handover_get_fields(h, "worker", worker_fields, ARRAY_LEN(worker_fields), w, e);
	if (!rc)
		blas_choose_again(&w->choice);
	int had_data = w->data_open;
	w->notes_told = 1;
	w->data_open = 0;
	if (rc)
		return rc;
	take_small(w, h);
	rc = take_run(&w->run, h, e);
	if (!rc)
		rc = take_params(w, h, e);
	if (!rc)
		rc = take_tokenizer(w, h, e);
	if (!rc && had_data && !(rc = data_take_over(&w->data, h, e)))
		w->data_open = 1;
	return rc ? rc : take_commands(g, h, e);
}
