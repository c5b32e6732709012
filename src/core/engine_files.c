/* engine_files.c: `import` and `export`: models from and to the files of other programs. The formats are in core/io.
 * SPDX-License-Identifier: MIT */
#include "engine_impl.h"

#include "io/model_file.h"

int cmd_import(struct worker *w, int argc, char **argv, struct err *e)
{
	return cmd_new(w, argc, argv, e);
}

int cmd_export(struct worker *w, int argc, char **argv, struct err *e)
{
	int rc = worker_need_model(w, e);
	(void)argc;
	if (rc)
		return rc;
	const struct params *from = worker_weights(w);
	struct model_source s = {w->params, from->w, w->tok};
	worker_state(w, ENGINE_SAVING, "exporting");
	rc = model_file_save(argv[0], argv[1], &s, &w->answer, e);
	worker_rest_state(w);
	if (!rc && from == w->params->ema)
		worker_say(w, "%s: the average of the weights (sample.ema)\n", argv[1]);
	return rc;
}
