/* Captions in lines: the first byte of the input picks Conceptual Captions, id TAB caption, or SBU's two
 * files, whose second is what follows the first zero byte. */
#include "io/convert/text/source.h"
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void read_all(struct un_text_source *source) {
    struct un_caption caption;
    bool more = true;
    while (more && source->ops->next(source, &caption, &more) == UN_OK)
        if (more && !caption.why && (!caption.image_id || !caption.sentence)) __builtin_trap();
}

static int memory_file(char path[64], const uint8_t *data, size_t size) {
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    snprintf(path, 64, "/proc/self/fd/%d", fd);
    if (fd >= 0 && write(fd, data, size) == (ssize_t)size) return fd;
    if (fd >= 0) close(fd);
    return -1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct un_text_names names = {"", ""};
    char first[64], second[64];
    struct un_text_source *source = NULL;
    if (size < 1) return 0;
    const uint8_t *zero = memchr(data + 1, 0, size - 1);
    size_t front = data[0] % 3 == 2 && zero ? (size_t)(zero - data) - 1 : size - 1;
    size_t back = front < size - 1 ? size - 2 - front : 0;
    int a = memory_file(first, data + 1, front), b = memory_file(second, data + size - back, back);
    if (a >= 0 && b >= 0) {
        enum un_status status = data[0] % 3 == 0   ? un_text_source_cc(&source, first)
                                : data[0] % 3 == 1 ? un_text_source_lines(&source, first, &names)
                                                   : un_text_source_sbu(&source, first, second);
        if (status == UN_OK) read_all(source);
        un_text_source_close(source);
    }
    un_error_clear();
    if (a >= 0) close(a);
    if (b >= 0) close(b);
    return 0;
}
