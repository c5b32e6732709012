/* engine_bench.c: `bench`: the machine and every part of training measured against it, as lines for people or as JSON. Measures nothing itself.
 * SPDX-License-Identifier: MIT */
#include "engine_impl.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "bench/bench.h"
#include "device/gemm.h"

struct telling {
	struct worker *w;
	const char *group;
	int json, rows;
};

/* "312 GFLOP/s", "12.4 GB/s", "4850 tokens/s". */
static const char *rate_text(char buf[32], const struct bench_row *r)
{
	if (r->tokens > 0 && !(r->flops > 0))
		snprintf(buf, 32, "%.4g tokens/s", r->tokens / r->ms * 1e3);
	else if (r->flops > 0)
		snprintf(buf, 32, "%.1f GFLOP/s", r->flops / r->ms / 1e6);
	else if (r->bytes > 0)
		snprintf(buf, 32, "%.1f GB/s", r->bytes / r->ms / 1e6);
	else
		snprintf(buf, 32, "--");
	return buf;
}

static void tell_line(struct telling *t, const struct bench_row *r)
{
	char rate[32], floor[16] = "--", share[16] = "--";
	if (!t->group || strcmp(t->group, r->group))
		worker_say(t->w, "%s%-42s %10s %16s %10s %7s\n", t->group ? "\n" : "", r->group, "ms", "rate", "floor ms", "share");
	t->group = r->group;
	if (!(r->ms > 0)) {
		worker_say(t->w, "  %-40s %10s  %s\n", r->name, "--", r->note);
		return;
	}
	if (r->floor_ms > 0) {
		snprintf(floor, sizeof floor, "%.3f", r->floor_ms);
		snprintf(share, sizeof share, "%.2f", r->floor_ms / r->ms);
	}
	worker_say(t->w, "  %-40s %10.3f %16s %10s %7s%s%s\n", r->name, r->ms, rate_text(rate, r), floor, share, *r->note ? "  " : "", r->note);
}

/* A number, or null: JSON has no NaN. */
static void json_number(struct str *s, const char *key, double v)
{
	if (isfinite(v))
		str_printf(s, ",\"%s\":%.9g", key, v);
	else
		str_printf(s, ",\"%s\":null", key);
}

static void tell_json(struct telling *t, const struct bench_row *r)
{
	struct str *s = &t->w->answer;
	str_printf(s, "%s\n{\"group\":\"%s\",\"name\":", t->rows ? "," : "", r->group);
	str_json(s, r->name, strlen(r->name));
	json_number(s, "ms", r->ms);
	json_number(s, "flops", r->flops > 0 ? r->flops : (double)NAN);
	json_number(s, "bytes", r->bytes > 0 ? r->bytes : (double)NAN);
	json_number(s, "tokens", r->tokens > 0 ? r->tokens : (double)NAN);
	json_number(s, "floor_ms", r->floor_ms);
	json_number(s, "share", r->floor_ms / r->ms);
	str_puts(s, ",\"note\":");
	str_json(s, r->note, strlen(r->note));
	str_putc(s, '}');
}

static void tell(void *ctx, const struct bench_row *r)
{
	struct telling *t = ctx;
	if (t->json)
		tell_json(t, r);
	else
		tell_line(t, r);
	t->rows++;
	worker_flush_answer(t->w);
	worker_publish(t->w, 0);
}

static void head(struct worker *w, int json)
{
	const struct blas_info *b = blas_open();
	if (!json) {
		worker_say(w, "anetui %s; %s, %s kernels, %d threads; floor: FLOPs at the rate of sgemm(2048) taken beside, or bytes at memory's best rate\n\n",
			   ANETUI_VERSION, b->library, b->kernels, pool_threads(w->pool));
		return;
	}
	str_puts(&w->answer, "{\"version\":");
	str_json(&w->answer, ANETUI_VERSION, strlen(ANETUI_VERSION));
	str_puts(&w->answer, ",\"blas\":");
	str_json(&w->answer, b->library, strlen(b->library));
	str_puts(&w->answer, ",\"kernels\":");
	str_json(&w->answer, b->kernels, strlen(b->kernels));
	str_printf(&w->answer, ",\"threads\":%d,\"rows\":[", pool_threads(w->pool));
}

int cmd_bench(struct worker *w, int argc, char **argv, struct err *e)
{
	const char *name = NULL;
	struct telling t = {.w = w};
	for (int i = 0; i < argc; i++) {
		if (!strcmp(argv[i], "format=json"))
			t.json = 1;
		else if (strchr(argv[i], '=') || name)
			return err_set(e, ERR_USAGE, "bench: %s: wanted [NAME] [format=json]", argv[i]);
		else
			name = argv[i];
	}
	int rc = worker_machine(w, e);
	if (rc)
		return rc;
	struct bench_options o = {.pool = w->pool, .cancel = &w->g->cancel, .row = tell, .ctx = &t};
	worker_state(w, ENGINE_PREPARING, "measuring the machine");
	head(w, t.json);
	rc = bench_run(&o, name, e);
	if (rc == ERR_USAGE)
		str_clear(&w->answer);
	else if (t.json)
		str_puts(&w->answer, "\n]}\n");
	worker_rest_state(w);
	return rc;
}
