/* Lines of JSON in the order of the pairs (lines.h). */
#include "launch/use/lines.h"

#include "runtime/memory.h"

#include <errno.h>
#include <math.h>
#include <string.h>

/* Bytes of the UTF-8 character at `c`; 0: none is there. Surrogates and what is too long are none. */
static int character(const unsigned char *c) {
    if (c[0] < 0x80) return 1;
    int n = c[0] >= 0xF0 ? 4 : c[0] >= 0xE0 ? 3 : 2;
    if (c[0] < 0xC2 || c[0] > 0xF4) return 0;
    for (int i = 1; i < n; ++i)
        if ((c[i] & 0xC0) != 0x80) return 0;
    bool low = (c[0] == 0xE0 && c[1] < 0xA0) || (c[0] == 0xF0 && c[1] < 0x90);
    bool high = (c[0] == 0xED && c[1] > 0x9F) || (c[0] == 0xF4 && c[1] > 0x8F);
    return low || high ? 0 : n;
}

void un_use_print_text(FILE *out, const char *text) {
    fputc('"', out);
    for (const unsigned char *c = (const unsigned char *)text; *c;) {
        int n = character(c);
        if (n == 0)
            fputs("\xEF\xBF\xBD", out);
        else if (*c == '"' || *c == '\\')
            fprintf(out, "\\%c", *c);
        else if (*c < 0x20)
            fprintf(out, "\\u%04x", *c);
        else
            fwrite(c, 1, (size_t)n, out);
        c += n ? n : 1;
    }
    fputc('"', out);
}

void un_use_print_pair(FILE *out, const struct un_use_pairs *p, int64_t index) {
    const char *text, *image;
    un_use_pairs_name(p, index, &text, &image);
    fputs(p->given.sentences ? "{\"sentence\": " : "{\"text_id\": ", out);
    un_use_print_text(out, text);
    fputs(", \"image_id\": ", out);
    un_use_print_text(out, image);
}

void un_use_print_number(FILE *out, const char *key, double value) {
    fprintf(out, ", \"%s\": %.9g", key, value);
}

enum un_status un_use_lines_open(struct un_use_lines *l) {
    size_t n = (size_t)un_use_pairs_count(l->pairs);
    l->result = un_alloc(n * (size_t)l->width, sizeof *l->result, "results");
    l->there = un_alloc(n, sizeof *l->there, "results");
    return l->result && l->there ? UN_OK : UN_MEMORY;
}

void un_use_lines_close(struct un_use_lines *l) {
    un_free(l->result);
    un_free(l->there);
    l->result = NULL;
    l->there = NULL;
}

float *un_use_lines_put(struct un_use_lines *l, int64_t index) {
    l->there[index] = true;
    return l->result + index * l->width;
}

enum un_status un_use_lines_flush(struct un_use_lines *l) {
    int64_t n = un_use_pairs_count(l->pairs);
    for (; l->next < n && l->there[l->next]; ++l->next) {
        const float *result = l->result + l->next * l->width;
        for (int64_t i = 0; i < l->width; ++i)
            if (!isfinite(result[i]))
                return un_fail(UN_DATA, "pair %lld: a result is %g: are these weights of a trained network?",
                               (long long)l->next + 1, (double)result[i]);
        l->print(l->context, l->out, l->pairs, l->next, result);
    }
    if (fflush(l->out) == 0 && !ferror(l->out)) return UN_OK;
    return un_fail(UN_IO, "the results cannot be written: %s", strerror(errno));
}
