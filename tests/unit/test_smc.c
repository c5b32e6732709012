/* test_smc.c: a Mac's system management controller through a stand-in for IOKit, which is opened as the real one is. Says nothing of a real Mac.
 * SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dlfcn.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "meter/machine.h"
#include "meter/power_source.h"
#include "meter/smc.h"
#include "meter/smc_standin.h"

#define S(x) ((uint64_t)((x) * 1e9) + 1000000000ull)
#define FLOAT_12_5 {0, 0, 0x48, 0x41}
#define FLOAT_20 {0, 0, 0xa0, 0x41}

static struct smc_standin *mac;
static char library[4200];

static void close_to(double got, double want)
{
	if (!(fabs(got - want) <= 1e-6 * fabs(want) + 1e-9))
		fail_msg("%.9g is not %.9g", got, want);
}

static void begin(struct smc_row *row, int rows)
{
	*mac = (struct smc_standin){.row = row, .rows = rows, .services = 1};
	setenv("ANETUI_SMC", library, 1);
}

static void end(void)
{
	assert_int_equal(mac->live, 0);
	assert_int_equal(mac->wrong, 0);
}

static void test_decode(void **state)
{
	(void)state;
	static const struct { const char *type; uint8_t bytes[4]; size_t n; double want; } ok[] = {
		{"flt ", FLOAT_12_5, 4, 12.5}, {"flt ", {0, 0, 0x80, 0xbf}, 4, -1}, {"sp78", {0x2a, 0x80}, 2, 42.5}, {"sp78", {0xff, 0x80}, 2, -0.5},
		{"sp96", {0x10, 0x20}, 2, 64.5}, {"spf0", {0x80, 0}, 2, -32768}, {"fpe2", {0x13, 0x88}, 2, 1250}, {"fp88", {0xff, 0x80}, 2, 255.5},
		{"ui8 ", {200}, 1, 200}, {"ui16", {0x04, 0xd2}, 2, 1234}, {"ui32", {0x80, 0, 0x04, 0xd2}, 4, 2147484882.0},
	};
	static const struct { const char *type; size_t n; } bad[] = {{"flt ", 8}, {"flt ", 2}, {"sp78", 4}, {"sp77", 2}, {"fp78", 2}, {"spzz", 2}, {"sp7 ", 2},
		{"ui32", 2}, {"ui16", 1}, {"ui8 ", 0}, {"ui64", 4}, {"flag", 1}, {"hex_", 4}, {"", 0}};
	double v;
	for (size_t i = 0; i < ARRAY_LEN(ok); i++) {
		assert_int_equal(smc_decode(&v, ok[i].type, ok[i].bytes, ok[i].n), 0);
		close_to(v, ok[i].want);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (smc_decode(&v, bad[i].type, (const uint8_t[8]){0}, bad[i].n) != -EPROTO)
			fail_msg("%s of %zu bytes", bad[i].type, bad[i].n);
}

static void test_keys(void **state)
{
	(void)state;
	struct smc_row row[] = {{"#KEY", "ui32", 4, {0, 0, 0, 5}, 0}, {"PSTR", "flt ", 4, FLOAT_12_5, 0}, {"TC0P", "sp78", 2, {0x2a, 0x80}, 0}, {"HIDE", "ui8 ", 1, {1}, 0x85},
		{"GONE", "ui8 ", 0, {0}, 0}, {"LONG", "hex_", 33, {0}, 0}, {"BUSY", "ui8 ", 1, {1}, 0x80}};
	struct smc *m = NULL;
	double v = -1;
	char name[5];
	begin(row, (int)ARRAY_LEN(row));
	assert_int_equal(smc_open(&m), 0);
	assert_int_equal(smc_read(m, &v, "#KEY"), 0);
	close_to(v, 5);
	assert_int_equal(smc_read(m, &v, "PSTR"), 0);
	close_to(v, 12.5);
	assert_int_equal(smc_read(m, &v, "TC0P"), 0);
	close_to(v, 42.5);
	assert_int_equal(smc_key(m, name, 2), 0);
	assert_string_equal(name, "TC0P");
	assert_int_equal(smc_key(m, name, 7), -ENOENT);
	v = -1;
	assert_int_equal(smc_read(m, &v, "NONE"), -ENOENT);
	assert_int_equal(smc_read(m, &v, "HIDE"), -EACCES);
	assert_int_equal(smc_read(m, &v, "GONE"), -EPROTO);
	assert_int_equal(smc_read(m, &v, "LONG"), -EPROTO);
	assert_int_equal(smc_read(m, &v, "BUSY"), -EIO);
	mac->answer = 79;
	assert_int_equal(smc_read(m, &v, "PSTR"), -EPROTO);
	mac->answer = 0;
	mac->refuse_call = 0xe00002c1;
	assert_int_equal(smc_read(m, &v, "PSTR"), -EACCES);
	mac->refuse_call = 0xe00002e2;
	assert_int_equal(smc_read(m, &v, "PSTR"), -EACCES);
	mac->refuse_call = 0xe00002c0;
	assert_int_equal(smc_read(m, &v, "PSTR"), -ENODEV);
	mac->refuse_call = 0xe00002bc;
	assert_int_equal(smc_read(m, &v, "PSTR"), -EIO);
	close_to(v, -1);
	smc_close(m);
	end();
}

static void test_which_service(void **state)
{
	(void)state;
	static const struct { int services, rc; const char *opened; } row[] = {{0, -ENODEV, ""}, {1, 0, "AppleSMC"}, {1 | 2, 0, "AppleSMC"}, {1 | 4, 0, "AppleSMCKeysEndpoint"},
		{2 | 4 | 8, 0, "AppleSMCKeysEndpoint"}, {4, 0, "AppleSMCKeysEndpoint"}, {8, 0, "AppleSMCLast"}};
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct smc *m = NULL;
		begin(NULL, 0);
		mac->services = row[i].services;
		assert_int_equal(smc_open(&m), row[i].rc);
		assert_true(!m == (row[i].rc < 0));
		assert_string_equal(mac->opened, row[i].opened);
		smc_close(m);
		end();
	}
	struct smc *m = NULL;
	begin(NULL, 0);
	mac->refuse_open = 0xe00002e2;
	assert_int_equal(smc_open(&m), -EACCES);
	assert_null(m);
	end();
	setenv("ANETUI_SMC", "/nowhere/lib.so", 1);
	assert_int_equal(smc_open(&m), -ENOENT);
	char other[4200];
	snprintf(other, sizeof other, "%s", library);
	snprintf(strrchr(other, '/'), 40, "/libnvml.so");
	setenv("ANETUI_SMC", other, 1);
	assert_int_equal(smc_open(&m), -ENOSYS);
	assert_null(m);
}

/* --- as a source of power --- */

struct look { struct power *p; struct power_view v; };

/* A folder that is not there stands for /: no other source but those that say that there is none. */
static void look_begin(struct look *l)
{
	*l = (struct look){.p = power_open("nowhere")};
	assert_non_null(l->p);
	power_find_smc(l->p);
}

static void look_end(struct look *l)
{
	power_close(l->p);
	end();
}

static const struct power_source_view *at(struct look *l, double seconds, int busy)
{
	power_poll(l->p, S(seconds), busy);
	power_look(l->p, &l->v);
	for (int i = 0; i < l->v.n; i++)
		if (!strcmp(l->v.source[i].kind, "smc"))
			return &l->v.source[i];
	fail_msg("no source");
	return NULL;
}

static void assert_state(const struct power_source_view *s, enum power_state want, const char *reason, const char *fix)
{
	assert_string_equal(power_state_name(s->state), power_state_name(want));
	if (!strstr(s->reason, reason))
		fail_msg("reason \"%s\" lacks \"%s\"", s->reason, reason);
	if (strncmp(s->fix, fix, *fix ? strlen(fix) : 1))
		fail_msg("fix \"%s\" is not \"%s\"", s->fix, fix);
	if (want != POWER_OK && want != POWER_STALE)
		assert_true(isnan(s->watts));
}

static void test_system_watts(void **state)
{
	(void)state;
	struct smc_row row[] = {{"PSTR", "flt ", 4, FLOAT_12_5, 0}}, next = {"PSTR", "flt ", 4, FLOAT_20, 0};
	struct look l;
	begin(row, 1);
	look_begin(&l);
	assert_state(at(&l, 0, 1), POWER_OK, "", "");
	close_to(l.v.watts, 12.5);
	int calls = mac->calls;
	at(&l, 0.5, 1);
	assert_int_equal(mac->calls, calls); /* once a second is enough */
	row[0] = next;
	at(&l, 2, 1);
	close_to(l.v.watts, 20);
	close_to(l.v.joules, 32.5); /* two seconds of the mean */
	for (int i = 0; i < 91; i++)
		at(&l, 3 + i, 1);
	assert_state(at(&l, 95, 1), POWER_STALE, "has not changed for a long time", "restart the Mac: its controller hangs");
	assert_true(isnan(l.v.watts));
	row[0].value[0] = 1;
	assert_state(at(&l, 96, 1), POWER_OK, "", "");
	mac->refuse_call = 0xe00002bc;
	assert_state(at(&l, 97, 1), POWER_STALE, "can not be read", "");
	mac->refuse_call = 0xe00002c1;
	assert_state(at(&l, 98, 1), POWER_NO_PERMISSION, "refuses the controller's keys", "start it in Terminal");
	mac->refuse_call = 0;
	assert_state(at(&l, 99, 1), POWER_OK, "", "");
	look_end(&l);
}

static void test_no_watts(void **state)
{
	(void)state;
	struct smc_row row[] = {{"PSTR", "flt ", 4, {0}, 0}};
	static const uint8_t no_watts[][4] = {{0, 0, 0xc0, 0x7f}, {0, 0, 0x80, 0xbf}, {0, 0, 0, 0x45}, {0, 0, 0x80, 0x7f}}; /* NaN, -1, 2048, infinity */
	struct look l;
	begin(row, 1);
	look_begin(&l);
	assert_state(at(&l, 0, 1), POWER_PROBING, "reads 0 W", "");
	assert_state(at(&l, 2, 1), POWER_PROBING, "reads 0 W", "");
	assert_state(at(&l, 5, 0), POWER_PROBING, "reads 0 W", ""); /* not while the machine rests */
	assert_state(at(&l, 7, 1), POWER_FROZEN, "0 W while the machine works", "restart the Mac");
	assert_true(isnan(l.v.watts) && isnan(l.v.joules));
	for (size_t i = 0; i < ARRAY_LEN(no_watts); i++) {
		memcpy(row[0].value, no_watts[i], 4);
		assert_state(at(&l, 8 + (double)i, 1), POWER_ERROR, "can not be read", "");
	}
	row[0] = (struct smc_row){"PSTR", "flt ", 4, FLOAT_20, 0};
	assert_state(at(&l, 20, 1), POWER_OK, "", "");
	row[0].type = "hex_";
	assert_state(at(&l, 21, 1), POWER_STALE, "can not be read", "");
	look_end(&l);

	begin(NULL, 0);
	look_begin(&l);
	assert_state(at(&l, 0, 1), POWER_NO_SENSOR, "no key PSTR", "");
	look_end(&l);
	begin(NULL, 0);
	mac->services = 0;
	look_begin(&l);
	assert_state(at(&l, 0, 1), POWER_NO_SENSOR, "shows no controller", "");
	look_end(&l);
	begin(NULL, 0);
	mac->refuse_open = 0xe00002c1;
	look_begin(&l);
	assert_state(at(&l, 0, 1), POWER_NO_PERMISSION, "refuses the controller's keys", "start it in Terminal");
	look_end(&l);
	begin(NULL, 0);
	setenv("ANETUI_SMC", "/nowhere/lib.so", 1);
	look_begin(&l);
	assert_state(at(&l, 0, 1), POWER_NO_SENSOR, "no IOKit", "");
	look_end(&l);
}

/* Processors that are counted come before the whole machine, which is shown beside them. */
static void test_beside_counters(void **state)
{
	(void)state;
	struct smc_row row[] = {{"PSTR", "flt ", 4, FLOAT_20, 0}};
	struct look l;
	begin(row, 1);
	look_begin(&l);
	struct power_source *s = power_add(l.p, "cpu", "ioreport", POWER_SCOPE_IOREPORT);
	assert_non_null(s);
	assert_int_equal(at(&l, 0, 1)->part, 0);
	close_to(l.v.watts, 20);
	s->view.state = POWER_OK;
	s->view.watts = 9;
	assert_int_equal(at(&l, 1, 1)->part, 1);
	close_to(l.v.watts, 9);
	look_end(&l);
}

static void test_opened_by_itself(void **state)
{
	(void)state;
	struct smc_row row[] = {{"PSTR", "flt ", 4, FLOAT_20, 0}};
	struct look l = {0};
	begin(row, 1);
	l.p = power_open("");
	assert_state(at(&l, 0, 1), POWER_OK, "", "");
	look_end(&l);
#ifndef __APPLE__
	unsetenv("ANETUI_SMC");
	struct str out = {0};
	l.p = power_open("");
	power_report(l.p, &out);
	assert_null(strstr(out.s, "SMC"));
	str_done(&out);
	power_close(l.p);
#endif
}

/* The hottest core, wherever its key stands; what measures something else, or says nonsense, is left out. */
static void test_temperature(void **state)
{
	(void)state;
	enum { KEYS = 700 };
	static struct smc_row row[KEYS];
	struct machine m;
	for (int i = 0; i < KEYS; i++)
		row[i] = (struct smc_row){"Ax00", "ui8 ", 1, {99}, 0};
	row[0] = (struct smc_row){"#KEY", "ui32", 4, {0, 0, KEYS >> 8, KEYS & 0xff}, 0};
	row[100] = (struct smc_row){"Te05", "flt ", 4, FLOAT_12_5, 0};
	row[101] = (struct smc_row){"Tg05", "flt ", 4, {0, 0, 0xc4, 0x42}, 0}; /* 98: the graphics */
	row[102] = (struct smc_row){"Tp01", "flt ", 4, {0, 0, 0x20, 0x43}, 0}; /* 160: no temperature */
	row[103] = (struct smc_row){"TC0P", "sp78", 2, {0xc0, 0}, 0};          /* -64 */
	row[104] = (struct smc_row){"TCXC", "flt ", 4, {0, 0, 0xc4, 0x42}, 0};
	row[600] = (struct smc_row){"Tp09", "flt ", 4, FLOAT_20, 0};
	begin(row, KEYS);
	machine_init(&m, "nowhere"); /* so that this machine's own sensors do not speak */
	assert_int_equal(m.mac, 0);
	m.mac = 1;
	machine_poll(&m, S(0));
	assert_int_equal(m.sensors, 3);
	assert_string_equal(m.sensor[2], "TC0P");
	close_to(m.view.celsius, 12.5);
	assert_true(mac->calls < 300);
	machine_poll(&m, S(2));
	machine_poll(&m, S(4));
	assert_int_equal(m.sensors, 4);
	close_to(m.view.celsius, 20);
	int calls = mac->calls;
	machine_poll(&m, S(6));
	assert_int_equal(mac->calls, calls + 8); /* two a sensor */
	memset(row[100].value, 0, 4);
	memset(row[600].value, 0, 4);
	machine_poll(&m, S(8));
	assert_true(isnan(m.view.celsius)); /* 0 is no temperature either */
	machine_done(&m);
	end();
	/* A folder that stands for / has no controller. */
	begin(row, KEYS);
	machine_init(&m, "nowhere");
	machine_poll(&m, S(0));
	assert_true(isnan(m.view.celsius) && !mac->calls);
	machine_done(&m);
	setenv("ANETUI_SMC", "/nowhere/lib.so", 1);
	machine_init(&m, "");
	assert_int_equal(m.mac, 1);
	machine_poll(&m, S(0));
	assert_int_equal(m.sensors, 0);
	machine_done(&m);
}

int main(void)
{
	assert_int_equal(file_program(library, 4096, NULL), 0);
	snprintf(strrchr(library, '/'), 40, "/libsmc.so");
	void *lib = dlopen(library, RTLD_NOW | RTLD_LOCAL);
	mac = lib ? dlsym(lib, "smc_standin") : NULL;
	if (!mac) {
		fprintf(stderr, "%s: can not be opened\n", library);
		return 1;
	}
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decode),	    cmocka_unit_test(test_keys),	    cmocka_unit_test(test_which_service),    cmocka_unit_test(test_system_watts),
		cmocka_unit_test(test_no_watts),    cmocka_unit_test(test_beside_counters), cmocka_unit_test(test_opened_by_itself), cmocka_unit_test(test_temperature),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
