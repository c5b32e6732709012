/* power_find.c: opening: looks for every kind of source and keeps a log of what was tried. No arithmetic.
 * SPDX-License-Identifier: MIT */
#include "meter/power_source.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef __linux__
#include <linux/perf_event.h>
#include <sys/syscall.h>
#endif

#include "base/mem.h"

static int sys_read(void *arg, const char *path, char *buf, size_t n)
{
	(void)arg;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ssize_t got = read(fd, buf, n - 1);
	int rc = got < 0 ? -errno : (int)got;
	close(fd);
	if (rc < 0)
		return rc;
	while (rc > 0 && (buf[rc - 1] == '\n' || buf[rc - 1] == ' '))
		rc--;
	buf[rc] = 0;
	return rc;
}

static int sys_perf(void *arg, unsigned type, uint64_t config, int cpu)
{
	(void)arg;
#ifdef __linux__
	struct perf_event_attr a = {.size = sizeof a, .type = type, .config = config};
	long fd = syscall(SYS_perf_event_open, &a, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
	return fd < 0 ? -errno : (int)fd;
#else
	(void)type, (void)config, (void)cpu;
	return -ENOSYS;
#endif
}

void power_note(struct power *p, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	str_vprintf(&p->probe, fmt, ap);
	va_end(ap);
	str_putc(&p->probe, '\n');
}

struct power_source *power_add(struct power *p, const char *name, const char *kind, enum power_scope scope)
{
	if (p->n == POWER_SOURCES) {
		p->left_out++;
		return NULL;
	}
	struct power_source *s = &p->source[p->n++];
	*s = (struct power_source){.scope = scope, .fd = -1, .unit = 1e-6, .remark = "", .need = "needs more rights", .stuck = "counter does not move (VM?)"};
	snprintf(s->view.name, sizeof s->view.name, "%s", name);
	snprintf(s->view.kind, sizeof s->view.kind, "%s", kind);
	s->view.state = POWER_PROBING;
	s->view.part = scope == POWER_SCOPE_PART;
	s->view.watts = NAN;
	return s;
}

void power_add_none(struct power *p, const char *name, const char *kind, const char *why)
{
	struct power_source *s = power_add(p, name, kind, POWER_SCOPE_PART);
	if (!s)
		return;
	s->view.state = POWER_NO_SENSOR;
	s->view.part = 0;
	snprintf(s->view.reason, sizeof s->view.reason, "%s", why);
}

int power_text(struct power *p, char *buf, size_t n, const char *dir, const char *name)
{
	char path[POWER_PATH];
	if ((size_t)snprintf(path, sizeof path, "%s/%s", dir, name) >= sizeof path)
		return -ENAMETOOLONG;
	return p->sys.read(p->sys.arg, path, buf, n);
}

int power_file_u64(struct power *p, uint64_t *out, const char *path)
{
	char text[64], *end;
	int rc = p->sys.read(p->sys.arg, path, text, sizeof text);
	if (rc < 0)
		return rc;
	errno = 0;
	unsigned long long v = strtoull(text, &end, 10);
	if (end == text || *end || errno || text[0] == '-')
		return -EINVAL;
	*out = v;
	return 0;
}

int power_u64(struct power *p, uint64_t *out, const char *dir, const char *name)
{
	char path[POWER_PATH];
	if ((size_t)snprintf(path, sizeof path, "%s/%s", dir, name) >= sizeof path)
		return -ENAMETOOLONG;
	return power_file_u64(p, out, path);
}

static int by_length(const void *a, const void *b)
{
	size_t x = strlen(a), y = strlen(b);
	return x != y ? (x > y) - (x < y) : strcmp(a, b);
}

int power_list(struct power *p, const char *dir, const char *prefix, char (*name)[POWER_NAME], int max)
{
	char path[POWER_PATH];
	if ((size_t)snprintf(path, sizeof path, "%s%s", p->root, dir) >= sizeof path)
		return -ENAMETOOLONG;
	DIR *d = opendir(path);
	if (!d)
		return -errno;
	int n = 0;
	for (struct dirent *ent; n < max && (ent = readdir(d));)
		if (ent->d_name[0] != '.' && !strncmp(ent->d_name, prefix, strlen(prefix)) && strlen(ent->d_name) < POWER_NAME)
			memcpy(name[n++], ent->d_name, strlen(ent->d_name) + 1);
	closedir(d);
	qsort(name, (size_t)n, POWER_NAME, by_length);
	return n;
}

static void find_all(struct power *p)
{
	if (!p->root[0]) {
		power_find_ioreport(p);
		power_find_smc(p);
	}
#ifdef __APPLE__
	if (!p->root[0])
		return; /* no /sys, and NVIDIA has no driver */
#endif
	/* What is added comes first, so that a full table loses parts, never packages. */
	power_find_powercap(p);
	power_find_perf(p);
	power_find_battery(p);
	power_find_hwmon(p);
	if (!p->root[0])
		power_find_nvml(p);
	if (p->left_out)
		power_note(p, "%d more sources were left out: the table holds %d", p->left_out, POWER_SOURCES);
}

struct power *power_open_on(const char *root, const struct power_sys *sys)
{
	struct power *p = mem_zalloc(1, sizeof *p);
	if (!p)
		return NULL;
	p->view.watts = p->view.joules = p->view.baseline = NAN;
	p->sys = sys ? *sys : (struct power_sys){sys_read, root[0] ? NULL : sys_perf, NULL};

	if ((size_t)snprintf(p->root, sizeof p->root, "%s", root) < sizeof p->root)
		find_all(p);
	power_estimate(p, 0); /* the first view */
	return p;
}

struct power *power_open(const char *root)
{
	return power_open_on(root, NULL);
}

void power_close(struct power *p)
{
	if (!p)
		return;
	for (int i = 0; i < p->n; i++)
		if (p->source[i].fd >= 0)
			close(p->source[i].fd);
	power_close_nvml(p);
	power_close_ioreport(p);
	power_close_smc(p);
	str_done(&p->probe);
	free(p);
}
