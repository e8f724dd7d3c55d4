/* Man pages and shells' completion, made of the tables that --help and --help-config print, while the project is built. */
#ifndef UN_LAUNCH_MANUAL_MANUAL_H
#define UN_LAUNCH_MANUAL_MANUAL_H

#include "launch/tools/tools.h"

/* uniter(1): commands but those of data; uniter-data(1): those; uniter_dist(1); uniter-config(5). */
void un_manual_uniter(FILE *out);
void un_manual_data(FILE *out);
void un_manual_dist(FILE *out);
void un_manual_config(FILE *out);
/* A page of ours as a man page. Of Markdown: "# title" (left out), "## section", "### part", paragraphs, "- " items, tables of two
 * columns (an entry a row), blocks indented by four, `code`, **strong**. */
void un_manual_page(FILE *out, const char *name, int section, const char *meaning, const char *markdown);
/* Completion of both programs: commands, options, keys with their choices, files. */
void un_manual_bash(FILE *out);
void un_manual_zsh(FILE *out);

/* "data import npz", as a command is called after the program's name. */
void un_manual_called(const struct un_tool *tool, char out[128]);

#endif
