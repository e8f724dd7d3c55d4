/* What pieces of the vocabulary and classes of regions are called. */
#ifndef UN_LAUNCH_USE_NAMES_H
#define UN_LAUNCH_USE_NAMES_H

#include "io/convert/token/wordpiece.h"
#include "io/disk/files.h"
#include "io/disk/name_list.h"

struct un_use_names {
    struct un_wordpiece *wordpiece; /* NULL: not known */
    struct un_name_list classes;    /* without lines: not known */
    int64_t first; /* class of the first of them: 0, or 1, where the background is left out */
};
/* Zeros are no names. vocab.txt or tokenizer.json of so many pieces. UN_DATA: of another size; there are no names then. */
enum un_status un_use_names_vocab(struct un_use_names *names, const char *path, int64_t pieces);
/* A name a line, by class, from 0 (the background) or, where the file has a line less than `n`, from 1; likewise. */
enum un_status un_use_names_classes(struct un_use_names *names, const char *path, int64_t n);
void un_use_names_close(struct un_use_names *names);
/* "": not known. */
const char *un_use_names_word(const struct un_use_names *names, int64_t id);
const char *un_use_names_class(const struct un_use_names *names, int64_t id);
/* path = the file `name` in the folder of `file`, or "" where there is none. */
void un_use_names_beside(char path[UN_PATH_MAX], const char *file, const char *name);

#endif
