/* What an import leaves out, in memory (bad.h). */
#include "io/convert/image/bad.h"
#include "io/convert/image/private.h"
#include "runtime/memory.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { SAID_MOST = 10, UNREADABLE_MOST = 64 };

/* `text` behind "FRONT: " or "FRONT:", if it begins so. */
static const char *behind(const char *text, const char *front) {
    size_t length = strlen(front);
    if (length == 0 || strncmp(text, front, length) != 0 || text[length] != ':') return text;
    return text + length + (text[length + 1] == ' ' ? 2 : 1);
}

static enum un_status take(struct un_image_bad *b, int64_t index, const char *where, const char *reason,
                           enum un_status why) {
    b->unreadable = why == UN_IO ? b->unreadable + 1 : 0;
    if (b->unreadable >= UNREADABLE_MOST)
        return un_fail(UN_IO, "%s: %s; %d in a row could not be read: is their disk there?", where, reason,
                       b->unreadable);
    if (b->said++ < SAID_MOST)
        un_log(UN_LOG_WARN, "%s: left out: %s%s", where, reason,
               b->said == SAID_MOST ? " (others are not said here)" : "");
    UN_TRY(un_image_bad_keep(b, index, where, reason));
    return index < 0 ? UN_OK : un_image_bad_note(b, b->one + b->n - 1);
}

enum un_status un_image_bad_add(struct un_image_bad *b, int64_t index, const char *where, const char *name,
                                enum un_status status) {
    char reason[UN_ERROR_MAX];
    if (status != UN_DATA && status != UN_IO) return status;
    snprintf(reason, sizeof reason, "%s", behind(behind(un_error_get()->text, where), name));
    un_error_clear();
    pthread_mutex_lock(&b->lock);
    status = take(b, index, where, reason, status);
    pthread_mutex_unlock(&b->lock);
    return status;
}

void un_image_bad_none(struct un_image_bad *b) {
    pthread_mutex_lock(&b->lock);
    b->unreadable = 0;
    pthread_mutex_unlock(&b->lock);
}

void un_image_bad_apply(const struct un_image_bad *b, struct un_image_list *list) {
    for (int64_t i = 0; i < b->n; ++i) {
        int64_t index = b->one[i].index;
        if (index < 0 || list->list[index].regions == 0) continue;
        list->regions -= list->list[index].regions;
        list->list[index].regions = 0;
        ++list->left;
    }
}

enum un_status un_image_bad_few(const struct un_image_bad *b, const struct un_image_list *list,
                                const char *name) {
    int64_t good = list->n - list->left;
    if (b->n == 0 || b->n <= good) return UN_OK;
    return un_fail(UN_DATA, "%s: %lld images cannot be used and only %lld can; the first: %.300s: %.400s",
                   name, (long long)b->n, (long long)good, b->one->where, b->one->reason);
}
