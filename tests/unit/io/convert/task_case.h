/* Sources of tasks read to their end, as text. */
#ifndef UN_TESTS_UNIT_IO_CONVERT_TASK_CASE_H
#define UN_TESTS_UNIT_IO_CONVERT_TASK_CASE_H

#include "io/convert/task/source.h"
#include "tests/unit/io/convert/text_case.h"

#include <string.h>

/* "text_id image_id[+second] 'sentence'['part'...] targets;" of every text, or the first error. */
static inline enum un_status say_source(struct un_task_source *source, enum un_status opened, char *said) {
    enum un_status status = opened;
    bool more = true;
    said[0] = '\0';
    while (status == UN_OK) {
        struct un_task_text t;
        status = source->ops->next(source, &t, &more);
        if (status != UN_OK || !more) break;
        const struct un_targets *x = &t.targets;
        char *end = said + strlen(said);
        end += sprintf(end, "%s %s%s%s '%s'", t.text_id, t.image_id, x->second_image ? "+" : "",
                       x->second_image ? x->second_image : "", t.sentence);
        for (int p = 0; p < UN_TEXT_PARTS && t.part[p]; ++p) end += sprintf(end, "'%s'", t.part[p]);
        for (int64_t i = 0; i < x->answers; ++i)
            end += sprintf(end, " %d:%g", x->answer[i], (double)x->score[i]);
        end += sprintf(end, " k%d l%d r%d", x->kind, x->label, x->rationale);
        if (x->size[0] > 0)
            end += sprintf(end, " %g,%g,%g,%g of %gx%g", (double)x->box[0], (double)x->box[1],
                           (double)x->box[2], (double)x->box[3], (double)x->size[0], (double)x->size[1]);
        sprintf(end, "%s%s;", t.why ? " left out: " : "", t.why ? t.why : "");
    }
    un_task_source_close(source);
    return status;
}

#endif
