/* power_battery.c: what a battery gives, which is what the whole machine takes, but only while it discharges. Slow: drivers ask the
 * firmware every 10 to 60 seconds. SPDX-License-Identifier: MIT */
#include "meter/power_source.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SUPPLIES = 16 };

/* Micro-units, with a sign: some drivers count discharging as negative, others do not. */
static int read_micro(struct power *p, double *out, const char *dir, const char *name)
{
	char text[64], *end;
	int rc = power_text(p, text, sizeof text, dir, name);
	if (rc < 0)
		return rc;
	*out = fabs(strtod(text, &end)) * 1e-6;
	return end == text || *end || !isfinite(*out) ? -EINVAL : 0;
}

static void read_battery(struct power *p, struct power_source *s, struct power_sample *out)
{
	char status[32];
	int rc = power_text(p, status, sizeof status, s->path, "status");
	if (rc < 0) {
		out->rc = rc;
		return;
	}
	if (strcmp(status, "Discharging")) {
		out->rc = POWER_IDLE;
		out->why = !strcmp(status, "Charging") ? "charging: tells the machine's power only while discharging"
						       : "not in use: tells the machine's power only while discharging";
		return;
	}
	out->rc = read_micro(p, &out->watts, s->path, "power_now");
	if (!out->rc)
		return;
	double amps, volts;
	rc = read_micro(p, &amps, s->path, "current_now");
	if (!rc)
		rc = read_micro(p, &volts, s->path, "voltage_now");
	if (!rc)
		out->watts = amps * volts;
	out->rc = rc;
}

void power_find_battery(struct power *p)
{
	char name[SUPPLIES][POWER_NAME], text[32], label[POWER_NAME + 16], dir[POWER_PATH];
	int n = power_list(p, "/sys/class/power_supply", "", name, SUPPLIES), before = p->n;
	if (n < 0)
		power_note(p, "%.400s/sys/class/power_supply: %s", p->root, strerror(-n));
	for (int i = 0; i < n; i++) {
		if ((size_t)snprintf(dir, sizeof dir, "%s/sys/class/power_supply/%s", p->root, name[i]) >= sizeof dir)
			continue;
		if (power_text(p, text, sizeof text, dir, "type") < 0 || strcmp(text, "Battery"))
			continue;
		/* A mouse's battery: not this machine's. */
		if (power_text(p, text, sizeof text, dir, "scope") > 0 && !strcmp(text, "Device"))
			continue;
		snprintf(label, sizeof label, "battery %.*s", POWER_NAME, name[i]);
		struct power_source *s = power_add(p, label, "battery", POWER_SCOPE_BATTERY);
		if (!s)
			continue;
		snprintf(s->path, sizeof s->path, "%s", dir);
		s->period = 2000000000;
		s->remark = "slow";
		s->read = read_battery;
		int len = power_text(p, text, sizeof text, dir, "status");
		power_note(p, "%s: %s", dir, len < 0 ? strerror(-len) : text);
	}
	if (p->n == before) {
		power_add_none(p, "battery", "battery", "no battery");
		if (n >= 0)
			power_note(p, "%.400s/sys/class/power_supply: no battery", p->root);
	}
}
