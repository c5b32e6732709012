/* fakeview.h: a view with fixed contents, as if a run had gone on for a while. For tests of what is drawn; no engine.
 * SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_FAKEVIEW_H
#define TESTS_SUPPORT_FAKEVIEW_H

#include "tui/view.h"

/* A view in the middle of training: 12 340 steps with noise, spikes, a NaN, changes of the learning rate, samples, a log. view_done frees it. */
int fakeview_training(struct view *v);
/* Nothing has begun; power sources without permission. */
int fakeview_empty(struct view *v);

#endif
