/* test_nvml.c: graphics cards through a stand-in for NVIDIA's library, which is opened as the real one is.
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

#include "base/file.h"
#include "meter/power.h"

#define SECOND 1000000000ull

static const struct power_source_view *find(const struct power_view *v, const char *name)
{
	for (int i = 0; i < v->n; i++)
		if (!strcmp(v->source[i].name, name))
			return &v->source[i];
	return NULL;
}

static void cards_are_shown_and_not_added(void **state)
{
	(void)state;
	char path[4200];
	struct power_view v;
	assert_int_equal(file_program(path, 4096, NULL), 0);
	snprintf(strrchr(path, '/'), 40, "/libnvml.so");
	setenv("ANETUI_NVML", path, 1);
	struct power *p = power_open("");
	power_poll(p, 10 * SECOND, 1);
	power_poll(p, 11 * SECOND, 1);
	power_poll(p, 12 * SECOND, 1);
	power_look(p, &v);
	const struct power_source_view *a = find(&v, "gpu-0"), *b = find(&v, "gpu-1"), *c = find(&v, "gpu-2");
	assert_true(a && b && c);
	assert_true(a->state == POWER_OK && a->part && fabs(a->watts - 20) < 1e-6 && fabs(a->joules - 40) < 1e-6);
	assert_true(b->state == POWER_OK && b->part && b->watts > 30 && b->joules > 0);
	assert_true(c->state == POWER_NO_PERMISSION && isnan(c->watts));
	power_close(p);
	/* Opened and closed as often as one likes; without the library there are none. */
	p = power_open("");
	power_look(p, &v);
	assert_non_null(find(&v, "gpu-0"));
	power_close(p);
	setenv("ANETUI_NVML", "/nowhere/lib.so", 1);
	p = power_open("");
	power_look(p, &v);
	assert_null(find(&v, "gpu-0"));
	struct str out = {0};
	power_report(p, &out);
	assert_non_null(strstr(out.s, "NVML: /nowhere/lib.so: not there"));
	str_done(&out);
	power_close(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(cards_are_shown_and_not_added)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
