/* Lines of JSON (json.h). */
#include "launch/extract/json.h"
#include "io/convert/format/lines.h"

#include <string.h>

enum un_status un_extract_names_read(struct un_name_list *names, const char *path, const char *what,
                                     int64_t n) {
    *names = (struct un_name_list){0};
    if (!path[0]) return UN_OK;
    UN_TRY(un_name_list_read(names, path));
    for (int64_t i = 0; i < names->n; ++i) {
        const char *fault = un_caption_text_fault(names->name[i], strlen(names->name[i]));
        if (fault) return un_fail(UN_DATA, "%s: %s", path, fault);
    }
    if (names->n == n) return UN_OK;
    return un_fail(UN_DATA, "%s: %lld lines; the detector knows %lld %s", path, (long long)names->n,
                   (long long)n, what);
}

/* UTF-8, as ids and names have been checked to be. */
static void put_text(FILE *out, const char *text) {
    putc('"', out);
    for (const unsigned char *c = (const unsigned char *)text; *c; ++c) {
        if (*c < 0x20)
            fprintf(out, "\\u%04x", *c);
        else
            fprintf(out, *c == '"' || *c == '\\' ? "\\%c" : "%c", *c);
    }
    putc('"', out);
}

static void put_name(FILE *out, const char *key, const struct un_name_list *names, int32_t number) {
    if (!names->name || number < 1 || number > names->n) return;
    fprintf(out, ", \"%s\": ", key);
    put_text(out, names->name[number - 1]);
}

void un_extract_print(FILE *out, const char *id, const struct un_extract_result *r,
                      const struct un_name_list *classes, const struct un_name_list *attributes) {
    fputs("{\"image_id\": ", out);
    put_text(out, id);
    fprintf(out, ", \"width\": %lld, \"height\": %lld, \"regions\": [", (long long)r->width,
            (long long)r->height);
    for (int64_t i = 0; i < r->regions; ++i) {
        const float *b = r->box + 4 * i;
        fprintf(out, "%s{\"box\": [%.9g, %.9g, %.9g, %.9g], \"confidence\": %.9g, \"class\": %d",
                i ? ", " : "", (double)b[0], (double)b[1], (double)b[2], (double)b[3],
                (double)r->confidence[i], r->class_number[i]);
        put_name(out, "class_name", classes, r->class_number[i]);
        fprintf(out, ", \"attribute\": %d", r->attribute[i]);
        put_name(out, "attribute_name", attributes, r->attribute[i]);
        fprintf(out, ", \"attribute_probability\": %.9g}", (double)r->attribute_probability[i]);
    }
    fputs("]}\n", out);
}
