#include "tests/fuzz/fuzz_memory.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int fuzz_file(char path[64], const uint8_t *data, size_t size) {
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0) return -1;
    snprintf(path, 64, "/proc/self/fd/%d", fd);
    if (write(fd, data, size) == (ssize_t)size) return fd;
    close(fd);
    return -1;
}

static void read_all(struct un_image_source *source) {
    struct un_image_list list = {0};
    struct un_image_reader *reader = NULL;
    struct un_image_record record;
    enum un_status status = source->ops->survey(source, &list);
    if (status == UN_OK) status = un_image_list_check(&list, source->name);
    if (status == UN_OK) status = source->ops->reader_open(source, &reader);
    for (int64_t i = 0; status == UN_OK && i < list.n; ++i) {
        if (source->ops->read(reader, &list, i, &record) != UN_OK) un_error_clear();
    }
    if (reader) source->ops->reader_close(reader);
    un_image_list_free(&list);
}

void fuzz_source(fuzz_open *open, const uint8_t *data, size_t size) {
    char path[64];
    const char *paths[] = {path};
    struct un_image_source *source;
    un_log_set(0, UN_LOG_ERROR);
    int fd = fuzz_file(path, data, size);
    if (fd < 0) return;
    if (open(&source, paths, 1) == UN_OK) {
        read_all(source);
        un_image_source_close(source);
    }
    un_error_clear();
    close(fd);
}
