/* engine_device.c: the machine: pool and device, and `device`, which changes it while training goes on. Runs no program.
 *
 * The words behind `device` are the spec that device_open reads; they stand in the script of the run, in its checkpoints and in its record. A change
 * drops the trainer, as `set threads` does: a step that has begun is begun again, weights and moments stay where they are.
 * SPDX-License-Identifier: MIT */
#include "engine_impl.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "device/gemm.h"
#include "model/work.h"

/* --- the machine ------------------------------------------------------------------------------------------------ */

static struct device *open_device(struct worker *w, const char *spec, struct err *e)
{
	struct device *d = device_open(spec, w->pool, e);
	if (d)
		snprintf(w->state.device, sizeof w->state.device, "%s", spec);
	return d;
}

/* Once for a run of the program, its restarts included: measured, or remembered. */
static void choose(struct worker *w)
{
	char note[400];
	struct str line = {0};
	if (w->choice.nlib)
		return;
	blas_choose_here(&w->choice, note, sizeof note);
	if (note[0])
		worker_log(w, LOG_WARN, "%s", note);
	blas_choice_text(&w->choice, &line);
	if (!w->choice.remembered)
		worker_log(w, LOG_INFO, "machine: %s", line.s ? line.s : "");
	str_done(&line);
}

int worker_nice(struct worker *w, struct err *e)
{
	return pool_nice(w->pool, MIN(w->nice_begun + settings_int(&w->settings, SET_NICE), 19), e);
}

static int threads_wanted(struct worker *w)
{
	int asked = settings_int(&w->settings, SET_THREADS);
	return asked ? asked : MIN(w->choice.threads, pool_cpus());
}

int worker_machine(struct worker *w, struct err *e)
{
	choose(w);
	int asked = settings_int(&w->settings, SET_THREADS), want = threads_wanted(w);
	if (w->pool && w->dev && (asked == w->pool_asked || want == pool_threads(w->pool))) {
		w->pool_asked = asked;
		return 0;
	}
	/* Everything that was made with the old pool goes; the weights stay. */
	char spec[sizeof w->state.device];
	snprintf(spec, sizeof spec, "%s", w->state.device[0] ? w->state.device : "cpu");
	worker_drop_trainer(w);
	decoder_free(w->decoder);
	w->decoder = NULL;
	device_close(w->dev);
	w->dev = NULL;
	pool_free(w->pool);
	w->pool = pool_new(want, e);
	if (!w->pool && want > 1) {
		worker_log(w, LOG_WARN, "threads: %d could not be started, going on with 1", want);
		w->pool = pool_new(1, e);
	}
	if (!w->pool)
		return ERR_IO;
	w->pool_asked = asked;
	if (worker_nice(w, e)) /* of a checkpoint, where the program began with more */
		worker_log(w, LOG_WARN, "%s", e->msg);
	w->dev = open_device(w, spec, e);
	if (!w->dev)
		return ERR_DEVICE;
	const struct blas_info *b = blas_open();
	snprintf(w->state.blas, sizeof w->state.blas, "%.40s, %.24s, %d threads", b->library, b->kernels, pool_threads(w->pool));
	return 0;
}

void worker_device_notes(struct worker *w)
{
	const char *text;
	while (w->dev && (text = device_note(w->dev)))
		if (!w->notes_told)
			worker_log(w, LOG_WARN, "%s", text);
}

void worker_chip(const struct worker *w, struct chip_view *out)
{
	const char *name = w->dev ? device_caps(w->dev)->chip : NULL;
	const struct chip *chip = name ? chip_find(name, NULL) : NULL;
	const struct model *m = w->trainer ? trainer_model(w->trainer) : NULL;
	const struct chip_view last = w->g->snap.chip; /* out may be that one */
	*out = (struct chip_view){.ms = NAN, .watts = NAN};
	if (!chip)
		return;
	snprintf(out->name, sizeof out->name, "%s", chip->name);
	snprintf(out->source, sizeof out->source, "%s", chip->source);
	out->guess = chip->flags & CHIP_GUESS ? 1 : 0;
	struct step_work work = {.device_forward_ns = w->timing.last_chip_ns[0], .device_backward_ns = w->timing.last_chip_ns[1]};
	double programs = work.device_forward_ns + work.device_backward_ns;
	if (!w->params || !(programs > 0))
		return;
	/* Between two models (a restart, a change) the latest micro-step's prediction stands. */
	if (!m) {
		if (!strcmp(last.name, chip->name))
			*out = last;
		return;
	}
	model_host_work(&work, &w->params->config, settings_int(&w->settings, SET_BATCH), settings_int(&w->settings, SET_SEQ), model_how(m), worker_rows(w));
	double ns = step_ns(chip, &work, &step_fit);
	out->ms = ns / 1e6;
	out->forward_ms = work.device_forward_ns / 1e6;
	out->backward_ms = work.device_backward_ns / 1e6;
	out->watts = chip->watts_idle + programs / ns * (chip->watts_busy - chip->watts_idle);
}

/* --- changing the device ------------------------------------------------------------------------------------------- */

/* The new one is opened before the old one goes: what can not be opened changes nothing. */
static int change(struct worker *w, const char *spec, struct err *e)
{
	struct device *d = open_device(w, spec, e);
	if (!d)
		return e->code;
	worker_drop_trainer(w);
	device_close(w->dev);
	w->dev = d;
	worker_reset_timing(w);
	return 0;
}

static void record(struct worker *w, const char *old)
{
	struct str f = {0};
	struct engine_event ev = {.kind = EV_MARK, .obs = {.step = w->state.step, .t = run_seconds(&w->run)}};
	script_device(w);
	str_puts(&f, "\"key\":\"device\",\"old\":");
	str_json(&f, old, strlen(old));
	str_puts(&f, ",\"new\":");
	str_json(&f, w->state.device, strlen(w->state.device));
	worker_event(w, "set", "%s", f.s ? f.s : "");
	str_done(&f);
	snprintf(ev.text, sizeof ev.text, "device %s -> %s", old, w->state.device);
	worker_emit(w, &ev, 1);
}

int worker_take_device(struct worker *w, const char *spec)
{
	struct err e = {0};
	if (w->device_chosen || !spec[0] || !strcmp(spec, w->state.device))
		return 0;
	if (change(w, spec, &e)) {
		worker_log(w, LOG_WARN, "resume: made on %s: %s (%s goes on: the numbers will differ)", spec, e.msg, w->state.device);
		return e.code;
	}
	worker_log(w, LOG_INFO, "device: %s, as in the checkpoint", spec);
	return 0;
}

/* --- the command ------------------------------------------------------------------------------------------------------- */

void worker_say_choice(struct worker *w, const char *head)
{
	struct str line = {0};
	blas_choice_text(&w->choice, &line);
	if (line.s)
		worker_say(w, "%s%s\n", head, line.s);
	str_done(&line);
}

static void say_device(struct worker *w)
{
	const struct blas_info *b = blas_open();
	const struct device_caps *c = device_caps(w->dev);
	double gflops = b->gflops > 0 ? b->gflops : blas_measure(w->pool);
	worker_say(w, "%s: %s\n", c->name, c->about);
	if (c->compiles_left >= 0)
		worker_say(w, "compiles: %d used in this process, %d left\n", c->compiles_used, c->compiles_left);
	if (w->restarts)
		worker_say(w, "restarts: %d\n", w->restarts);
	worker_say(w, "BLAS: %s, %s kernels, %d threads, sgemm %.0f GFLOP/s\n", b->library, b->kernels, pool_threads(w->pool), gflops);
	worker_say(w, "%s%s", b->note, b->note[0] ? "\n" : "");
	worker_say_choice(w, "measured: ");
}

static int join(char *out, size_t n, int argc, char **argv, struct err *e)
{
	size_t at = 0;
	for (int i = 0; i < argc; i++) {
		int k = snprintf(out + at, n - at, "%s%s", i ? " " : "", argv[i]);
		if (k < 0 || (at += (size_t)k) >= n)
			return err_set(e, ERR_USAGE, "device: the options are too long (%zu bytes at most)", n - 1);
	}
	return 0;
}

int cmd_device(struct worker *w, int argc, char **argv, struct err *e)
{
	char spec[sizeof w->state.device], old[sizeof w->state.device];
	int rc = worker_machine(w, e);
	if (rc)
		return rc;
	if (!argc) {
		say_device(w);
		return 0;
	}
	memcpy(old, w->state.device, sizeof old);
	if ((rc = join(spec, sizeof spec, argc, argv, e)) || (rc = change(w, spec, e)))
		return rc;
	w->device_chosen = 1;
	w->notes_told = 0;
	if (strcmp(old, spec))
		record(w, old);
	worker_log(w, LOG_INFO, "device: %s -> %s (%s)", old, spec, device_caps(w->dev)->about);
	worker_device_notes(w);
	return 0;
}
