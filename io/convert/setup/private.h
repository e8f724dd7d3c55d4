/* What the files of this wing share. */
#ifndef UN_IO_CONVERT_SETUP_PRIVATE_H
#define UN_IO_CONVERT_SETUP_PRIVATE_H

#include "io/convert/setup/setup.h"

#include <jansson.h>

enum un_setup_unit { UN_SETUP_TOKENS, UN_SETUP_EXAMPLES, UN_SETUP_GROUPS };

/* A script of theirs: what it trains, and its defaults. */
struct un_setup_script {
    const char *name;
    enum un_setup_unit unit; /* of train_batch_size */
    const char *objective;   /* of the one set; NULL: mixes stand in the file */
    int64_t batch, accumulation, steps, warmup, valid;
    double decay, clip, lr_mul; /* lr_mul 0: has none */
    int64_t seed;
};

struct un_setup {
    const char *path;
    char stem[96]; /* of the file's name */
    json_t *root;
    json_t *seen; /* keys that were taken */
    enum un_setup_task task;
    const struct un_setup_script *script;
    int64_t cards;
    struct un_text_out *out;
    struct un_setup_counts *counts;
};

/* ---- fields.c: values, each marked as seen; absent or null: `absent`, and *given is false (given may be NULL) ---- */

json_t *un_setup_get(struct un_setup *s, const char *key);
enum un_status un_setup_wrong(const struct un_setup *s, const char *key, const char *what);
enum un_status un_setup_whole(struct un_setup *s, const char *key, int64_t low, int64_t high, int64_t absent,
                              int64_t *value, bool *given);
enum un_status un_setup_number(struct un_setup *s, const char *key, double absent, double *value,
                               bool *given);
enum un_status un_setup_flag(struct un_setup *s, const char *key, bool *value);
enum un_status un_setup_text(struct un_setup *s, const char *key, const char *absent, const char **value);

/* Not empty, without characters that YAML does not take as they are. */
bool un_setup_is_name(const char *text);

/* ---- write.c: lines of YAML ---- */

/* "  key: value   # why"; the comment is written in plain ASCII. indent in columns. */
void un_setup_line(struct un_setup *s, int indent, const char *why, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* "# ..." alone. */
void un_setup_comment(struct un_setup *s, int indent, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The shortest text that is read back as the same number. */
const char *un_setup_float(char text[32], double value);
/* "learning_rate", or "learning_rate: not given, the default of train_vqa.py". */
const char *un_setup_from(const struct un_setup *s, char text[160], const char *key, bool given);

/* ---- sections ---- */

enum un_status un_setup_find_task(struct un_setup *s, enum un_setup_task wanted);
enum un_status un_setup_write_model(struct un_setup *s);
enum un_status un_setup_write_data(struct un_setup *s);
enum un_status un_setup_write_train(struct un_setup *s);
/* Keys that nobody took. */
void un_setup_write_left(struct un_setup *s);

#endif
