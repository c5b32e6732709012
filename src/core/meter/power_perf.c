/* power_perf.c: the same energy counters through the kernel's `power` PMU. energy-pkg is added when powercap has nothing; the rest is shown.
 * SPDX-License-Identifier: MIT */
#include "meter/power_source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EVENTS = 64, CPUS = 8 };

static void read_counter(struct power *p, struct power_source *s, struct power_sample *out)
{
	(void)p;
	ssize_t got = read(s->fd, &out->ticks, sizeof out->ticks);
	out->rc = got == sizeof out->ticks ? 0 : got < 0 ? -errno : -ENODATA;
}

static void read_file(struct power *p, struct power_source *s, struct power_sample *out)
{
	out->rc = power_file_u64(p, &out->ticks, s->path);
}

/* "0,24" or "0-1": one processor of each package; their number. */
static int parse_cpumask(const char *s, int *cpu, int max)
{
	int n = 0;
	for (char *end; n < max && *s; s = *end == ',' ? end + 1 : end) {
		long a = strtol(s, &end, 10), b = a;
		if (end == s || a < 0)
			break;
		if (*end == '-')
			b = strtol(end + 1, &end, 10);
		for (; a <= b && n < max; a++)
			cpu[n++] = (int)a;
	}
	return n;
}

/* The event's file says "event=0x02". */
static int parse_event(const char *s, uint64_t *config)
{
	char *end;
	if (strncmp(s, "event=", 6))
		return -1;
	*config = strtoull(s + 6, &end, 0);
	return end == s + 6 || *end ? -1 : 0;
}

struct pmu {
	char dir[POWER_PATH], events[POWER_PATH];
	unsigned type;
	int cpu[CPUS], ncpu;
};

static void add_counter(struct power *p, const struct pmu *u, const char *event, uint64_t config, double scale, int which)
{
	char name[48];
	int package = !strcmp(event, "energy-pkg"), cpu = u->cpu[which];
	snprintf(name, sizeof name, package || u->ncpu > 1 ? "%s-%d" : "%s", package ? "package" : event + 7, which);
	struct power_source *s = power_add(p, name, "perf", package ? POWER_SCOPE_PERF : POWER_SCOPE_PART);
	if (!s)
		return;
	s->counter = 1;
	s->unit = scale;
	s->need = "counters of a whole processor need CAP_PERFMON";
	s->mend = "cap_perfmon";
	if (!p->sys.perf) {
		snprintf(s->path, sizeof s->path, which ? "%.400s/%s.%d.value" : "%.400s/%s.value", u->events, event, which);
		s->read = read_file;
		return;
	}
	s->fd = p->sys.perf(p->sys.arg, u->type, config, cpu);
	s->denied = s->fd < 0 ? s->fd : 0;
	s->read = read_counter;
	power_note(p, "perf power/%s/ on processor %d: %s", event, cpu, s->denied ? strerror(-s->denied) : "opened");
}

static void add_event(struct power *p, const struct pmu *u, const char *event)
{
	char text[64], unit[32], file[POWER_NAME + 8];
	uint64_t config;
	char *end;
	if (power_text(p, text, sizeof text, u->events, event) < 0 || parse_event(text, &config)) {
		power_note(p, "%s/%s: can not be used", u->events, event);
		return;
	}
	snprintf(file, sizeof file, "%.*s.unit", POWER_NAME, event);
	if (power_text(p, unit, sizeof unit, u->events, file) < 0 || strcmp(unit, "Joules")) {
		power_note(p, "%s/%s.unit: not Joules", u->events, event);
		return;
	}
	snprintf(file, sizeof file, "%.*s.scale", POWER_NAME, event);
	double scale = power_text(p, text, sizeof text, u->events, file) > 0 ? strtod(text, &end) : 0;
	if (!(scale > 0 && scale < 1)) {
		power_note(p, "%s/%s.scale: not a scale", u->events, event);
		return;
	}
	for (int i = 0; i < u->ncpu; i++)
		add_counter(p, u, event, config, scale, i);
}

static int open_pmu(struct power *p, struct pmu *u)
{
	char text[256];
	uint64_t type;
	snprintf(u->dir, sizeof u->dir, "%.400s/sys/bus/event_source/devices/power", p->root);
	snprintf(u->events, sizeof u->events, "%.480s/events", u->dir);
	int rc = power_u64(p, &type, u->dir, "type");
	if (rc) {
		power_note(p, "%s/type: %s", u->dir, strerror(-rc));
		return -1;
	}
	u->type = (unsigned)type;
	if (power_text(p, text, sizeof text, u->dir, "cpumask") < 0 || !(u->ncpu = parse_cpumask(text, u->cpu, CPUS))) {
		u->cpu[0] = 0;
		u->ncpu = 1;
	}
	power_note(p, "%s: type %u, %d package%s", u->dir, u->type, u->ncpu, u->ncpu > 1 ? "s" : "");
	return 0;
}

void power_find_perf(struct power *p)
{
	struct pmu u;
	if (open_pmu(p, &u)) {
		power_add_none(p, "package", "perf", "no power PMU (virtual machine, or a processor without RAPL)");
		return;
	}
	char event[EVENTS][POWER_NAME];
	int n = power_list(p, "/sys/bus/event_source/devices/power/events", "energy-", event, EVENTS), before = p->n;
	for (int package = 1; package >= 0; package--)
		for (int i = 0; i < n; i++)
			if (!strchr(event[i], '.') && package == !strcmp(event[i], "energy-pkg"))
				add_event(p, &u, event[i]);
	if (p->n == before)
		power_add_none(p, "package", "perf", "the power PMU has no energy event");
}
