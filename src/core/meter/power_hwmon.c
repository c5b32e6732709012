/* power_hwmon.c: power and energy sensors of boards and drivers under /sys/class/hwmon. Only what is known to see the whole machine or
 * its processors is added; a graphics card or one rail of a board is shown. SPDX-License-Identifier: MIT */
#include "meter/power_source.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { CHIPS = 32, SENSORS = 8 };

static void read_sensor(struct power *p, struct power_source *s, struct power_sample *out)
{
	out->rc = power_file_u64(p, &out->ticks, s->path);
	out->watts = (double)out->ticks * s->unit;
}

/* The driver amd_energy counts sockets (Esocket0) and cores (Ecore000); the ACPI power meter sees the machine. */
static enum power_scope scope_of(const char *chip, const char *label)
{
	if (!strcmp(chip, "amd_energy") && !strncmp(label, "Esocket", 7))
		return POWER_SCOPE_HWMON;
	return !strcmp(chip, "power_meter") ? POWER_SCOPE_HWMON : POWER_SCOPE_PART;
}

static void add_sensor(struct power *p, const char *dir, const char *chip, const char *what, const char *file, int number)
{
	char name[48], label[24], path[POWER_PATH], full[64];
	uint64_t v;
	snprintf(name, sizeof name, "%s%d_%s", what, number, file);
	int rc = power_u64(p, &v, dir, name);
	if (rc == -ENOENT)
		return;
	if ((size_t)snprintf(path, sizeof path, "%s/%s", dir, name) >= sizeof path)
		return;
	snprintf(name, sizeof name, "%s%d_label", what, number);
	if (power_text(p, label, sizeof label, dir, name) <= 0)
		snprintf(label, sizeof label, "%s%d", what, number);
	power_note(p, "%s (%s %s): %s", path, chip, label, rc ? strerror(-rc) : "readable");
	if (!strcmp(chip, "amd_energy") && strncmp(label, "Esocket", 7))
		return; /* one counter a core: noted, not shown */
	snprintf(full, sizeof full, "%s %s", chip, label);
	struct power_source *s = power_add(p, full, "hwmon", scope_of(chip, label));
	if (!s)
		return;
	snprintf(s->path, sizeof s->path, "%s", path);
	s->counter = !strcmp(what, "energy");
	s->period = s->counter ? 0 : 1000000000;
	s->need = "the sensor is root-only";
	s->mend = "cap_dac_read_search";
	s->read = read_sensor;
}

static int has(struct power *p, const char *dir, const char *name)
{
	char text[16];
	return power_text(p, text, sizeof text, dir, name) != -ENOENT;
}

static void add_chip(struct power *p, const char *hwmon)
{
	char dir[POWER_PATH], chip[32], type[16], name[32];
	if ((size_t)snprintf(dir, sizeof dir, "%s/sys/class/hwmon/%s", p->root, hwmon) >= sizeof dir)
		return;
	if (power_text(p, chip, sizeof chip, dir, "name") <= 0)
		return;
	if (power_text(p, type, sizeof type, dir, "device/type") > 0 && !strcmp(type, "Battery"))
		return; /* the battery's second face */
	for (int i = 1; i <= SENSORS; i++) {
		snprintf(name, sizeof name, "power%d_input", i);
		add_sensor(p, dir, chip, "power", has(p, dir, name) ? "input" : "average", i);
		add_sensor(p, dir, chip, "energy", "input", i);
	}
}

void power_find_hwmon(struct power *p)
{
	char name[CHIPS][POWER_NAME];
	int n = power_list(p, "/sys/class/hwmon", "hwmon", name, CHIPS), before = p->n;
	if (n < 0)
		power_note(p, "%.400s/sys/class/hwmon: %s", p->root, strerror(-n));
	for (int i = 0; i < n; i++)
		add_chip(p, name[i]);
	if (n >= 0 && p->n == before)
		power_note(p, "%.400s/sys/class/hwmon: no power or energy sensor among %d chip%s", p->root, n, n == 1 ? "" : "s");
}
