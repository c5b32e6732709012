/* power_nvml.c: NVIDIA cards through their own library, opened at run time: no card, no library, nothing happens. Shown beside the total, never added: training runs on the processor.
 *
 * The declarations are the library's published interface, written down here as far as it is used. SPDX-License-Identifier: MIT */
#include "meter/power_source.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { CARDS = 4, OK = 0, NOT_SUPPORTED = 3, NO_PERMISSION = 4 };

struct power_nvml {
	void *lib;
	int (*init)(void);
	int (*shutdown)(void);
	int (*count)(unsigned *n);
	int (*by_index)(unsigned i, void **card);
	int (*energy)(void *card, unsigned long long *millijoules);
	int (*watts)(void *card, unsigned *milliwatts);
};

static int to_errno(int rc)
{
	return rc == OK ? 0 : rc == NO_PERMISSION ? -EACCES : rc == NOT_SUPPORTED ? -ENODEV : -EIO;
}

static void read_energy(struct power *p, struct power_source *s, struct power_sample *out)
{
	unsigned long long mj = 0;
	out->rc = to_errno(p->nvml->energy(s->handle, &mj));
	out->ticks = mj;
}

static void read_watts(struct power *p, struct power_source *s, struct power_sample *out)
{
	unsigned mw = 0;
	out->rc = to_errno(p->nvml->watts(s->handle, &mw));
	out->watts = mw / 1e3;
}

/* POSIX has no other way from a symbol to a function than through its bytes. */
static int symbol(struct power_nvml *n, const char *name, void *fn)
{
	void *at = dlsym(n->lib, name);
	memcpy(fn, &at, sizeof at);
	return at ? 0 : -1;
}

static int open_library(struct power *p, struct power_nvml *n)
{
	const char *name = getenv("ANETUI_NVML");
	name = name && *name ? name : "libnvidia-ml.so.1";
	n->lib = dlopen(name, RTLD_NOW | RTLD_LOCAL);
	if (!n->lib) {
		power_note(p, "NVML: %.200s: not there (no NVIDIA driver)", name);
		return -1;
	}
	if (symbol(n, "nvmlInit_v2", &n->init) || symbol(n, "nvmlShutdown", &n->shutdown) || symbol(n, "nvmlDeviceGetCount_v2", &n->count) ||
	    symbol(n, "nvmlDeviceGetHandleByIndex_v2", &n->by_index) || symbol(n, "nvmlDeviceGetPowerUsage", &n->watts)) {
		power_note(p, "NVML: %.200s: lacks a function that is needed", name);
		return -1;
	}
	symbol(n, "nvmlDeviceGetTotalEnergyConsumption", &n->energy); /* older libraries have none */
	int rc = n->init();
	power_note(p, "NVML: %.200s: %s (%d)", name, rc ? "does not begin" : "opened", rc);
	return rc;
}

static void add_card(struct power *p, unsigned i)
{
	struct power_nvml *n = p->nvml;
	char name[32];
	void *card = NULL;
	unsigned long long mj;
	int rc = n->by_index(i, &card), counts = !rc && n->energy && n->energy(card, &mj) == OK;
	snprintf(name, sizeof name, "gpu-%u", i);
	struct power_source *s = power_add(p, name, "nvml", POWER_SCOPE_PART);
	power_note(p, "NVML card %u: %s", i, rc ? "can not be opened" : counts ? "counts energy" : "tells watts");
	if (!s)
		return;
	s->handle = card;
	s->denied = to_errno(rc);
	s->need = "the driver refuses";
	s->counter = counts;
	s->unit = 1e-3;
	s->period = counts ? 0 : 1000000000;
	s->read = counts ? read_energy : read_watts;
}

void power_find_nvml(struct power *p)
{
	unsigned count = 0;
	p->nvml = mem_zalloc(1, sizeof *p->nvml);
	if (!p->nvml)
		return;
	if (open_library(p, p->nvml)) {
		if (p->nvml->lib)
			dlclose(p->nvml->lib);
		free(p->nvml);
		p->nvml = NULL;
		return;
	}
	if (p->nvml->count(&count) != OK)
		count = 0;
	for (unsigned i = 0; i < MIN(count, (unsigned)CARDS); i++)
		add_card(p, i);
}

void power_close_nvml(struct power *p)
{
	if (!p->nvml)
		return;
	p->nvml->shutdown();
	dlclose(p->nvml->lib);
	free(p->nvml);
	p->nvml = NULL;
}
