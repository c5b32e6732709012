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
	struct model_source s = {w->params, w->params->w, w->tok};
	worker_state(w, ENGINE_SAVING, "exporting");
	rc = model_file_save(argv[0], argv[1], &s, &w->answer, e);
	worker_rest_state(w);
	return rc;
}
