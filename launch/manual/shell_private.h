/* What both shells are told of a key. */
#ifndef UN_LAUNCH_MANUAL_SHELL_PRIVATE_H
#define UN_LAUNCH_MANUAL_SHELL_PRIVATE_H

#include "launch/manual/manual.h"

/* One key of a command as it is written on the command line. The texts are the visitor's until it returns. */
struct un_shell_key {
    const char *name;           /* "train.0.name" of a list's first item, "mix.mlm" of a share */
    const char *meaning;        /* a sentence */
    const char *const *choices; /* NULL-terminated; NULL: free text, or a path */
    bool flag, path;            /* true or false; files */
};
typedef void un_shell_visit(FILE *out, const char *command, const struct un_shell_key *key);

/* Visits every key of a command; NULL: of a run's configuration, `command` "run". */
void un_shell_keys(FILE *out, const struct un_tool *tool, un_shell_visit *visit);
/* Inside '...' of a shell. */
void un_shell_quoted(FILE *out, const char *text);
/* Lines of a script, ended by NULL. */
void un_shell_lines(FILE *out, const char *const *lines);
/* case "$1:$2" in ... esac: sets values="a b" of a key with choices, values=@ of one that is a path. */
void un_shell_values(FILE *out);

#endif
