/* test_ane.c: the ane device on a stand-in for macOS' libraries: every op, surfaces, every failure, and nothing left behind.
 * SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fp16.h"
#include "base/mem.h"
#include "device/ane/ane.h"
#include "support/ane_engine.h"
#include "support/op_cases.h"

static struct device *open_ane(const char *spec)
{
	struct err e = {0};
	struct device *d = device_open(spec, NULL, &e);
	if (!d)
		fail_msg("%s", e.msg);
	return d;
}

static void says(const struct err *e, int code, const char *part)
{
	if (e->code != code || !strstr(e->msg, part) || strchr(e->msg, '\n'))
		fail_msg("%d \"%s\": should be %d, one line, and say \"%s\"", e->code, e->msg, code, part);
}

/* --- elsewhere --- */

static void not_here(void **state)
{
	struct err e = {0};
	(void)state;
	ane_testing(NULL, 0);
	assert_null(device_open("ane", NULL, &e));
	assert_int_equal(e.code, ERR_DEVICE);
	assert_string_equal(e.msg, "device: ane: needs macOS on Apple silicon (try: device sim chip=m4)");
}

/* --- opening --- */

static void chips(void **state)
{
	static const struct { const char *brand, *spec, *about; } c[] = {
		{"Apple M1", "ane", "Apple M1, fp16, weights frozen, programs verbose (1.0, ios16)"},
		{"Apple M2 Ultra", "ane", "Apple M2 Ultra, fp16, weights frozen, programs verbose (1.0, ios16)"},
		{"Apple M3", "ane", "Apple M3, fp16, weights frozen, programs bare (1.3, ios18)"},
		{"Apple M4 Max", "ane", "Apple M4 Max, fp16, weights frozen, programs bare (1.3, ios18)"},
		{"Apple M12", "ane", "Apple M12, fp16, weights frozen, programs bare (1.3, ios18)"},
		{"Apple M4", "ane dialect=verbose", "Apple M4, fp16, weights frozen, programs verbose (1.0, ios16)"},
		{NULL, "ane", "unknown processor, fp16, weights frozen, programs bare (1.3, ios18)"},
	};
	struct err e = {0};
	(void)state;
	struct standin *s = ane_engine_begin("sim", NULL, 0);
	for (size_t i = 0; i < ARRAY_LEN(c); i++) {
		s->brand = c[i].brand;
		struct device *d = open_ane(c[i].spec);
		const struct device_caps *caps = device_caps(d);
		assert_string_equal(caps->about, c[i].about);
		assert_string_equal(caps->name, "ane");
		assert_true(caps->fp16 && caps->overlaps && !caps->weights_live && !caps->host_memory && !caps->batch);
		assert_int_equal(caps->compiles_left, ANE_BUDGET);
		assert_int_equal(caps->min_surface, 49152);
		device_close(d);
	}
	assert_null(device_open("ane chip=m4", NULL, &e));
	says(&e, ERR_USAGE, "device: ane: chip=m4: no such option");
	ane_engine_end(s);
}

static void parts_that_are_missing(void **state)
{
	static const char *const missing[] = {
		"_ANEInMemoryModelDescriptor", "_ANEInMemoryModel", "_ANEIOSurfaceObject", "_ANERequest",
		"modelWithMILText:weights:optionsPlist:", "inMemoryModelWithDescriptor:", "hexStringIdentifier", "compileWithQoS:options:error:",
		"loadWithQoS:options:error:", "evaluateWithQoS:options:request:error:", "unloadWithQoS:error:", "objectWithIOSurface:",
		"requestWithInputs:inputIndices:outputs:outputIndices:weightsBuffer:perfStats:procedureIndex:",
	};
	(void)state;
	struct standin *s = ane_engine_begin("sim", NULL, 0);
	for (size_t i = 0; i < ARRAY_LEN(missing); i++) {
		struct err e = {0};
		s->missing = missing[i];
		assert_null(device_open("ane", NULL, &e));
		says(&e, ERR_DEVICE, missing[i]);
		says(&e, ERR_DEVICE, i < 4 ? "this macOS has no class" : "this macOS has no such method: ");
	}
	struct err e = {0};
	static const char *const none[ANE_LIBRARIES] = {"libm.so.6", "libm.so.6", "libm.so.6", "libm.so.6", "libm.so.6"};
	static const char *const private[ANE_LIBRARIES] = {"libm.so.6", "libm.so.6", "libm.so.6", "libm.so.6", "/nowhere/AppleNeuralEngine"};
	ane_testing(none, 0);
	assert_null(device_open("ane", NULL, &e));
	says(&e, ERR_DEVICE, "this macOS has no objc_getClass in libm.so.6");
	ane_testing(private, 0);
	assert_null(device_open("ane", NULL, &e));
	says(&e, ERR_DEVICE, "this macOS has no /nowhere/AppleNeuralEngine");
	ane_engine_end(s);
}

/* --- programs --- */

static int64_t channels(const struct mil_type *t)
{
	return t->rank > 1 ? t->dim[1] : 1;
}

static void give(struct surface *s, const struct mil_type *t, const double *v)
{
	float *w = surface_window(s, 0, channels(t), SURFACE_WRITE);
	assert_non_null(w);
	for (int64_t i = 0; i < mil_count(t); i++)
		w[i] = (float)v[i];
	surface_release(s);
}

/* Runs a case; the outputs one after the other in `out`. 0: the device takes no such program, and says why in e. */
static int run_case(struct device *d, const struct op_case *c, const struct op_data *data, float **out, size_t *nout, struct err *why)
{
	const struct kernel_io *in, *to;
	const char *names[32];
	struct surface *s[32];
	struct err e = {0};
	int n = 0;
	struct kernel *k = device_compile(d, c->text, strlen(c->text), data->w, data->nw, &e);
	*why = e;
	if (!k)
		return 0;
	int nin = kernel_inputs(k, &in), nto = kernel_outputs(k, &to);
	*nout = 0;
	for (int i = 0; i < nin + nto; i++) {
		const struct kernel_io *io = i < nin ? &in[i] : &to[i - nin];
		names[n] = io->name;
		if (!(s[n++] = device_surface(d, &io->type, &e)))
			fail_msg("%s: %s", c->name, e.msg);
		if (i < nin)
			give(s[i], &io->type, data->in[i]);
		else
			*nout += (size_t)mil_count(&io->type);
	}
	struct binding *b = device_bind(k, names, s, n, &e);
	if (!b || binding_run(b, &e))
		fail_msg("%s: %s", c->name, e.msg);
	*out = mem_zalloc(*nout, sizeof **out);
	float *at = *out;
	for (int i = 0; i < nto; i++) {
		size_t count = (size_t)mil_count(&to[i].type);
		memcpy(at, surface_window(s[nin + i], 0, channels(&to[i].type), SURFACE_READ), count * sizeof *at);
		surface_release(s[nin + i]);
		at += count;
	}
	binding_free(b);
	for (int i = 0; i < n; i++)
		surface_free(s[i]);
	kernel_free(k);
	return 1;
}

/* Every program of the table whose inputs and outputs the device can hold: the very numbers of the device that stands behind it. On both
 * kinds of chips, so in both dialects. */
static void every_op(void **state)
{
	static const char *const brands[] = {"Apple M4", "Apple M1 Pro"};
	(void)state;
	for (int way = 0; way < 2; way++) {
		struct standin *s = ane_engine_begin("sim budget=1000000 quirks=off", NULL, 1000000);
		s->brand = brands[way];
		struct device *ane = open_ane("ane"), *sim = open_ane("sim budget=1000000 quirks=off");
		int n, ran = 0;
		const struct op_case *c = op_cases(&n);
		for (int i = 0; i < n; i++) {
			struct mil_graph *g;
			struct err e = {0}, why = {0};
			struct op_data data;
			float *got, *want;
			size_t ngot, nwant;
			assert_int_equal(mil_parse(&g, c[i].text, strlen(c[i].text), &e), 0);
			assert_int_equal(op_data_fill(&data, g, (uint64_t)i), 0);
			int sim_can = run_case(sim, &c[i], &data, &want, &nwant, &why), can = run_case(ane, &c[i], &data, &got, &ngot, &e);
			if (!sim_can || !can) {
				/* either a type that no surface holds, or what sim refuses, in sim's words */
				int type = strstr(e.msg, "is possible") || strstr(e.msg, "takes only fp16");
				if (can || !(type || strstr(e.msg, sim_can ? "rule opset" : "rule "))) /* older opsets have fewer ops */
					fail_msg("%s: %s: sim \"%s\", ane \"%s\"", s->brand, c[i].name, why.msg, e.msg);
				if (sim_can)
					free(want);
			} else {
				assert_int_equal(ngot, nwant);
				for (size_t k = 0; k < ngot; k++)
					if (memcmp(&got[k], &want[k], sizeof *got) && got[k] != fp16_round(want[k]))
						fail_msg("%s: %s: number %zu is %a, on sim %a\n%s", s->brand, c[i].name, k, (double)got[k], (double)want[k], c[i].text);
				free(got);
				free(want);
				ran++;
			}
			op_data_done(&data);
			mil_free(g);
		}
		print_message("%s: %d of %d programs\n", s->brand, ran, n);
		assert_true(ran > 100);
		device_close(sim);
		device_close(ane);
		ane_engine_end(s);
	}
}

/* --- one program, closely --- */

/* Two inputs and two outputs, of unequal sizes, the text's order against that of the names. */
static const char two[] =
	"program(1.3)\n{ func main<ios18>(tensor<fp16, [1, 4, 1, 8]> z, tensor<fp16, [1, 4, 1, 65536]> b) { // comment\n"
	"tensor<fp16, [4, 4, 1, 1]> w = const()[val = tensor<fp16, [4, 4, 1, 1]>(BLOBFILE(path = string(\"@model_path/weights/w.bin\"), offset = uint64(64)))];\n"
	"tensor<fp16, [1, 4, 1, 8]> y = conv(weight = w, x = z);\n"
	"tensor<fp16, [1, 4, 1, 65536]> a = add(x = b, y = b);\n"
	"} -> (y, a); }\n";

struct rig {
	struct standin *s;
	struct device *d;
	float w[16];
	struct dev_weight weight;
	struct kernel *k;
	struct surface *z, *b, *y, *a;
	struct binding *bound;
};

static struct dev_weight square(float *w)
{
	return (struct dev_weight){.path = "@model_path/weights/w.bin", .dtype = MIL_FP32, .rank = 2, .dim = {4, 4}, .stride = {1, 4}, .data = w};
}

static struct surface *surface(struct device *d, int64_t channels, int64_t last)
{
	struct err e = {0};
	struct surface *s = device_surface(d, &(struct mil_type){MIL_FP16, 4, {1, channels, 1, last}}, &e);
	if (!s)
		fail_msg("%s", e.msg);
	return s;
}

static void fill(struct surface *s, float v)
{
	const struct mil_type *t = &s->type;
	float *w = surface_window(s, 0, t->dim[1], SURFACE_WRITE);
	for (int64_t i = 0; i < mil_count(t); i++)
		w[i] = v + (float)(i / t->dim[3]);
	surface_release(s);
}

static float at(struct surface *s, int64_t channel, int64_t i)
{
	float *w = surface_window(s, channel, 1, SURFACE_READ), v = w[i];
	surface_release(s);
	return v;
}

static int compile(struct rig *r, struct err *e)
{
	r->k = device_compile(r->d, two, sizeof two - 1, &r->weight, 1, e);
	return r->k ? 0 : e->code;
}

static int bind(struct rig *r, struct err *e)
{
	static const char *const names[] = {"z", "b", "y", "a"};
	r->bound = device_bind(r->k, names, (struct surface *const[]){r->z, r->b, r->y, r->a}, 4, e);
	return r->bound ? 0 : e->code;
}

static void start(struct rig *r, int budget)
{
	*r = (struct rig){.s = ane_engine_begin("sim budget=1000000", NULL, budget)};
	for (int i = 0; i < 16; i++)
		r->w[i] = (float)i;
	r->weight = square(r->w);
	r->d = open_ane("ane");
	r->z = surface(r->d, 4, 8);
	r->b = surface(r->d, 4, 65536);
	r->y = surface(r->d, 4, 8);
	r->a = surface(r->d, 4, 65536);
}

static void stop(struct rig *r)
{
	binding_free(r->bound);
	kernel_free(r->k);
	for (int i = 0; i < 4; i++)
		surface_free((struct surface *[]){r->z, r->b, r->y, r->a}[i]);
	device_close(r->d);
	ane_engine_end(r->s);
}

static void runs(struct rig *r)
{
	struct err e = {0};
	fill(r->z, 1);
	fill(r->b, 5);
	if (binding_run(r->bound, &e))
		fail_msg("%s", e.msg);
	/* z is 1 2 3 4 by channel; w is seen transposed: row o holds o, o + 4, o + 8, o + 12 */
	for (int o = 0; o < 4; o++)
		assert_true(at(r->y, o, 7) == r->w[o] * 1 + r->w[o + 4] * 2 + r->w[o + 8] * 3 + r->w[o + 12] * 4);
	assert_true(at(r->a, 3, 65535) == 16 && at(r->a, 0, 0) == 10);
}

static void surfaces_are_padded_and_sorted(void **state)
{
	struct rig r;
	struct err e = {0};
	(void)state;
	start(&r, 0);
	assert_int_equal(((struct ane_surface *)r.z)->alloc, 49152);
	assert_int_equal(((struct ane_surface *)r.b)->alloc, 4 * 65536 * 2);
	fill(r.z, 40); /* kept when the surface grows */
	assert_int_equal(compile(&r, &e), 0);
	assert_int_equal(bind(&r, &e), 0);
	assert_string_equal(device_note(r.d), "ane: surfaces of one program are padded to the same size and handed over by name");
	assert_null(device_note(r.d));
	assert_int_equal(((struct ane_surface *)r.z)->alloc, 4 * 65536 * 2);
	assert_true(at(r.z, 3, 7) == 43);
	runs(&r);
	/* Another binding of the same surfaces with a larger partner makes them grow; the first one is renewed by itself. */
	struct surface *big = surface(r.d, 8, 65536);
	static const char text[] = "program(1.3)\n{ func main<ios18>(tensor<fp16, [1, 4, 1, 8]> p, tensor<fp16, [1, 8, 1, 65536]> q) {\n"
				   "tensor<fp16, [1, 4, 1, 8]> o = add(x = p, y = p);\n tensor<fp16, [1, 8, 1, 65536]> n = add(x = q, y = q);\n} -> (o, n); }\n";
	struct kernel *k = device_compile(r.d, text, sizeof text - 1, NULL, 0, &e);
	if (!k)
		fail_msg("%s", e.msg);
	struct surface *o = surface(r.d, 4, 8), *n = surface(r.d, 8, 65536);
	struct binding *b = device_bind(k, (const char *const[]){"p", "q", "o", "n"}, (struct surface *const[]){r.z, big, o, n}, 4, &e);
	if (!b || binding_run(b, &e))
		fail_msg("%s", e.msg);
	runs(&r);
	assert_int_equal(((struct ane_surface *)r.b)->alloc, ((struct ane_surface *)big)->alloc);
	binding_free(b);
	kernel_free(k);
	for (int i = 0; i < 3; i++)
		surface_free((struct surface *[]){big, o, n}[i]);
	stop(&r);
}

static void surfaces_hold_fp16(void **state)
{
	struct rig r;
	(void)state;
	start(&r, 0);
	float *w = surface_window(r.z, 1, 2, SURFACE_WRITE);
	w[0] = 1.0f / 3;
	w[1] = 1e6f;
	w[15] = 65504;
	surface_release(r.z);
	assert_true(at(r.z, 1, 0) == fp16_round(1.0f / 3) && isinf(at(r.z, 1, 1)) && at(r.z, 2, 7) == 65504 && at(r.z, 0, 0) == 0);
	assert_null(surface_window(r.z, 3, 2, SURFACE_READ));
	struct err e = {0};
	assert_null(device_surface(r.d, &(struct mil_type){MIL_INT32, 1, {4}}, &e));
	says(&e, ERR_DEVICE, "int32[4]: only fp16 and fp32 are possible");
	stop(&r);
}

static void weights_are_frozen_and_refrozen(void **state)
{
	struct rig r;
	struct err e = {0};
	(void)state;
	start(&r, 3);
	assert_int_equal(compile(&r, &e), 0);
	assert_int_equal(bind(&r, &e), 0);
	runs(&r);
	float before = at(r.y, 0, 0);
	for (int i = 0; i < 16; i++)
		r.w[i] = (float)(16 - i);
	assert_int_equal(binding_run(r.bound, &e), 0);
	assert_true(at(r.y, 0, 0) == before);
	assert_int_equal(kernel_refreeze(r.k, &r.weight, 1, &e), 0);
	runs(&r);
	assert_int_equal(kernel_refreeze(r.k, &r.weight, 1, &e), 0); /* the same weights: the same folder as the one in use */
	runs(&r);
	assert_int_equal(device_caps(r.d)->compiles_left, 0);
	assert_int_equal(device_caps(r.d)->compiles_used, 3);
	r.w[0] = 7;
	assert_int_equal(kernel_refreeze(r.k, &r.weight, 1, &e), ERR_BUDGET);
	says(&e, ERR_BUDGET, "ane: compile: all 3 compiles of this process are used");
	r.w[0] = 16;
	runs(&r); /* the old one still stands */
	assert_int_equal(r.s->loaded, 1);
	r.w[5] = 7e4f;
	assert_int_equal(kernel_refreeze(r.k, &r.weight, 1, &e), ERR_DEVICE);
	says(&e, ERR_DEVICE, "weights: @model_path/weights/w.bin: 70000 in it: fp16 ends at 65504");
	stop(&r);
}

/* The hardware's own budget ends earlier than ours: late failures to compile count as its end, early ones do not. */
static void unknown_budget(void **state)
{
	struct rig r;
	struct err e = {0};
	(void)state;
	start(&r, 1000);
	r.s->budget = ANE_BUDGET_DOUBT;
	assert_int_equal(compile(&r, &e), 0);
	for (int i = 1; i < ANE_BUDGET_DOUBT; i++) {
		r.w[0] = (float)i;
		assert_int_equal(kernel_refreeze(r.k, &r.weight, 1, &e), 0);
	}
	r.w[0] = 200;
	assert_int_equal(kernel_refreeze(r.k, &r.weight, 1, &e), ERR_BUDGET);
	says(&e, ERR_BUDGET, "ane: compile: [com.apple.appleneuralengine.compiler 1] _ANECompiler : ANECCompile() FAILED (perhaps");
	stop(&r);
	start(&r, 1000);
	r.s->budget = 0;
	assert_int_equal(compile(&r, &e), ERR_DEVICE);
	says(&e, ERR_DEVICE, "ane: compile: [com.apple.appleneuralengine.compiler 1] _ANECompiler : ANECCompile() FAILED");
	stop(&r);
}

/* --- failures --- */

static int go(struct rig *r, struct err *e)
{
	if (compile(r, e) || bind(r, e))
		return e->code;
	fill(r->z, 1);
	fill(r->b, 5);
	int rc = binding_run(r->bound, e);
	if (!rc && !isnan(at(r->y, 0, 0)))
		return 0;
	return rc ? rc : binding_run(r->bound, e);
}

static void every_stage_fails(void **state)
{
	static const struct { enum standin_stage stage; int nth; const char *says, *silent; } c[] = {
		{STANDIN_DESCRIBE, 1, "ane: describe: the framework refuses the program (InvalidMILProgram)", NULL},
		{STANDIN_MODEL, 1, "ane: describe: no model for the description", NULL},
		{STANDIN_COMPILE, 1, "ane: compile: [com.apple.appleneuralengine.compiler 1] _ANECompiler : ANECCompile() FAILED", "ane: compile: failed, and macOS gives no reason"},
		{STANDIN_LOAD, 1, "ane: load: [com.apple.appleneuralengine 3] load failed", "ane: load: failed, and macOS gives no reason"},
		{STANDIN_SURFACE, 5, "ane: surface: 524288 bytes: macOS gives none", NULL},
		{STANDIN_WRAP, 6, "ane: surface: 524288 bytes: macOS gives none", NULL},
		{STANDIN_LOCK, 1, "ane: surface: can not be locked", NULL},
		{STANDIN_LOCK, 4, "ane: surface: can not be locked", NULL},
		{STANDIN_LOCK, 5, "ane: run: an input could not be written: IOSurfaceLock failed", NULL},
		{STANDIN_LOCK, 6, "ane: run: an input could not be written: IOSurfaceLock failed", NULL},
		{STANDIN_LOCK, 7, "ane: run: an output could not be read: IOSurfaceLock failed", NULL},
		{STANDIN_REQUEST, 1, "ane: bind: the framework gives no request for these surfaces", NULL},
		{STANDIN_RUN, 1, "ane: run: [com.apple.appleneuralengine 8] ANEProgramProcessRequestDirect() Failed with status=0x1d", "ane: run: failed, and macOS gives no reason"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(c); i++)
		for (int silent = 0; silent <= (c[i].silent != NULL); silent++) {
			struct rig r;
			struct err e = {0};
			start(&r, 0);
			r.s->fail[c[i].stage] = c[i].nth;
			r.s->silent = silent;
			if (c[i].stage == STANDIN_LOCK)
				r.s->calls[STANDIN_LOCK] = 0;
			if (!go(&r, &e))
				fail_msg("stage %d call %d: nothing failed", c[i].stage, c[i].nth);
			says(&e, ERR_DEVICE, silent ? c[i].silent : c[i].says);
			stop(&r);
		}
	/* An unload that fails is told, and stops nothing. */
	struct rig r;
	struct err e = {0};
	start(&r, 0);
	r.s->fail[STANDIN_UNLOAD] = 1;
	assert_int_equal(go(&r, &e), 0);
	r.w[0] = 9;
	assert_int_equal(kernel_refreeze(r.k, &r.weight, 1, &e), 0);
	assert_non_null(device_note(r.d));
	assert_string_equal(device_note(r.d), "ane: unload: [com.apple.appleneuralengine 5] unload failed");
	stop(&r);
}

/* The stand-in refuses what it should refuse: this is what the padding is for. */
static void small_surfaces_are_refused(void **state)
{
	struct rig r;
	struct err e = {0};
	(void)state;
	start(&r, 0);
	r.s->min_bytes = 1 << 20;
	assert_int_equal(go(&r, &e), ERR_DEVICE);
	says(&e, ERR_DEVICE, "status=0x1d");
	stop(&r);
}

static void bad_programs(void **state)
{
	struct rig r;
	struct err e = {0};
	static const char ints[] = "program(1.3)\n{ func main<ios18>(tensor<int32, [4]> i, tensor<fp16, [4]> x) {\ntensor<fp16, [4]> y = gather(x = x, indices = i, axis = int32(0));\n} -> (y); }\n";
	static const char wide[] = "program(1.3)\n{ func main<ios18>(tensor<fp32, [1, 4, 1, 4]> x) {\ntensor<fp32, [1, 4, 1, 4]> y = add(x = x, y = x);\n} -> (y); }\n";
	static const char far[] = "program(1.3)\n{ func main<ios18>(tensor<fp16, [4]> x) {\ntensor<fp16, [4]> w = const()[val = tensor<fp16, [4]>(BLOBFILE(path = string(\"@model_path/../w.bin\"), offset = uint64(64)))];\n"
				   "tensor<fp16, [4]> y = add(x = x, y = w);\n} -> (y); }\n";
	(void)state;
	start(&r, 0);
	assert_null(device_compile(r.d, ints, sizeof ints - 1, NULL, 0, &e));
	says(&e, ERR_DEVICE, "ane: compile: line 2: input i is int32: fp16 (or fp32) is possible");
	struct dev_weight w = square(r.w);
	w.path = "@model_path/../w.bin";
	assert_null(device_compile(r.d, far, sizeof far - 1, &w, 1, &e));
	says(&e, ERR_DEVICE, "a weight file is called @model_path/weights/NAME");
	device_close(r.d);
	r.s->brand = "Apple M2";
	struct device *old = open_ane("ane");
	assert_null(device_compile(old, wide, sizeof wide - 1, NULL, 0, &e));
	says(&e, ERR_DEVICE, "input x is fp32: this chip takes only fp16");
	device_close(old);
	r.d = open_ane("ane dialect=bare"); /* against what the chip reads */
	assert_int_equal(compile(&r, &e), ERR_DEVICE);
	says(&e, ERR_DEVICE, "[com.apple.appleneuralengine.compiler 1] InvalidMILProgram");
	device_close(r.d);
	/* surfaces were made on the first device: it is gone, the libraries are still there */
	r.d = open_ane("ane");
	for (int i = 0; i < 4; i++)
		(struct surface *[]){r.z, r.b, r.y, r.a}[i]->dev = r.d;
	stop(&r);
}

/* --- the folder --- */

static void folder_of_others(void **state)
{
	struct rig r;
	struct err e = {0};
	char path[4200], file[4300];
	(void)state;
	start(&r, 0);
	r.s->identifier = "00ff_AB";
	snprintf(path, sizeof path, "%s00ff_AB", r.s->folder);
	snprintf(file, sizeof file, "%s/left", path);
	/* open to others */
	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(chmod(path, 0755), 0);
	assert_int_equal(compile(&r, &e), ERR_IO);
	says(&e, ERR_IO, "00ff_AB: exists and is open to others (remove it)");
	/* a link */
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(symlink("/tmp", path), 0);
	assert_int_equal(compile(&r, &e), ERR_IO);
	says(&e, ERR_IO, "00ff_AB: exists and is no folder of ours (remove it)");
	assert_int_equal(unlink(path), 0);
	/* left by a process that died: emptied and used */
	assert_int_equal(mkdir(path, 0700), 0);
	FILE *f = fopen(file, "w");
	assert_non_null(f);
	fclose(f);
	assert_int_equal(compile(&r, &e), 0);
	assert_int_equal(access(file, F_OK), -1);
	kernel_free(r.k);
	assert_int_equal(access(path, F_OK), -1);
	/* names that are none */
	static const char *const bad[] = {"", "..", "../x", "a/b", "a b"};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		r.s->identifier = bad[i];
		assert_int_equal(compile(&r, &e), ERR_DEVICE);
		says(&e, ERR_DEVICE, "no identifier that a folder could be called by");
	}
	r.s->identifier = NULL;
	r.s->folder = "relative/";
	assert_int_equal(compile(&r, &e), ERR_DEVICE);
	says(&e, ERR_DEVICE, "macOS names no temporary folder");
	r.s->folder = "/nowhere/at/all/";
	assert_int_equal(compile(&r, &e), ERR_IO);
	says(&e, ERR_IO, "No such file or directory");
	*strrchr(path, '/') = 0;
	strcat(path, "/");
	r.s->folder = path;
	stop(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(not_here), cmocka_unit_test(chips), cmocka_unit_test(parts_that_are_missing), cmocka_unit_test(every_op),
		cmocka_unit_test(surfaces_are_padded_and_sorted), cmocka_unit_test(surfaces_hold_fp16),
		cmocka_unit_test(weights_are_frozen_and_refrozen), cmocka_unit_test(unknown_budget), cmocka_unit_test(every_stage_fails),
		cmocka_unit_test(small_surfaces_are_refused), cmocka_unit_test(bad_programs), cmocka_unit_test(folder_of_others),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
