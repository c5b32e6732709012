/* peft.c: see peft.h. SPDX-License-Identifier: MIT */
#include "io/peft.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/save.h"
#include "io/safetensors.h"
#include "model/lora.h"

enum { NAME = 96 };
static const char prefix[] = "base_model.model.";
enum { ENDING = sizeof ".weight" - 1 };

static int can_say(const struct model_source *s, const char *path, struct err *e)
{
	const struct lora *l = s->params->lora;
	if (!l)
		return err_set(e, ERR_STATE, "export: %s: there are no adapters (set lora.rank, train; or export safetensors)", path);
	for (int k = 0; k < l->n; k++)
		if (s->params->table[l->row[k]].kind == PARAM_EMBED)
			return err_set(e, ERR_STATE, "export: %s: an adapter of the embedding has another form there (export safetensors writes the sum)", path);
	return 0;
}

/* A and B, without what they are added to. */
static int rows_of(const struct lora *l, const struct param **out)
{
	int n = 0;
	for (int i = 0; i < l->low->n; i++)
		if (i % LORA_ROWS != LORA_BASE)
			out[n++] = &l->low->table[i];
	return n;
}

static int put_weights(const struct lora *l, const char *path, struct err *e)
{
	struct model_source low = {l->low, l->low->w, NULL};
	int n = 2 * l->n;
	struct st_tensor *t = mem_zalloc((size_t)n, sizeof *t);
	const struct param **row = mem_zalloc((size_t)n, sizeof *row);
	char (*name)[NAME] = mem_zalloc((size_t)n, sizeof *name);
	float *scratch = mem_aligned(model_source_scratch(&low), sizeof *scratch);
	struct str head = {0};
	struct save f;
	int rc = t && row && name && scratch ? 0 : err_nomem(e, "export: adapters", (unsigned long long)n * NAME);
	if (!rc)
		rows_of(l, row);
	for (int i = 0; !rc && i < n; i++) {
		snprintf(name[i], sizeof name[i], "%s%s", prefix, row[i]->name);
		t[i] = (struct st_tensor){.name = name[i], .dtype = "F32", .rank = 2, .dim = {(uint64_t)row[i]->dim[0], (uint64_t)row[i]->dim[1]}};
	}
	rc = rc ? rc : st_header(&head, t, n, &(struct st_meta){"format", "pt"}, 1, e);
	if (!rc && !(rc = save_begin(&f, path, head.len + t[n - 1].end, e))) {
		rc = save_write(&f, head.s, head.len, e);
		for (int i = 0; i < n && !rc; i++) {
			/* A's rows belong to no head. */
			const float *x = i % 2 ? model_source_tensor(&low, row[i], ROPE_HALF, scratch) : l->low->w + row[i]->offset;
			rc = save_write(&f, x, row[i]->count * sizeof *x, e);
		}
		if (!rc)
			rc = save_commit(&f, e);
		else
			save_abort(&f);
	}
	str_done(&head);
	free(scratch);
	free(name);
	free(row);
	free(t);
	return rc;
}

static json_t *number(double v)
{
	return v == (double)(long long)v ? json_integer((long long)v) : json_real(v);
}

static int put_config(const struct params *p, const char *path, struct err *e)
{
	const struct lora *l = p->lora;
	json_t *modules = json_array();
	for (int k = 0; modules && k < l->n; k++) {
		const char *s = p->table[l->row[k]].name;
		json_array_append_new(modules, json_stringn(s, strlen(s) - ENDING));
	}
	json_t *root = json_pack("{s:s, s:s, s:s, s:i, s:o, s:o, s:f, s:s, s:b, s:b}", "peft_type", "LORA", "task_type", "CAUSAL_LM", "base_model_name_or_path",
				 p->config.name, "r", l->rank, "lora_alpha", number(l->alpha), "target_modules", modules, "lora_dropout", 0.0, "bias", "none",
				 "fan_in_fan_out", 0, "inference_mode", 1);
	char *text = root ? json_dumps(root, JSON_INDENT(2)) : NULL;
	int rc = text ? save_file(path, text, strlen(text), e) : err_nomem(e, "export: adapter_config.json", 4096);
	free(text);
	json_decref(root);
	return rc;
}

int peft_save(const struct model_source *s, const char *path, int variant, struct str *report, struct err *e)
{
	char config[4352], weights[4352];
	(void)variant;
	if ((size_t)snprintf(config, sizeof config, "%s/adapter_config.json", path) >= sizeof config ||
	    (size_t)snprintf(weights, sizeof weights, "%s/adapter_model.safetensors", path) >= sizeof weights)
		return err_set(e, ERR_RANGE, "export: %.200s...: path too long", path);
	int rc = can_say(s, path, e);
	rc = rc ? rc : file_mkdirs(path, e);
	rc = rc ? rc : put_weights(s->params->lora, weights, e);
	rc = rc ? rc : put_config(s->params, config, e);
	if (!rc)
		str_printf(report, "%s: adapters of rank %d for %d matrices, for PEFT\n", path, s->params->lora->rank, s->params->lora->n);
	return rc;
}
