/* thread.c: threads and signals.
 * SPDX-License-Identifier: MIT */
#include "base/thread.h"

#include <signal.h>

#include "base/mem.h"

/* The same on every system: some give a new thread no more than 512 KiB. */
enum { STACK_BYTES = 8 << 20 };

int thread_start(pthread_t *t, void *(*fn)(void *), void *arg)
{
	static const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP};
	sigset_t all, old;
	pthread_attr_t a;
	sigfillset(&all);
	for (size_t i = 0; i < ARRAY_LEN(faults); i++)
		sigdelset(&all, faults[i]);
	int rc = pthread_attr_init(&a);
	if (rc)
		return rc;
	pthread_attr_setstacksize(&a, STACK_BYTES);
	pthread_sigmask(SIG_SETMASK, &all, &old); /* inherited by the new thread */
	rc = pthread_create(t, &a, fn, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&a);
	return rc;
}
