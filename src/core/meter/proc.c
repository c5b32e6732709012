/* proc.c: one reading a second of this process's processor time and memory.
 * SPDX-License-Identifier: MIT */
#include "meter/proc.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#ifdef __APPLE__
#include <mach/mach.h>
#endif

#include "base/mem.h"
#include "base/pool.h"

#define SECOND 1000000000ull

static uint64_t resident_bytes(void)
{
#ifdef __APPLE__
	struct mach_task_basic_info info;
	mach_msg_type_number_t n = MACH_TASK_BASIC_INFO_COUNT;
	if (task_info(mach_task_self(), MACH_TASK_BASIC_INFO, (task_info_t)&info, &n) != KERN_SUCCESS)
		return 0;
	return info.resident_size;
#else
	char text[128], *end;
	int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	if (fd >= 0)
		close(fd);
	if (got <= 0)
		return 0;
	text[got] = 0;
	strtoull(text, &end, 10); /* the first number is the address space */
	return strtoull(end, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
#endif
}

static uint64_t time_ns(struct timeval t)
{
	return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_usec * 1000;
}

void proc_init(struct proc *p)
{
	*p = (struct proc){.view = {.cpu = NAN, .cpus = pool_cpus()}};
}

static void keep(float *hist, int n, float v)
{
	if (n == PROC_HIST)
		memmove(hist, hist + 1, (PROC_HIST - 1) * sizeof *hist);
	hist[MIN(n, PROC_HIST - 1)] = v;
}

void proc_poll(struct proc *p, uint64_t now)
{
	if (p->last_ns && now - p->last_ns < SECOND)
		return;
	struct rusage u;
	struct proc_view *v = &p->view;
	if (getrusage(RUSAGE_SELF, &u))
		return;
	uint64_t cpu = time_ns(u.ru_utime) + time_ns(u.ru_stime);
#ifdef __APPLE__
	uint64_t peak = (uint64_t)u.ru_maxrss; /* bytes there, KiB elsewhere */
#else
	uint64_t peak = (uint64_t)u.ru_maxrss * 1024;
#endif
	v->rss = resident_bytes();
	v->peak = MAX(MAX(peak, v->peak), v->rss);
	if (p->last_ns) {
		v->cpu = cpu > p->last_cpu_ns ? 100.0 * (double)(cpu - p->last_cpu_ns) / (double)(now - p->last_ns) : 0;
		keep(v->cpu_hist, v->n, (float)v->cpu);
		keep(v->rss_hist, v->n, (float)v->rss / 0x1p20f);
		v->n = MIN(v->n + 1, PROC_HIST);
	}
	p->last_ns = now;
	p->last_cpu_ns = cpu;
}
