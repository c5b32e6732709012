/* machine.c: /sys, or the controller of a Mac, read every two seconds. Elsewhere nothing is known, and that is what is said.
 * SPDX-License-Identifier: MIT */
#include "meter/machine.h"

#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "meter/smc.h"

#define SECOND 1000000000ull
enum { HOT_C = 95, LOW_PERCENT = 20, THROTTLE_S = 6, PATH = 900, KEYS_A_POLL = 256, MOST_KEYS = 20000 };

void machine_init(struct machine *m, const char *root)
{
	*m = (struct machine){.view = {.celsius = NAN, .limit = NAN, .battery = NAN, .discharging = -1, .minutes = -1}};
	snprintf(m->root, sizeof m->root, "%s", root);
	m->mac = !root[0];
}

/* The text of a file without its newline: its length, or -1. */
static int text(char *buf, size_t n, const char *dir, const char *name)
{
	char path[PATH];
	if ((size_t)snprintf(path, sizeof path, "%s/%s", dir, name) >= sizeof path)
		return -1;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t got = fd < 0 ? -1 : read(fd, buf, n - 1);
	if (fd >= 0)
		close(fd);
	while (got > 0 && (buf[got - 1] == '\n' || buf[got - 1] == ' '))
		got--;
	buf[MAX(got, 0)] = 0;
	return (int)got;
}

static double number(const char *dir, const char *name)
{
	char buf[64], *end;
	if (text(buf, sizeof buf, dir, name) <= 0)
		return NAN;
	double v = strtod(buf, &end);
	return end == buf || *end ? NAN : v;
}

/* Calls fn for every folder below root + dir whose name begins so. */
static void each(struct machine *m, const char *dir, const char *prefix, void (*fn)(struct machine *, const char *))
{
	char path[PATH], one[PATH + 260];
	if ((size_t)snprintf(path, sizeof path, "%s%s", m->root, dir) >= sizeof path)
		return;
	DIR *d = opendir(path);
	for (struct dirent *f; d && (f = readdir(d));)
		if (f->d_name[0] != '.' && !strncmp(f->d_name, prefix, strlen(prefix)) && (size_t)snprintf(one, sizeof one, "%s/%s", path, f->d_name) < PATH)
			fn(m, one);
	if (d)
		closedir(d);
}

static void take_degrees(struct machine *m, double milli, double crit)
{
	double c = milli / 1e3;
	if (!(c > -50 && c < 200))
		return;
	if (!(m->view.celsius >= c))
		m->view.celsius = c;
	if (crit > 0 && crit < 200e3 && !(m->view.limit <= crit / 1e3))
		m->view.limit = crit / 1e3;
}

/* The processor's own sensors: Intel coretemp, AMD k10temp and zenpower, arm cpu_thermal. A disk's or a network card's tell nothing here. */
static void hwmon(struct machine *m, const char *dir)
{
	static const char *const ours[] = {"coretemp", "k10temp", "zenpower", "cpu_thermal", "soc_thermal"};
	char name[64], file[32];
	int known = 0;
	if (text(name, sizeof name, dir, "name") <= 0)
		return;
	for (size_t i = 0; i < ARRAY_LEN(ours); i++)
		known |= !strcmp(name, ours[i]);
	for (int i = 1; known && i <= 32; i++) {
		snprintf(file, sizeof file, "temp%d_input", i);
		double v = number(dir, file);
		snprintf(file, sizeof file, "temp%d_max", i);
		double max = number(dir, file);
		snprintf(file, sizeof file, "temp%d_crit", i);
		double crit = number(dir, file);
		if (isfinite(v))
			take_degrees(m, v, isfinite(max) ? max : crit);
	}
}

static void zone(struct machine *m, const char *dir)
{
	char type[64];
	if (text(type, sizeof type, dir, "type") > 0 && (!strcmp(type, "x86_pkg_temp") || !strncmp(type, "cpu", 3) || !strncmp(type, "soc", 3)))
		take_degrees(m, number(dir, "temp"), NAN);
}

static void processor(struct machine *m, const char *dir)
{
	char sub[PATH];
	if ((size_t)snprintf(sub, sizeof sub, "%s/thermal_throttle", dir) >= sizeof sub)
		return;
	double v = number(sub, "package_throttle_count");
	if (!(v >= 0))
		v = number(sub, "core_throttle_count");
	if (v >= 0) {
		m->last += (uint64_t)v;
		m->known |= 2;
	}
}

static void supply(struct machine *m, const char *dir)
{
	char type[64], status[64], scope[64];
	if (text(type, sizeof type, dir, "type") <= 0 || strcmp(type, "Battery") || (text(scope, sizeof scope, dir, "scope") > 0 && !strcmp(scope, "Device")))
		return;
	double percent = number(dir, "capacity"), now = number(dir, "energy_now"), rate = number(dir, "power_now");
	if (!(percent >= 0 && percent <= 100) || isfinite(m->view.battery))
		return;
	m->view.battery = percent;
	m->view.discharging = text(status, sizeof status, dir, "status") > 0 && !strcmp(status, "Discharging");
	if (!isfinite(now) || !isfinite(rate)) {
		now = number(dir, "charge_now");
		rate = number(dir, "current_now");
	}
	double minutes = 60 * now / fabs(rate);
	m->view.minutes = m->view.discharging && minutes >= 0 && minutes < 100000 ? (int)minutes : -1;
}

/* Sensors of the processor: "Tp" and "Te" and two more on Apple silicon, TC0P, TC0D, TC1C ... on Intel. What others measure ("Tg", "Ts", "TCXC") is
 * something else, or nobody tells. */
static int is_processor(const char *key)
{
	return !strncmp(key, "Tp", 2) || !strncmp(key, "Te", 2) || (!strncmp(key, "TC", 2) && key[2] >= '0' && key[2] <= '9' && strchr("PDEFCc", key[3]));
}

static void open_controller(struct machine *m)
{
	double keys = 0;
	m->asked = 1;
	if (*smc_library() && !smc_open(&m->smc) && !smc_read(m->smc, &keys, "#KEY") && keys > 0 && keys <= MOST_KEYS)
		m->keys = (uint32_t)keys;
}

/* A controller has some 2000 keys: they are looked through a part at a time, so that no step waits for all. */
static void controller(struct machine *m)
{
	char name[5];
	double celsius;
	if (!m->asked)
		open_controller(m);
	for (int i = 0; i < KEYS_A_POLL && m->next_key < m->keys && m->sensors < MACHINE_SENSORS; i++)
		if (!smc_key(m->smc, name, m->next_key++) && is_processor(name))
			memcpy(m->sensor[m->sensors++], name, sizeof name);
	for (int i = 0; i < m->sensors; i++)
		if (!smc_read(m->smc, &celsius, m->sensor[i]) && celsius > 0 && celsius <= 150)
			take_degrees(m, celsius * 1e3, NAN);
}

void machine_done(struct machine *m)
{
	smc_close(m->smc);
	m->smc = NULL;
}

void machine_poll(struct machine *m, uint64_t now)
{
	if (m->read_ns && now - m->read_ns < 2 * SECOND)
		return;
	uint64_t before = m->last;
	m->last = 0;
	m->known &= 1;
	m->view.celsius = m->view.limit = m->view.battery = NAN;
	m->view.discharging = m->view.minutes = -1;
	each(m, "/sys/class/hwmon", "hwmon", hwmon);
	if (!isfinite(m->view.celsius))
		each(m, "/sys/class/thermal", "thermal_zone", zone);
	if (m->mac)
		controller(m);
	each(m, "/sys/devices/system/cpu", "cpu", processor);
	each(m, "/sys/class/power_supply", "", supply);
	if (m->known & 2) {
		if (!(m->known & 1) || m->last < before) /* the first reading, or processors that went away */
			m->first = m->last - MIN(m->view.throttled, m->last);
		else if (m->last > before)
			m->change_ns = now;
		m->known |= 1;
		m->view.counted = 1;
		m->view.throttled = m->last - m->first;
	}
	m->view.throttles = m->change_ns && now - m->change_ns < THROTTLE_S * SECOND;
	m->read_ns = now;
}

int machine_is_hot(const struct machine_view *v)
{
	return v->throttles || v->celsius >= (isfinite(v->limit) ? v->limit : HOT_C);
}

int machine_is_low(const struct machine_view *v)
{
	return v->discharging == 1 && v->battery <= LOW_PERCENT;
}
