/* model.c: a program in the framework: description, folder, compile, load, evaluate, unload. Every call stands in an autorelease pool, and
 * what outlives it is retained. SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "device/ane/ane.h"

enum { QOS = 21 };

/* The framework counts compiles by process, whatever is unloaded: so do we. */
static int compiles, budget = ANE_BUDGET;

void ane_testing(const char *const path[ANE_LIBRARIES], int n)
{
	ane_api_paths(path);
	compiles = 0;
	budget = n > 0 ? n : ANE_BUDGET;
}

void ane_count(struct ane *a)
{
	a->base.caps.compiles_used = compiles;
	a->base.caps.compiles_left = MAX(0, budget - compiles);
}

/* --- calls, each with its exact prototype: on arm64 arguments of unknown prototypes go elsewhere --- */

static void *describe(const struct ane_api *p, void *text, void *weights)
{
	void *(*call)(void *, void *, void *, void *, void *) = (void *(*)(void *, void *, void *, void *, void *))p->objc_msgSend;
	return call(p->class[ANE_CLASS_DESCRIPTOR], p->selector[ANE_METHOD_DESCRIBE], text, weights, NULL);
}

static void *in_memory(const struct ane_api *p, void *description)
{
	void *(*call)(void *, void *, void *) = (void *(*)(void *, void *, void *))p->objc_msgSend;
	return call(p->class[ANE_CLASS_MODEL], p->selector[ANE_METHOD_IN_MEMORY], description);
}

static void *identifier(const struct ane_api *p, void *model)
{
	void *(*call)(void *, void *) = (void *(*)(void *, void *))p->objc_msgSend;
	return call(model, p->selector[ANE_METHOD_IDENTIFIER]);
}

static _Bool compile_or_load(const struct ane_api *p, enum ane_method which, void *model, void *options, void **error)
{
	_Bool (*call)(void *, void *, uint32_t, void *, void **) = (_Bool (*)(void *, void *, uint32_t, void *, void **))p->objc_msgSend;
	return call(model, p->selector[which], QOS, options, error);
}

static _Bool evaluate(const struct ane_api *p, void *model, void *options, void *request, void **error)
{
	_Bool (*call)(void *, void *, uint32_t, void *, void *, void **) =
		(_Bool (*)(void *, void *, uint32_t, void *, void *, void **))p->objc_msgSend;
	return call(model, p->selector[ANE_METHOD_EVALUATE], QOS, options, request, error);
}

static _Bool unload(const struct ane_api *p, void *model, void **error)
{
	_Bool (*call)(void *, void *, uint32_t, void **) = (_Bool (*)(void *, void *, uint32_t, void **))p->objc_msgSend;
	return call(model, p->selector[ANE_METHOD_UNLOAD], QOS, error);
}

/* --- the weights as the description wants them: {path: {"offset": 0, "data": bytes}}, empty but never nil --- */

static void *one_weight(const struct ane_api *p, const struct str *file)
{
	void *key[2] = {ane_string(p, "offset"), ane_string(p, "data")};
	void *value[2] = {ane_number(p, 0), p->CFDataCreate(NULL, (const uint8_t *)file->s, (long)file->len)};
	void *d = key[0] && key[1] && value[0] && value[1] ? ane_dictionary(p, key, value, 2) : NULL;
	for (int i = 0; i < 2; i++) {
		ane_release(p, key[i]);
		ane_release(p, value[i]);
	}
	return d;
}

static void *weight_dictionary(const struct ane_api *p, const struct weight_files *w)
{
	void **key = mem_zalloc((size_t)w->n + 1, 2 * sizeof *key), **value = key ? key + w->n : NULL, *d = NULL;
	int whole = key != NULL;
	for (int i = 0; whole && i < w->n; i++) {
		key[i] = ane_string(p, w->file[i].path);
		value[i] = one_weight(p, &w->file[i].file.bytes);
		whole = key[i] && value[i];
	}
	if (whole)
		d = ane_dictionary(p, key, value, w->n);
	for (int i = 0; key && i < 2 * w->n; i++)
		ane_release(p, key[i]);
	free(key);
	return d;
}

/* --- stages --- */

/* The model object, retained. */
static int make_model(struct ane *a, struct ane_model *m, const struct str *text, const struct weight_files *w, struct err *e)
{
	const struct ane_api *p = &a->api;
	void *data = p->CFDataCreate(NULL, (const uint8_t *)text->s, (long)text->len), *weights = weight_dictionary(p, w);
	void *description = data && weights ? describe(p, data, weights) : NULL, *model = description ? in_memory(p, description) : NULL;
	int r = 0;
	if (!data || !weights)
		r = err_nomem(e, "ane: describe", text->len);
	else if (!model)
		r = err_set(e, ERR_DEVICE, "ane: describe: %s", description ? "no model for the description" : "the framework refuses the program (InvalidMILProgram)");
	else
		m->model = p->CFRetain(model);
	ane_release(p, data);
	ane_release(p, weights);
	return r;
}

/* The name becomes part of a path. */
static int make_folder(struct ane *a, struct ane_model *m, const struct str *text, const struct weight_files *w, struct err *e)
{
	char name[512], base[600];
	if (ane_text(&a->api, identifier(&a->api, m->model), name, sizeof name) || !*name ||
	    name[strspn(name, "0123456789abcdefABCDEF_-")])
		return err_set(e, ERR_DEVICE, "ane: describe: the model has no identifier that a folder could be called by");
	if (ane_text(&a->api, a->api.NSTemporaryDirectory(), base, sizeof base) || *base != '/')
		return err_set(e, ERR_DEVICE, "ane: describe: macOS names no temporary folder");
	return ane_folder_make(&m->folder, base, name, text, w, e);
}

static int compile(struct ane *a, struct ane_model *m, struct err *e)
{
	void *error = NULL;
	if (compiles >= budget)
		return err_set(e, ERR_BUDGET, "ane: compile: all %d compiles of this process are used (a new process has new ones; pipeline "
			       "dynamic compiles once)", budget);
	compiles++;
	ane_count(a);
	if (compile_or_load(&a->api, ANE_METHOD_COMPILE, m->model, a->no_options, &error))
		return 0;
	int r = ane_error(&a->api, "compile", error, compiles > ANE_BUDGET_DOUBT ? " (perhaps the compiles of this process are used up)" : "", e);
	if (compiles > ANE_BUDGET_DOUBT && e)
		r = e->code = ERR_BUDGET;
	return r;
}

static int load(struct ane *a, struct ane_model *m, struct err *e)
{
	void *error = NULL;
	if (!compile_or_load(&a->api, ANE_METHOD_LOAD, m->model, a->no_options, &error))
		return ane_error(&a->api, "load", error, "", e);
	m->loaded = 1;
	return 0;
}

int ane_model_make(struct ane *a, struct ane_model *m, const struct str *text, const struct weight_files *w, struct err *e)
{
	void *pool = a->api.objc_autoreleasePoolPush();
	*m = (struct ane_model){0};
	int r = make_model(a, m, text, w, e);
	if (!r)
		r = make_folder(a, m, text, w, e);
	if (!r)
		r = compile(a, m, e);
	if (!r)
		r = load(a, m, e);
	if (r)
		ane_model_done(a, m);
	a->api.objc_autoreleasePoolPop(pool);
	return r;
}

void ane_model_done(struct ane *a, struct ane_model *m)
{
	void *pool = a->api.objc_autoreleasePoolPush(), *error = NULL;
	struct err e = {0};
	if (m->loaded && !unload(&a->api, m->model, &error)) {
		ane_error(&a->api, "unload", error, "", &e);
		device_say(&a->base, "%s", e.msg);
	}
	ane_release(&a->api, m->model);
	ane_folder_done(&m->folder);
	*m = (struct ane_model){0};
	a->api.objc_autoreleasePoolPop(pool);
}

int ane_model_run(struct ane *a, struct ane_model *m, void *request, struct err *e)
{
	void *pool = a->api.objc_autoreleasePoolPush(), *error = NULL;
	int r = 0;
	if (!evaluate(&a->api, m->model, a->no_options, request, &error))
		r = ane_error(&a->api, "run", error, "", e);
	a->api.objc_autoreleasePoolPop(pool);
	return r;
}
