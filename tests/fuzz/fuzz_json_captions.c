/* Captions in JSON: the first byte of the input picks COCO, Visual Genome or SBU, the rest is the file. */
#include "io/convert/text/source.h"
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

static void read_all(struct un_text_source *source) {
    struct un_caption caption;
    bool more = true;
    while (more && source->ops->next(source, &caption, &more) == UN_OK)
        if (more && !caption.why && (!caption.image_id || !caption.sentence)) __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char path[64];
    struct un_text_source *source = NULL;
    if (size < 1) return 0;
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0) return 0;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (write(fd, data + 1, size - 1) == (ssize_t)size - 1) {
        enum un_status status = data[0] % 3 == 0   ? un_text_source_coco(&source, path)
                                : data[0] % 3 == 1 ? un_text_source_vg(&source, path)
                                                   : un_text_source_sbu(&source, path, NULL);
        if (status == UN_OK) read_all(source);
        un_text_source_close(source);
    }
    un_error_clear();
    close(fd);
    return 0;
}
