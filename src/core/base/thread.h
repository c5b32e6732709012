/* thread.h: starting a thread that leaves signals to the main one. Joining is pthread_join.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_BASE_THREAD_H
#define ANETUI_BASE_THREAD_H

#include <pthread.h>

/* Starts fn(arg) with every signal blocked but the synchronous faults: with those blocked the kernel kills the process without
 * running its handler, and the terminal stays as it is. 0, or an errno value. */
int thread_start(pthread_t *t, void *(*fn)(void *), void *arg);

#endif
