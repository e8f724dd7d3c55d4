/* Runs a fuzzer's entry over the files of a folder: each as it is, cut short at many places, and with single
 * bytes changed by a fixed rule. Fails when there is nothing to run. */
#include "io/disk/files.h"
#include "runtime/memory.h"
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LIMIT = 1 << 24, CUTS = 48, CHANGES = 96 };

/* A copy of exactly that length, so that a sanitizer sees a read past its end. */
static void run(const unsigned char *data, size_t bytes) {
    unsigned char *copy = malloc(bytes ? bytes : 1);
    if (!copy) abort();
    memcpy(copy, data, bytes);
    LLVMFuzzerTestOneInput(copy, bytes);
    free(copy);
}

static void run_file(const char *path) {
    char *text;
    size_t bytes;
    if (un_files_read(path, LIMIT, &text, &bytes) != UN_OK) {
        fprintf(stderr, "%s\n", un_error_get()->text);
        exit(1);
    }
    unsigned char *data = (unsigned char *)text;
    run(data, bytes);
    for (size_t i = 0; i < CUTS && bytes > 0; ++i) run(data, bytes * i / CUTS);
    for (size_t i = 0; i < CHANGES && bytes > 0; ++i) {
        size_t at = (i * 2654435761u) % bytes;
        unsigned char old = data[at];
        data[at] = (unsigned char)(i % 3 == 0 ? old ^ (1u << i % 8) : i % 3 == 1 ? 0xFFu : old + 1u);
        run(data, bytes);
        data[at] = old;
    }
    un_free(text);
}

int main(int argc, char **argv) {
    int files = 0;
    for (int i = 1; i < argc; ++i) {
        struct dirent **entry;
        int n = scandir(argv[i], &entry, NULL, alphasort);
        for (int k = 0; k < n; ++k) {
            char path[UN_PATH_MAX];
            if (entry[k]->d_name[0] != '.' && un_files_join(path, argv[i], entry[k]->d_name) == UN_OK) {
                run_file(path);
                ++files;
            }
            free(entry[k]);
        }
        if (n >= 0) free(entry);
    }
    printf("%d files replayed\n", files);
    return files > 0 ? 0 : 1;
}
