/* Prints "words regions" for every sample of training files FOLDER/SET_train.txt.h5, words with [CLS] and
 * [SEP], regions of the feature file beside it and at most 40: what peer_torch.py takes, so that both are
 * timed on samples as long. */
#include "io/h5/h5.h"
#include "runtime/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_REGIONS = 40 }; /* data.num_bb of the benchmark */

struct column {
    int64_t *value, count;
};

static enum un_status read_column(struct un_h5 *file, const char *name, struct column *c) {
    struct un_h5_shape shape;
    void *values = NULL;
    UN_TRY(un_h5_read_all(file, name, UN_I64, &shape, &values));
    *c = (struct column){values, shape.dims[0]};
    return UN_OK;
}

/* Names of images, one in `stride` bytes. */
struct names {
    char *cell;
    int64_t count, stride;
};

static int64_t regions_of(const struct names *images, const struct column *first, const char *image) {
    for (int64_t i = 0; i < images->count; ++i)
        if (strcmp(images->cell + i * images->stride, image) == 0)
            return first->value[i + 1] - first->value[i];
    return 0;
}

static enum un_status print_all(struct un_h5 *texts, struct un_h5 *images) {
    struct column first = {0}, token = {0};
    struct names all = {0}, of = {0};
    enum un_status status;
    UN_TRY_GOTO(un_h5_read_texts(images, "image_id", &all.count, &all.stride, &all.cell), done);
    UN_TRY_GOTO(un_h5_read_texts(texts, "image_id", &of.count, &of.stride, &of.cell), done);
    UN_TRY_GOTO(read_column(images, "region_offset", &first), done);
    UN_TRY_GOTO(read_column(texts, "token_offset", &token), done);
    for (int64_t i = 0; i < of.count; ++i) {
        int64_t regions = regions_of(&all, &first, of.cell + i * of.stride);
        printf("%lld %lld\n", (long long)(token.value[i + 1] - token.value[i] + 2),
               (long long)(regions < MOST_REGIONS ? regions : MOST_REGIONS));
    }
done:
    un_free(all.cell);
    un_free(of.cell);
    un_free(first.value);
    un_free(token.value);
    return status;
}

static enum un_status print_file(const char *path) {
    static const char ending[] = ".txt.h5";
    char beside[1024];
    const size_t length = strlen(path), tail = sizeof ending - 1;
    struct un_h5 *texts = NULL, *images = NULL;
    enum un_status status;
    if (length < tail || length >= sizeof beside || strcmp(path + length - tail, ending) != 0)
        return un_fail(UN_USAGE, "%s: not a file of texts, *.txt.h5", path);
    snprintf(beside, sizeof beside, "%.*s.img.h5", (int)(length - tail), path);
    UN_TRY_GOTO(un_h5_open(&texts, path, true), done);
    UN_TRY_GOTO(un_h5_open(&images, beside, true), done);
    status = print_all(texts, images);
done:
    un_h5_close(texts);
    un_h5_close(images);
    return status;
}

int main(int argc, char **argv) {
    for (int i = 1; i < argc; ++i)
        if (print_file(argv[i]) != UN_OK) {
            fprintf(stderr, "lengths: %s\n", un_error_get()->text);
            return un_error_get()->status;
        }
    return argc > 1 ? 0 : UN_USAGE;
}
