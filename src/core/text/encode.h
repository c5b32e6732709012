/* encode.h: a source of text into ids, block by block, on all threads. The order of reading it is data.h's.
 * SPDX-License-Identifier: MIT */
#ifndef ANETUI_TEXT_ENCODE_H
#define ANETUI_TEXT_ENCODE_H

#include "base/err.h"
#include "text/data.h"
#include "text/shard.h"
#include "text/source.h"
#include "text/tokenizer.h"

/* Writes all ids through w (its width, save and memory are set), fills its counts: first the part that trains, then the part that is held out: the files that are
 * called so, else the last val_fraction of the bytes, from the next document (line) on. The separator stands before each document; a plain file that is alone has
 * none. Memory: a few MiB for each thread, or what the longest document takes. The ids depend neither on the pool nor on val_fraction, but for the place of the cut. */
int encode_source(const struct source *s, const struct tokenizer *t, double val_fraction, struct shard_writer *w, const struct data_work *work, struct err *e);
/* Ids for each byte, found on the first 256 KiB: for telling beforehand how large a file will be. 1 when it can not be told. */
double encode_rate(const struct source *s, const struct tokenizer *t);

#endif
