/* The columns of a text file in work: which there are, which a file has, and putting rows into their spools. */
#include "io/convert/text/sink_private.h"

#include <string.h>

enum {
    OF_ANSWERS = 1 << UN_TASK_VQA | 1 << UN_TASK_VE,
    OF_KINDS = 1 << UN_TASK_VQA,
    OF_LABELS = 1 << UN_TASK_NLVR2 | 1 << UN_TASK_VCR | 1 << UN_TASK_RE,
    OF_SECOND = 1 << UN_TASK_NLVR2 | 1 << UN_TASK_VCR,
    OF_PARTS = 1 << UN_TASK_VCR,
    OF_BOXES = 1 << UN_TASK_RE
};
const struct un_text_column un_text_columns[UN_SPOOLS] = {
    [UN_SPOOL_TEXT_ID] = {"text_id", UN_U8, 0, UN_NEED_ALWAYS, 0},
    [UN_SPOOL_IMAGE_ID] = {"image_id", UN_U8, 0, UN_NEED_ALWAYS, 0},
    [UN_SPOOL_SECOND_ID] = {"second_image_id", UN_U8, 0, UN_NEED_TASK, OF_SECOND},
    [UN_SPOOL_TOKEN_OFFSET] = {"token_offset", UN_I64, 0, UN_NEED_ALWAYS, 0},
    [UN_SPOOL_TOKEN] = {"token", UN_I32, 0, UN_NEED_ALWAYS, 0},
    [UN_SPOOL_SENTENCE_OFFSET] = {"sentence_offset", UN_I64, 0, UN_NEED_SENTENCES, 0},
    [UN_SPOOL_SENTENCE] = {"sentence", UN_U8, 0, UN_NEED_SENTENCES, 0},
    [UN_SPOOL_ALIGN_OFFSET] = {"align_offset", UN_I64, 0, UN_NEED_ALIGNMENT, 0},
    [UN_SPOOL_ALIGN_TOKEN] = {"align_token", UN_I32, 0, UN_NEED_ALIGNMENT, 0},
    [UN_SPOOL_ALIGN_REGION] = {"align_region", UN_I32, 0, UN_NEED_ALIGNMENT, 0},
    [UN_SPOOL_ANSWER_OFFSET] = {"answer_offset", UN_I64, 0, UN_NEED_TASK, OF_ANSWERS},
    [UN_SPOOL_ANSWER_ID] = {"answer_id", UN_I32, 0, UN_NEED_TASK, OF_ANSWERS},
    [UN_SPOOL_ANSWER_SCORE] = {"answer_score", UN_F32, 0, UN_NEED_TASK, OF_ANSWERS},
    [UN_SPOOL_ANSWER_KIND] = {"answer_kind", UN_U8, 0, UN_NEED_TASK, OF_KINDS},
    [UN_SPOOL_LABEL] = {"label", UN_I32, 0, UN_NEED_TASK, OF_LABELS},
    [UN_SPOOL_RATIONALE] = {"rationale", UN_I32, 0, UN_NEED_TASK, OF_PARTS},
    [UN_SPOOL_PART_OFFSET] = {"part_offset", UN_I64, 0, UN_NEED_TASK, OF_PARTS},
    [UN_SPOOL_PART] = {"part", UN_I32, 0, UN_NEED_TASK, OF_PARTS},
    [UN_SPOOL_BOX] = {"box", UN_F32, 4, UN_NEED_TASK, OF_BOXES},
    [UN_SPOOL_IMAGE_SIZE] = {"image_size", UN_F32, 2, UN_NEED_TASK, OF_BOXES},
};

static bool belongs(const struct un_text_sink_setup *setup, int column) {
    const struct un_text_column *c = &un_text_columns[column];
    switch (c->need) {
    case UN_NEED_SENTENCES: return setup->sentences;
    case UN_NEED_ALIGNMENT: return setup->aligned;
    case UN_NEED_TASK: return c->tasks >> setup->task & 1;
    case UN_NEED_ALWAYS: break;
    }
    return true;
}

bool un_sink_wants(const struct un_text_sink *k, int column) {
    return belongs(&k->setup, column);
}

bool un_text_sink_knows(const struct un_text_sink_setup *setup, const char *column) {
    bool asks = setup->task == UN_TASK_VQA || setup->task == UN_TASK_VE;
    for (int c = 0; c < UN_SPOOLS; ++c)
        if (strcmp(un_text_columns[c].name, column) == 0) return belongs(setup, c);
    return asks && strcmp(column, "answer_name") == 0;
}

int64_t un_sink_row_bytes(enum un_text_spool column) {
    const struct un_text_column *c = &un_text_columns[column];
    return un_type_bytes(c->type) * (c->cols ? c->cols : 1);
}

int64_t un_sink_rows(const struct un_text_sink *k, enum un_text_spool column) {
    return k->spool[column].bytes / un_sink_row_bytes(column);
}

enum un_status un_sink_put_offset(struct un_text_sink *k, enum un_text_spool column, enum un_text_spool of) {
    int64_t offset = un_sink_rows(k, of);
    return un_sink_wants(k, (int)column) ? un_spool_put(&k->spool[column], &offset, (int64_t)sizeof offset)
                                         : UN_OK;
}

enum un_status un_sink_check_id(const struct un_text_sink *k, const char *what, const char *id) {
    size_t length = id ? strnlen(id, UN_ID_MAX + 1) : 0;
    if (length >= 1 && length <= UN_ID_MAX) return UN_OK;
    return un_fail(UN_DATA, "%s: text %lld: %s %s", k->out, (long long)k->texts, what,
                   length == 0 ? "is empty" : "is longer than 255 bytes");
}

enum un_status un_sink_put_id(struct un_text_sink *k, enum un_text_spool column, const char *id) {
    int64_t length = (int64_t)strlen(id);
    if (length > k->stride[column]) k->stride[column] = length;
    return un_spool_put(&k->spool[column], id, length + 1);
}
