/* surface.c: IOSurfaces that hold packed fp16 (or fp32) tensors, and the fp32 windows through which the host sees them.
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/fp16.h"
#include "base/mem.h"
#include "device/ane/ane.h"

enum { READ_ONLY = 1, PART = 65536 };

/* --- IOSurfaces --- */

static void *make_io(const struct ane_api *p, size_t alloc)
{
	enum { N = 6 };
	void *const at[N] = {p->kIOSurfaceWidth, p->kIOSurfaceHeight, p->kIOSurfaceBytesPerElement, p->kIOSurfaceBytesPerRow,
			     p->kIOSurfaceAllocSize, p->kIOSurfacePixelFormat};
	const int64_t n[N] = {(int64_t)alloc, 1, 1, (int64_t)alloc, (int64_t)alloc, 0};
	void *key[N], *value[N];
	int whole = 1;
	for (int i = 0; i < N; i++) {
		memcpy(&key[i], at[i], sizeof key[i]); /* a constant of the library: the symbol is where the string's address stands */
		whole &= (value[i] = ane_number(p, n[i])) != NULL;
	}
	void *d = whole ? ane_dictionary(p, key, value, N) : NULL, *io = d ? p->IOSurfaceCreate(d) : NULL;
	ane_release(p, d);
	for (int i = 0; i < N; i++)
		ane_release(p, value[i]);
	if (io && p->IOSurfaceGetAllocSize(io) >= alloc)
		return io;
	ane_release(p, io);
	return NULL;
}

static void *wrap(const struct ane_api *p, void *io)
{
	void *(*call)(void *, void *, void *) = (void *(*)(void *, void *, void *))p->objc_msgSend;
	void *object = call(p->class[ANE_CLASS_SURFACE], p->selector[ANE_METHOD_WRAP], io);
	return object ? p->CFRetain(object) : NULL;
}

static int copy_contents(const struct ane_api *p, void *to, void *from, size_t n)
{
	if (p->IOSurfaceLock(from, READ_ONLY, NULL))
		return -1;
	int bad = p->IOSurfaceLock(to, 0, NULL);
	if (!bad) {
		memcpy(p->IOSurfaceGetBaseAddress(to), p->IOSurfaceGetBaseAddress(from), n);
		bad = p->IOSurfaceUnlock(to, 0, NULL);
	}
	return p->IOSurfaceUnlock(from, READ_ONLY, NULL) || bad;
}

int ane_surface_grow(struct ane_surface *s, size_t alloc, struct err *e)
{
	const struct ane_api *p = &((struct ane *)s->base.dev)->api;
	void *pool = p->objc_autoreleasePoolPush(), *io = NULL, *object = NULL;
	int r = 0;
	if (s->alloc < alloc) {
		if (!(io = make_io(p, alloc)) || !(object = wrap(p, io)))
			r = err_set(e, ERR_DEVICE, "ane: surface: %zu bytes: macOS gives none", alloc);
		else if (s->io && copy_contents(p, io, s->io, s->bytes))
			r = err_set(e, ERR_DEVICE, "ane: surface: can not be locked");
	}
	if (!r && io) {
		ane_release(p, s->object);
		ane_release(p, s->io);
		s->io = io;
		s->object = object;
		s->alloc = alloc;
		s->generation++;
	} else {
		ane_release(p, object);
		ane_release(p, io);
	}
	p->objc_autoreleasePoolPop(pool);
	return r;
}

struct surface *ane_surface(struct device *d, const struct mil_type *t, float *mem, struct err *e)
{
	(void)mem; /* no host_memory */
	if (t->dtype != MIL_FP16 && t->dtype != MIL_FP32) {
		char text[96];
		err_set(e, ERR_DEVICE, "ane: surface: %s: only fp16 and fp32 are possible", mil_type_text(text, t));
		return NULL;
	}
	struct ane_surface *s = mem_zalloc(1, sizeof *s);
	if (!s) {
		err_nomem(e, "ane: surface", sizeof *s);
		return NULL;
	}
	s->base.dev = d;
	s->base.type = *t;
	s->bytes = (size_t)mil_count(t) * mil_dtype_size(t->dtype);
	size_t pages = (s->bytes + ANE_SURFACE_PAGE - 1) / ANE_SURFACE_PAGE;
	if (!ane_surface_grow(s, MAX(pages * ANE_SURFACE_PAGE, (size_t)ANE_SURFACE_MIN), e))
		return &s->base;
	free(s);
	return NULL;
}

void ane_surface_free(struct surface *surface)
{
	struct ane_surface *s = (struct ane_surface *)surface;
	const struct ane_api *p = &((struct ane *)surface->dev)->api;
	ane_release(p, s->object);
	ane_release(p, s->io);
	free(s->copy.mem);
	free(s);
}

/* --- windows --- */

/* Memory for a window: what another one has left, if that is enough. Surfaces are many, open windows few. */
static int take_copy(struct ane *a, struct ane_copy *out, size_t bytes)
{
	for (int i = 0; i < ANE_COPIES; i++) {
		if (a->copy[i].bytes < bytes)
			continue;
		*out = a->copy[i];
		a->copy[i] = (struct ane_copy){0};
		return 0;
	}
	*out = (struct ane_copy){mem_aligned(MAX(bytes, 1), 1), bytes};
	return out->mem ? 0 : -1;
}

static void give_copy(struct ane *a, struct ane_copy *c)
{
	int least = 0;
	for (int i = 1; i < ANE_COPIES; i++)
		if (a->copy[i].bytes < a->copy[least].bytes)
			least = i;
	if (a->copy[least].bytes < c->bytes) {
		struct ane_copy old = a->copy[least];
		a->copy[least] = *c;
		*c = old;
	}
	free(c->mem);
	*c = (struct ane_copy){0};
}

struct convert {
	float *host;
	void *device;
	size_t n;
	int half, store;
};

static void convert_task(void *arg, int task, int thread)
{
	const struct convert *c = arg;
	size_t at = (size_t)task * PART, n = MIN((size_t)PART, c->n - at);
	float *host = c->host + at;
	uint16_t *half = (uint16_t *)c->device + (c->half ? at : 2 * at);
	(void)thread;
	if (!c->half)
		memcpy(c->store ? (void *)half : host, c->store ? (void *)host : half, n * sizeof *host);
	else if (c->store)
		fp16_narrow(half, host, n);
	else
		fp16_widen(host, half, n);
}

/* Elements of one channel. */
static int64_t plane(const struct mil_type *t)
{
	int64_t n = 1;
	for (int i = 2; i < t->rank; i++)
		n *= t->dim[i];
	return n;
}

/* Between the window and the surface. Channels of several images do not lie together there. */
static int exchange(struct ane_surface *s, int store)
{
	const struct ane *a = (struct ane *)s->base.dev;
	const struct mil_type *t = &s->base.type;
	int64_t inner = plane(t), images = t->rank < 2 ? 1 : t->dim[0], channels = t->rank < 2 ? 1 : t->dim[1];
	int64_t block = t->rank < 2 ? mil_count(t) : s->n * inner;
	uint32_t lock = store ? 0 : READ_ONLY;
	if (a->api.IOSurfaceLock(s->io, lock, NULL))
		return -1;
	for (int64_t i = 0; i < images; i++) {
		char *base = a->api.IOSurfaceGetBaseAddress(s->io);
		struct convert c = {s->copy.mem + i * block, base + (size_t)((i * channels + s->c0) * inner) * mil_dtype_size(t->dtype),
				    (size_t)block, t->dtype == MIL_FP16, store};
		pool_run(c.n > PART ? a->base.pool : NULL, (int)((c.n + PART - 1) / PART), convert_task, &c);
	}
	return a->api.IOSurfaceUnlock(s->io, lock, NULL) ? -1 : 0;
}

float *ane_window(struct surface *surface, int64_t c0, int64_t n, enum surface_access how)
{
	struct ane_surface *s = (struct ane_surface *)surface;
	const struct mil_type *t = &surface->type;
	if (t->rank < 2)
		c0 = 0, n = 1;
	else if (c0 < 0 || n < 0 || n > t->dim[1] - c0)
		return NULL;
	size_t count = t->rank < 2 ? (size_t)mil_count(t) : (size_t)(t->dim[0] * n * plane(t));
	if (take_copy((struct ane *)surface->dev, &s->copy, count * sizeof(float)))
		return NULL;
	s->c0 = c0;
	s->n = n;
	s->how = how;
	if ((how & SURFACE_READ) && exchange(s, 0)) {
		/* Nobody can be told here: NaN is seen at once, and the next run says why. */
		s->broken = 1;
		for (size_t i = 0; i < count; i++)
			s->copy.mem[i] = NAN;
	}
	return s->copy.mem;
}

void ane_window_release(struct surface *surface)
{
	struct ane_surface *s = (struct ane_surface *)surface;
	if (!s->copy.mem)
		return;
	if ((s->how & SURFACE_WRITE) && exchange(s, 1))
		s->broken = 1;
	give_copy((struct ane *)surface->dev, &s->copy);
}
