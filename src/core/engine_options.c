/* engine_options.c: what of the model is trained: `freeze`, and what `info` says of it. The arithmetic is the trainer's.
 * SPDX-License-Identifier: MIT */
#include "engine_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/lora.h"
#include "model/select.h"
#include "train/choose.h"

int worker_check_patterns(const struct worker *w, enum setting_id id, const char *patterns, struct err *e)
{
	if (w->params && id == SET_LORA_TARGETS)
		return select_check(w->params, patterns, 1, "lora.targets", e);
	if (!w->params || id != SET_FREEZE)
		return 0;
	int all = 0, rc = select_check(w->params, patterns, 0, "freeze", e);
	for (int i = 0; !rc && i < w->params->n; i++)
		all += select_name(patterns, w->params->table[i].name);
	if (!rc && all == w->params->n)
		return err_set(e, ERR_USAGE, "freeze: %s: all %d tensors would be frozen, nothing is left to train", patterns, all);
	return rc;
}

static void frozen_text(const struct worker *w, char *out, size_t n)
{
	const char *patterns = w->settings.text[SET_FREEZE];
	const struct params *p = w->params;
	int tensors = 0;
	double count = 0;
	char a[16], b[16];
	for (int i = 0; i < p->n; i++)
		if (select_name(patterns, p->table[i].name)) {
			tensors++;
			count += (double)p->table[i].count;
		}
	snprintf(out, n, "%d of %d tensors, %s of %s parameters", tensors, p->n, str_si(a, count), str_si(b, (double)model_params(&p->config)));
}

const struct params *worker_weights(const struct worker *w)
{
	return w->params->ema && settings_int(&w->settings, SET_SAMPLE_EMA) ? w->params->ema : w->params;
}

static void say_lora(struct worker *w)
{
	const struct lora *l = w->params->lora;
	double n = 0;
	char a[16];
	if (!l) {
		worker_say(w, "lora      rank %d, begins with the next step\n", settings_int(&w->settings, SET_LORA_RANK));
		return;
	}
	for (int i = 0; i < l->low->n; i++)
		n += l->low->table[i].frozen ? 0 : (double)l->low->table[i].count;
	worker_say(w, "lora      rank %d, alpha %.9g: %d matrices have adapters, %s parameters are trained, all else is frozen\n", l->rank, l->alpha, l->n, str_si(a, n));
}

void worker_say_options(struct worker *w)
{
	char what[120];
	uint64_t more = choose_bytes(w->params, &w->settings);
	if (w->settings.text[SET_FREEZE][0]) {
		frozen_text(w, what, sizeof what);
		worker_say(w, "frozen    %s (%s)\n", what, w->settings.text[SET_FREEZE]);
	}
	if (settings_int(&w->settings, SET_LORA_RANK) || w->params->lora)
		say_lora(w);
	if (w->settings.num[SET_EMA_DECAY] > 0)
		worker_say(w, "average   of the weights, decay %.9g%s\n", w->settings.num[SET_EMA_DECAY], w->params->ema ? "" : ", begins with the next step");
	if (more)
		worker_say(w, "memory    %s more for adapters and the average\n", str_bytes(what, more));
}

/* Does the list have this word? */
static int has_word(const char *list, const char *word)
{
	size_t n = strlen(word);
	for (const char *p = list; (p = strstr(p, word)); p += n)
		if ((p == list || p[-1] == ' ') && (p[n] == ' ' || !p[n]))
			return 1;
	return 0;
}

static int add_patterns(const struct worker *w, int argc, char **argv, struct str *list, struct err *e)
{
	str_puts(list, w->settings.text[SET_FREEZE]);
	for (int i = 0; i < argc; i++) {
		if (!strcmp(argv[i], "none"))
			return err_set(e, ERR_USAGE, "freeze: none: stands alone");
		if (select_check(w->params, argv[i], 0, "freeze", e))
			return e->code;
		if (!has_word(list->s ? list->s : "", argv[i]))
			str_printf(list, "%s%s", list->len ? " " : "", argv[i]);
	}
	if (list->len >= SETTING_TEXT_MAX)
		return err_set(e, ERR_RANGE, "freeze: %zu bytes of patterns: at most %d (`freeze none`, then fewer, wider ones)", list->len, SETTING_TEXT_MAX - 1);
	return 0;
}

int cmd_freeze(struct worker *w, int argc, char **argv, struct err *e)
{
	char what[120];
	struct str list = {0};
	int rc = worker_need_model(w, e);
	if (rc)
		return rc;
	if (!argc) {
		frozen_text(w, what, sizeof what);
		worker_say(w, "frozen: %s%s%s\n", what, w->settings.text[SET_FREEZE][0] ? ": " : "", w->settings.text[SET_FREEZE]);
		return 0;
	}
	if (argc > 1 || strcmp(argv[0], "none"))
		rc = add_patterns(w, argc, argv, &list, e);
	if (!rc)
		rc = worker_set(w, SET_FREEZE, list.s ? list.s : "", e);
	str_done(&list);
	if (rc)
		return rc;
	frozen_text(w, what, sizeof what);
	worker_log(w, LOG_INFO, "freeze: %s", what);
	return 0;
}
