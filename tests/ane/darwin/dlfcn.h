/* dlfcn.h: hand-written stub, see stdio.h. SPDX-License-Identifier: MIT */
#ifndef DARWIN_DLFCN_H
#define DARWIN_DLFCN_H

#define RTLD_NOW 2
#define RTLD_LOCAL 4

void *dlopen(const char *path, int mode);
void *dlsym(void *library, const char *name);
int dlclose(void *library);

#endif
