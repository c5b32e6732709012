/* power_smc.c: what the whole Mac takes, as its system management controller tells it: key PSTR, watts. The screen
 * and the disks are in it, so it is the total only where IOReport's counters are not. How to ask is smc.h. SPDX-License-Identifier: MIT */
#include "meter/power_source.h"

#include <errno.h>
#include <string.h>

#include "meter/smc.h"

enum { MOST_WATTS = 2000 }; /* more than the largest supply of any Mac: a value of another meaning */

static void read_system(struct power *p, struct power_source *s, struct power_sample *out)
{
	(void)s;
	out->rc = smc_read(p->smc, &out->watts, "PSTR");
	if (!out->rc && !(out->watts >= 0 && out->watts <= MOST_WATTS))
		out->rc = -EPROTO;
}

static const char *why_not(int rc)
{
	return rc == -ENODEV ? "this Mac shows no controller (a virtual machine)"
			     : rc == -ENOENT ? "the controller has no key PSTR" : "this macOS has no IOKit that can be used";
}

void power_find_smc(struct power *p)
{
	double watts;
	if (!*smc_library())
		return;
	int rc = smc_open(&p->smc);
	power_note(p, "SMC: %.200s: %s", smc_library(), rc ? strerror(-rc) : "opened");
	int none = rc && rc != -EACCES;
	if (!rc) {
		rc = smc_read(p->smc, &watts, "PSTR");
		power_note(p, "SMC: key PSTR: %s", rc ? strerror(-rc) : "readable");
		none = rc == -ENOENT;
	} else if (rc == -ENOENT) {
		rc = -ENOSYS; /* of the library, not of the key */
	}
	if (none) {
		power_add_none(p, "system", "smc", why_not(rc));
		return;
	}
	struct power_source *s = power_add(p, "system", "smc", POWER_SCOPE_SMC);
	if (!s)
		return;
	s->denied = p->smc ? 0 : -EACCES;
	s->period = 1000000000;
	s->need = "macOS refuses the controller's keys";
	s->cure = "start it in Terminal, outside any sandbox";
	s->stuck = "tells 0 W while the machine works";
	s->unstick = "restart the Mac: its controller hangs";
	s->read = read_system;
}

void power_close_smc(struct power *p)
{
	smc_close(p->smc);
	p->smc = NULL;
}
