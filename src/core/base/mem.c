/* mem.c: checked allocation.
 * SPDX-License-Identifier: MIT */
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#ifdef __APPLE__
#include <mach/mach.h>
#include <sys/sysctl.h>
#include <sys/types.h>
#else
#include <sys/resource.h>

#include "base/cgroup.h"
#endif

int mem_mul(size_t *out, size_t a, size_t b)
{
	return __builtin_mul_overflow(a, b, out) ? -1 : 0;
}

void *mem_zalloc(size_t n, size_t size)
{
	return calloc(n ? n : 1, size ? size : 1);
}

void *mem_aligned(size_t n, size_t size)
{
	size_t bytes;
	if (mem_mul(&bytes, n, size) || bytes > SIZE_MAX - 64)
		return NULL;
	bytes = (bytes + 63) / 64 * 64;
	void *p = NULL;
	if (posix_memalign(&p, 64, bytes ? bytes : 64))
		return NULL;
	return memset(p, 0, bytes);
}

int mem_grow(void *pp, size_t *cap, size_t need, size_t size)
{
	void **p = pp;
	if (need <= *cap)
		return 0;
	size_t n = *cap ? *cap : 16, bytes;
	while (n < need) {
		if (n > SIZE_MAX / 2)
			return -1;
		n *= 2;
	}
	if (mem_mul(&bytes, n, size))
		return -1;
	void *q = realloc(*p, bytes);
	if (!q)
		return -1;
	*p = q;
	*cap = n;
	return 0;
}

char *mem_strdup(const char *s)
{
	size_t n = strlen(s) + 1;
	char *d = malloc(n);
	return d ? memcpy(d, s, n) : NULL;
}

#ifdef __APPLE__
uint64_t mem_total(void)
{
	uint64_t v = 0;
	size_t n = sizeof v;
	return sysctlbyname("hw.memsize", &v, &n, NULL, 0) ? 0 : v;
}

uint64_t mem_available(void)
{
	vm_statistics64_data_t s;
	mach_msg_type_number_t n = HOST_VM_INFO64_COUNT;
	if (host_statistics64(mach_host_self(), HOST_VM_INFO64, (host_info64_t)&s, &n) != KERN_SUCCESS)
		return 0;
	return ((uint64_t)s.free_count + s.inactive_count) * (uint64_t)sysconf(_SC_PAGESIZE);
}

int mem_limited(void)
{
	return 0;
}
#else
static uint64_t meminfo(const char *key)
{
	FILE *f = fopen("/proc/meminfo", "re");
	if (!f)
		return 0;
	char line[128];
	unsigned long long kb, v = 0;
	size_t n = strlen(key);
	while (fgets(line, sizeof line, f))
		if (!strncmp(line, key, n) && sscanf(line + n, " %llu", &kb) == 1)
			v = kb * 1024;
	fclose(f);
	return v;
}

/* A control group can allow less than the machine has (containers, systemd slices). */
static struct cgroup_memory group(void)
{
	return cgroup_memory("/sys/fs/cgroup", "/proc/self/cgroup");
}

static uint64_t left_of(int what, uint64_t used)
{
	struct rlimit r;
	if (getrlimit(what, &r) || r.rlim_cur == RLIM_INFINITY)
		return UINT64_MAX;
	return r.rlim_cur - MIN((uint64_t)r.rlim_cur, used);
}

int mem_limited(void)
{
	return MIN(left_of(RLIMIT_AS, 0), left_of(RLIMIT_DATA, 0)) != UINT64_MAX;
}

/* What the limits of this process leave. */
static uint64_t own_room(void)
{
	unsigned long long all = 0, data = 0;
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	FILE *f = mem_limited() ? fopen("/proc/self/statm", "re") : NULL;
	if (!f)
		return UINT64_MAX;
	if (fscanf(f, "%llu %*u %*u %*u %*u %llu", &all, &data) != 2)
		all = data = 0;
	fclose(f);
	return MIN(left_of(RLIMIT_AS, all * page), left_of(RLIMIT_DATA, data * page));
}

uint64_t mem_total(void)
{
	uint64_t total = meminfo("MemTotal:"), limit = group().limit;
	return MIN(total, limit);
}

/* 0 would say that nothing is known. */
uint64_t mem_available(void)
{
	uint64_t have = meminfo("MemAvailable:"), room = MAX(group().room, 1), own = MAX(own_room(), 1);
	return MIN(have, MIN(room, own));
}
#endif

int mem_check(const char *what, uint64_t need, struct err *e)
{
	char a[16], b[16];
	/* Asking costs more than a small block. */
	uint64_t have = need < 64u << 20 ? 0 : mem_available();
	if (!have || need <= have)
		return 0;
	return err_set(e, ERR_NOMEM, "%s: %s needed, %s free (smaller shapes?)", what, str_bytes(a, need), str_bytes(b, have));
}
