/* The list of what an import leaves out (bad.h). */
#include "io/convert/image/bad.h"
#include "io/convert/image/private.h"
#include "runtime/memory.h"

#include <unistd.h>

void un_image_bad_open(struct un_image_bad *b) {
    *b = (struct un_image_bad){.fd = -1};
    pthread_mutex_init(&b->lock, NULL);
}

void un_image_bad_close(struct un_image_bad *b) {
    for (int64_t i = 0; i < b->n; ++i) {
        un_free(b->one[i].where);
        un_free(b->one[i].reason);
    }
    un_free(b->one);
    un_free(b->path);
    if (b->fd >= 0) close(b->fd);
    pthread_mutex_destroy(&b->lock);
    *b = (struct un_image_bad){.fd = -1};
}

enum un_status un_image_bad_keep(struct un_image_bad *b, int64_t index, const char *where,
                                 const char *reason) {
    if (b->n == b->capacity) {
        void *all = b->one;
        int64_t more = 2 * b->capacity + 16;
        UN_TRY(un_grow(&all, (size_t)b->capacity, (size_t)more, sizeof *b->one, "images left out"));
        b->one = all;
        b->capacity = more;
    }
    struct un_image_bad_one one = {index, un_strdup(where), un_strdup(reason)};
    if (one.where && one.reason) {
        b->one[b->n++] = one;
        return UN_OK;
    }
    un_free(one.where);
    un_free(one.reason);
    return UN_MEMORY;
}
