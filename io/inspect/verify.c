/* Every rule of the schema on every row: more than training checks, which sees only the rows it uses. */
#include "io/data/regions.h"
#include "io/data/values.h"
#include "io/disk/ids.h"
#include "io/inspect/inspect.h"
#include "io/inspect/private.h"
#include "runtime/memory.h"

enum { BLOCK_BYTES = 1 << 20 };

static enum un_status check_unique(const char *path, const char *name, const char *ids, int64_t stride,
                                   int64_t n) {
    struct un_idmap map = {0};
    int64_t first, second;
    const char **list = un_alloc((size_t)n + 1, sizeof *list, "ids");
    if (!list) return UN_MEMORY;
    for (int64_t i = 0; i < n; ++i) list[i] = ids + i * stride;
    enum un_status status = un_idmap_open(&map, list, n, &first, &second);
    if (status == UN_OK && first >= 0)
        status = un_fail(UN_DATA, "%s: %s: row %lld: %s stands already in row %lld", path, name,
                         (long long)second, list[second], (long long)first);
    un_idmap_close(&map);
    un_free(list);
    return status;
}

/* One check of n rows that begin at row `first` of the column. */
typedef enum un_status check_rows(const void *context, const struct un_column *column, const void *rows,
                                  int64_t first, int64_t n);

static enum un_status each_block(const struct un_column *c, check_rows *check, const void *context,
                                 struct un_progress *progress) {
    int64_t row_bytes = c->width * un_type_bytes(c->type),
            block = BLOCK_BYTES / row_bytes ? BLOCK_BYTES / row_bytes : 1;
    void *rows = un_alloc((size_t)block, (size_t)row_bytes, c->name);
    if (!rows) return UN_MEMORY;
    enum un_status status = UN_OK;
    for (int64_t at = 0; at < c->rows && status == UN_OK; at += block) {
        int64_t n = c->rows - at < block ? c->rows - at : block;
        status = un_column_read(c, at, n, rows);
        if (status == UN_OK) status = check(context, c, rows, at, n);
        un_progress_add(progress, n * row_bytes);
    }
    un_free(rows);
    return status;
}

static enum un_status check_finite(const void *context, const struct un_column *c, const void *rows,
                                   int64_t first, int64_t n) {
    (void)context;
    int64_t at = un_find_not_finite(rows, c->type, n * c->width);
    if (at < 0) return UN_OK;
    return un_fail(UN_DATA, "%s: %s: row %lld, column %lld: not a finite number", c->path, c->name,
                   (long long)(first + at / c->width), (long long)(at % c->width));
}

static enum un_status check_boxes(const void *context, const struct un_column *c, const void *rows,
                                  int64_t first, int64_t n) {
    (void)context;
    const float *box = rows;
    int64_t bad = un_find_bad_box(box, n);
    if (bad < 0) bad = un_find_bad_extent(box, n);
    if (bad < 0) return UN_OK;
    const float *b = box + 6 * bad;
    return un_fail(UN_DATA, "%s: box: row %lld: %g %g %g %g %g %g is no box x1 y1 x2 y2 w h inside [0, 1]",
                   c->path, (long long)(first + bad), (double)b[0], (double)b[1], (double)b[2], (double)b[3],
                   (double)b[4], (double)b[5]);
}

static enum un_status check_confidences(const void *context, const struct un_column *c, const void *rows,
                                        int64_t first, int64_t n) {
    (void)context;
    const float *confidence = rows;
    for (int64_t i = 0; i < n; ++i)
        if (!(confidence[i] >= 0 && confidence[i] <= 1))
            return un_fail(UN_DATA, "%s: confidence: row %lld: %g is outside [0, 1]", c->path,
                           (long long)(first + i), (double)confidence[i]);
    return UN_OK;
}

static enum un_status check_soft_labels(const void *context, const struct un_column *c, const void *rows,
                                        int64_t first, int64_t n) {
    (void)context;
    for (int64_t i = 0; i < n; ++i) {
        const uint16_t *soft = (const uint16_t *)rows + i * c->width;
        int64_t at = un_find_not_probability(soft, c->width);
        double sum;
        if (at >= 0)
            return un_fail(UN_DATA, "%s: soft_label: row %lld, column %lld: not inside [0, 1]", c->path,
                           (long long)(first + i), (long long)at);
        if (un_find_bad_sum(soft, UN_F16, 1, c->width, &sum) >= 0)
            return un_fail(UN_DATA, "%s: soft_label: row %lld: sums to %g, not 1", c->path,
                           (long long)(first + i), sum);
    }
    return UN_OK;
}

static enum un_status verify_image_rows(const struct un_image_file *f, FILE *out,
                                        struct un_progress *progress) {
    /* The rule's settings do not matter here: what counts is that confidences fall inside each image. */
    const struct un_data_keys any = {.conf_th = 0, .min_bb = 1, .max_bb = INT32_MAX};
    int32_t *regions = un_alloc((size_t)f->images + 1, sizeof *regions, "region counts");
    if (!regions) return UN_MEMORY;
    enum un_status status = un_regions_count(f, &any, regions);
    un_free(regions);
    if (status != UN_OK) return status;
    UN_TRY(check_unique(f->path, "image_id", f->ids, f->id_stride, f->images));
    UN_TRY(each_block(&f->confidence, check_confidences, NULL, progress));
    UN_TRY(each_block(&f->box, check_boxes, NULL, progress));
    UN_TRY(each_block(&f->feature, check_finite, NULL, progress));
    if (f->soft.present) UN_TRY(each_block(&f->soft, check_soft_labels, NULL, progress));
    un_progress_clear(progress);
    fprintf(out, "%s: good: %lld images, %lld regions%s checked\n", f->path, (long long)f->images,
            (long long)f->regions, f->soft.present ? " with soft labels" : "");
    return UN_OK;
}

static enum un_status check_tokens(const void *context, const struct un_column *c, const void *rows,
                                   int64_t first, int64_t n) {
    const struct un_text_file *f = context;
    const int32_t *token = rows;
    for (int64_t i = 0; i < n; ++i)
        if (token[i] < 0 || token[i] >= f->vocab.vocab_size)
            return un_fail(UN_DATA, "%s: token: row %lld: word %d is outside [0, vocab_size %lld)", c->path,
                           (long long)(first + i), token[i], (long long)f->vocab.vocab_size);
    return UN_OK;
}

/* align_token counts words inside its text, so its rows are walked with the offsets. */
static enum un_status verify_alignment(const struct un_text_file *f) {
    for (int64_t t = 0; t < f->texts; ++t)
        for (int64_t at = f->align_offset[t]; at < f->align_offset[t + 1]; ++at) {
            int32_t token, region;
            UN_TRY(un_column_read(&f->align_token, at, 1, &token));
            UN_TRY(un_column_read(&f->align_region, at, 1, &region));
            if (token < 0 || token >= f->token_offset[t + 1] - f->token_offset[t] || region < 0)
                return un_fail(UN_DATA,
                               "%s: align_token, align_region: text %s, row %lld: word %d of %lld, region %d",
                               f->path, f->text_ids + t * f->text_stride, (long long)at, token,
                               (long long)(f->token_offset[t + 1] - f->token_offset[t]), region);
        }
    return UN_OK;
}

/* Bytes of the character at s, 0 when s does not begin one (RFC 3629; overlong forms and surrogates are
 * none). */
static int64_t utf8_length(const unsigned char *s, int64_t room) {
    uint32_t code;
    int64_t n = s[0] < 0x80                   ? 1
                : s[0] >= 0xC2 && s[0] < 0xE0 ? 2
                : s[0] >= 0xE0 && s[0] < 0xF0 ? 3
                : s[0] >= 0xF0 && s[0] < 0xF5 ? 4
                                              : 0;
    if (n == 0 || n > room) return 0;
    code = n == 1 ? s[0] : s[0] & (0x7Fu >> n);
    for (int64_t i = 1; i < n; ++i) {
        if ((s[i] & 0xC0) != 0x80) return 0;
        code = code << 6 | (s[i] & 0x3Fu);
    }
    bool overlong = (n == 3 && code < 0x800) || (n == 4 && (code < 0x10000 || code > 0x10FFFF));
    return overlong || (code >= 0xD800 && code < 0xE000) ? 0 : n;
}

static enum un_status verify_sentence(const struct un_text_file *f, int64_t row, unsigned char *bytes,
                                      int64_t size, struct un_progress *progress) {
    int64_t offset[2];
    UN_TRY(un_column_read(&f->sentence_offset, row, 2, offset));
    int64_t length = offset[1] - offset[0];
    un_progress_add(progress, length);
    if (length > size)
        return un_fail(UN_DATA, "%s: sentence: text row %lld: %lld bytes, at most %lld", f->path,
                       (long long)row, (long long)length, (long long)size);
    UN_TRY(un_column_read(&f->sentence, offset[0], length, bytes));
    for (int64_t at = 0, n; at < length; at += n) {
        n = utf8_length(bytes + at, length - at);
        if (n == 0 || bytes[at] == '\0')
            return un_fail(UN_DATA, "%s: sentence: text %s (row %lld), byte %lld: not UTF-8 text", f->path,
                           f->text_ids + row * f->text_stride, (long long)row, (long long)at);
    }
    return UN_OK;
}

static enum un_status verify_sentences(const struct un_text_file *f, struct un_progress *progress) {
    unsigned char *bytes = un_alloc(BLOCK_BYTES, 1, "a sentence");
    if (!bytes) return UN_MEMORY;
    enum un_status status = UN_OK;
    for (int64_t row = 0; row < f->texts && status == UN_OK; ++row)
        status = verify_sentence(f, row, bytes, BLOCK_BYTES, progress);
    un_free(bytes);
    return status;
}

static enum un_status verify_text_rows(const struct un_text_file *f, FILE *out,
                                       struct un_progress *progress) {
    UN_TRY(check_unique(f->path, "text_id", f->text_ids, f->text_stride, f->texts));
    UN_TRY(each_block(&f->token, check_tokens, f, progress));
    if (f->aligned) UN_TRY(verify_alignment(f));
    if (f->has_sentence) UN_TRY(verify_sentences(f, progress));
    UN_TRY(un_inspect_targets_check(f));
    un_progress_clear(progress);
    fprintf(out, "%s: good: %lld texts, %lld words%s%s checked\n", f->path, (long long)f->texts,
            (long long)f->token.rows, f->aligned ? " with alignment" : "",
            f->has_sentence ? ", sentences" : "");
    if (f->targets.task == UN_TASK_NONE) return UN_OK;
    char asked[256];
    un_inspect_targets_say(f, asked, sizeof asked);
    fprintf(out, "%s: task %s\n", f->path, asked);
    return UN_OK;
}

enum un_status un_verify(const char *path, FILE *out, struct un_progress *progress) {
    struct un_image_file images;
    struct un_text_file texts;
    enum un_status status;
    bool text;
    UN_TRY(un_data_kind(path, &text));
    if (text) {
        UN_TRY(un_text_file_open(&texts, path));
        status = verify_text_rows(&texts, out, progress);
        un_text_file_close(&texts);
    } else {
        UN_TRY(un_image_file_open(&images, path));
        status = verify_image_rows(&images, out, progress);
        un_image_file_close(&images);
    }
    return status;
}
