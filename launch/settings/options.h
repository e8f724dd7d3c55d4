/* What the command line of uniter_dist takes beside keys of the configuration, for its help, its manual and shells. */
#ifndef UN_LAUNCH_SETTINGS_OPTIONS_H
#define UN_LAUNCH_SETTINGS_OPTIONS_H

#include <stdio.h>

struct un_run_option {
    const char *name;    /* "--cfg" */
    const char *value;   /* "FILE"; "[SET]": may be left out; NULL: none */
    const char *meaning; /* a few words */
};
/* How a program of the two ends. */
struct un_exit_code {
    int code;
    const char *meaning;
};
extern const struct un_run_option un_run_options[]; /* ended by name NULL */
extern const struct un_exit_code un_exit_codes[];   /* ended by meaning NULL */

/* --help of uniter_dist. */
void un_run_options_help(FILE *out);

#endif
