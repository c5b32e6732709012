/* fuzz_setting.c: `KEY VALUE`: a value that is taken is within its bounds and reads back as itself. SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "train/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *key = malloc(n + 1), *value;
	FUZZ_CHECK(key);
	memcpy(key, data, n);
	key[n] = 0;
	value = strchr(key, ' ');
	struct err e = {0};
	if (value) {
		*value++ = 0;
		int id = setting_find(key, &e);
		fuzz_said(id < 0, &e);
		struct settings s;
		settings_init(&s);
		int rc = id < 0 ? id : settings_set(&s, (enum setting_id)id, value, &e);
		fuzz_said(rc, &e);
		fuzz_accepted += !rc;
		if (!rc) {
			char text[SETTING_TEXT_MAX];
			struct settings again = s;
			FUZZ_CHECK(isfinite(s.num[id]));
			setting_text(&s, (enum setting_id)id, text);
			FUZZ_CHECK(!settings_set(&again, (enum setting_id)id, text, &e));
			FUZZ_CHECK(again.num[id] == s.num[id] && !strcmp(again.text[id], s.text[id]));
		}
	}
	free(key);
	return 0;
}
