/* power_powercap.c: RAPL energy counters under /sys/class/powercap. Packages are added; core, uncore, dram and psys are shown.
 *
 * Zones lie flat in that folder: intel-rapl:0 (a package, or psys), intel-rapl:0:0 (a part of it), intel-rapl-mmio:0 (the same
 * package through another door: never added beside it). energy_uj is root-only since Linux 5.10: power can be read finely enough
 * to guess at other programs' secrets (PLATYPUS). SPDX-License-Identifier: MIT */
#include "meter/power_source.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { ZONES = 64 };

static void read_zone(struct power *p, struct power_source *s, struct power_sample *out)
{
	out->rc = power_file_u64(p, &out->ticks, s->path);
}

/* "intel-rapl:1:0" is a part of zone 1. */
static int is_sub_zone(const char *zone)
{
	const char *colon = strchr(zone, ':');
	return colon && strchr(colon + 1, ':');
}

static int has_package(const struct power *p, const char *name)
{
	for (int i = 0; i < p->n; i++)
		if (p->source[i].scope == POWER_SCOPE_POWERCAP && !strcmp(p->source[i].view.name, name))
			return 1;
	return 0;
}

static void add_zone(struct power *p, const char *zone, int packages)
{
	char dir[POWER_PATH], name[32] = "", label[48];
	int mmio = !strncmp(zone, "intel-rapl-mmio", 15);
	if ((size_t)snprintf(dir, sizeof dir, "%s/sys/class/powercap/%s", p->root, zone) >= sizeof dir - 32)
		return;
	int rc = power_text(p, name, sizeof name, dir, "name");
	if (rc < 0) {
		if (strchr(zone, ':')) /* the folder "intel-rapl" itself has no name */
			power_note(p, "%s/name: %s", dir, strerror(-rc));
		return;
	}
	enum power_scope scope = is_sub_zone(zone) || strncmp(name, "package", 7) ? POWER_SCOPE_PART : POWER_SCOPE_POWERCAP;
	snprintf(label, sizeof label, "%s", name);
	if (mmio && has_package(p, name))
		scope = POWER_SCOPE_PART;
	if (mmio && scope == POWER_SCOPE_PART)
		snprintf(label, sizeof label, "%s mmio", name);
	else if (is_sub_zone(zone) && packages > 1) /* dram-0, dram-1: of which package */
		snprintf(label, sizeof label, "%s-%.*s", name, (int)strcspn(strchr(zone, ':') + 1, ":"), strchr(zone, ':') + 1);
	struct power_source *s = power_add(p, label, "powercap", scope);
	if (!s)
		return;
	snprintf(s->path, sizeof s->path, "%.480s/energy_uj", dir);
	s->counter = 1;
	s->read = read_zone;
	s->need = "energy_uj is root-only";
	s->mend = "cap_dac_read_search";
	uint64_t now;
	if (power_u64(p, &s->range, dir, "max_energy_range_uj"))
		s->range = 0;
	rc = power_file_u64(p, &now, s->path);
	if (rc)
		power_note(p, "%s (%s): %s", s->path, name, strerror(-rc));
	else
		power_note(p, "%s (%s): %llu uJ, wraps behind %llu", s->path, name, (unsigned long long)now, (unsigned long long)s->range);
}

void power_find_powercap(struct power *p)
{
	char zone[ZONES][POWER_NAME], name[32], dir[POWER_PATH];
	int n = power_list(p, "/sys/class/powercap", "intel-rapl", zone, ZONES), packages = 0, before = p->n;
	if (n < 0)
		power_note(p, "%.400s/sys/class/powercap: %s", p->root, strerror(-n));
	for (int i = 0; i < n; i++)
		if (!is_sub_zone(zone[i]) && strncmp(zone[i], "intel-rapl-mmio", 15) &&
		    (size_t)snprintf(dir, sizeof dir, "%s/sys/class/powercap/%s", p->root, zone[i]) < sizeof dir &&
		    power_text(p, name, sizeof name, dir, "name") > 0 && !strncmp(name, "package", 7))
			packages++;
	for (int mmio = 0; mmio < 2; mmio++) /* the duplicates last */
		for (int i = 0; i < n; i++)
			if (mmio == !strncmp(zone[i], "intel-rapl-mmio", 15))
				add_zone(p, zone[i], packages);
	if (p->n == before) {
		power_add_none(p, "package", "powercap", "no intel-rapl zone (virtual machine, or module intel_rapl_msr not loaded)");
		if (n >= 0)
			power_note(p, "%.400s/sys/class/powercap: no intel-rapl zone", p->root);
	}
}
