/* A column of a line (tsv_line.h). */
#include "io/convert/image/tsv_line.h"

enum un_status un_tsv_number(const char *where, const char *what, struct un_tsv_field f, int64_t *value) {
    *value = 0;
    for (size_t i = 0; i < f.bytes; ++i) {
        if (i > 9 || f.text[i] < '0' || f.text[i] > '9') {
            *value = 0;
            break;
        }
        *value = 10 * *value + (f.text[i] - '0');
    }
    if (*value >= 1 && *value <= 1000000000) return UN_OK;
    return un_fail(UN_DATA, "%s: %s is \"%.*s\"", where, what, (int)(f.bytes < 40 ? f.bytes : 40), f.text);
}

enum un_status un_tsv_check(const char *where, const char *what, struct un_tsv_field f, int64_t n,
                            int64_t size, int64_t *width) {
    int64_t bytes = un_base64_bytes(f.text, f.bytes);
    if (bytes < 0)
        return un_fail(UN_DATA, "%s: %s: %zu characters are no base64 (not a multiple of 4); cut short?",
                       where, what, f.bytes);
    if (*width == 0 && bytes > 0 && bytes % (n * size) == 0) *width = bytes / (n * size);
    if (*width == 0 || bytes != n * size * *width)
        return un_fail(UN_DATA, "%s: %s: %lld bytes are not %lld regions%s", where, what, (long long)bytes,
                       (long long)n, *width == 0 ? " of equal width" : " of the width they must have");
    return UN_OK;
}

enum un_status un_tsv_take(struct un_tsv_line *line, const char *where, const char *what,
                           enum un_array_role role, struct un_tsv_field f, bool half, int64_t *width) {
    const int64_t n = line->regions, bytes = un_base64_bytes(f.text, f.bytes);
    if (*width > 0 && bytes == 2 * n * *width) half = true; /* a known width tells */
    if (*width > 0 && bytes == 4 * n * *width) half = false;
    UN_TRY(un_tsv_check(where, what, f, n, half ? 2 : 4, width));
    line->item[role] = half ? UN_F16 : UN_F32;
    line->field[role] = f.text;
    line->bytes[role] = f.bytes;
    return UN_OK;
}

enum un_status un_tsv_count(struct un_tsv_line *line, const char *where, struct un_tsv_field count) {
    UN_TRY(un_tsv_number(where, "num_boxes", count, &line->regions));
    if (line->regions <= UN_IMAGE_REGIONS_MAX) return UN_OK;
    return un_fail(UN_DATA, "%s: %lld regions, not 1 to %d", where, (long long)line->regions,
                   UN_IMAGE_REGIONS_MAX);
}
