/* main.c: options, and which of the three ways in: screen, plain, one command. Grows with the rooms it opens.
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "--version")) {
		puts("anetui " ANETUI_VERSION);
		return 0;
	}
	fputs("anetui: options: not there yet\n", stderr);
	return 2;
}
