/* Values of the authors' JSON (private.h). */
#include "io/convert/setup/private.h"

#include <math.h>
#include <string.h>

json_t *un_setup_get(struct un_setup *s, const char *key) {
    json_t *value = json_object_get(s->root, key);
    if (!value) return NULL;
    if (!json_object_get(s->seen, key)) ++s->counts->mapped;
    json_object_set_new(s->seen, key, json_true());
    return json_is_null(value) ? NULL : value;
}

enum un_status un_setup_wrong(const struct un_setup *s, const char *key, const char *what) {
    return un_fail(UN_DATA, "%s: %s: %s", s->path, key, what);
}

enum un_status un_setup_whole(struct un_setup *s, const char *key, int64_t low, int64_t high, int64_t absent,
                              int64_t *value, bool *given) {
    const json_t *json = un_setup_get(s, key);
    double real = json_number_value(json);
    *value = absent;
    if (given) *given = json != NULL;
    if (!json) return UN_OK;
    if (!json_is_number(json) || real != floor(real)) return un_setup_wrong(s, key, "not a whole number");
    if (real < (double)low || real > (double)high)
        return un_fail(UN_DATA, "%s: %s: %.15g is outside %lld .. %lld", s->path, key, real, (long long)low,
                       (long long)high);
    *value = json_is_integer(json) ? (int64_t)json_integer_value(json) : (int64_t)real;
    return UN_OK;
}

enum un_status un_setup_number(struct un_setup *s, const char *key, double absent, double *value,
                               bool *given) {
    const json_t *json = un_setup_get(s, key);
    *value = absent;
    if (given) *given = json != NULL;
    if (!json) return UN_OK;
    *value = json_number_value(json);
    return json_is_number(json) ? UN_OK : un_setup_wrong(s, key, "not a number");
}

enum un_status un_setup_flag(struct un_setup *s, const char *key, bool *value) {
    const json_t *json = un_setup_get(s, key);
    *value = json_is_true(json);
    return !json || json_is_boolean(json) ? UN_OK : un_setup_wrong(s, key, "neither true nor false");
}

bool un_setup_is_name(const char *text) {
    static const char *const barred[] = {"\xE2\x80\xA8", "\xE2\x80\xA9", "\xEF\xBB\xBF", "\xEF\xBF\xBE",
                                         "\xEF\xBF\xBF"};
    for (const unsigned char *c = (const unsigned char *)text; *c; ++c)
        if (*c < 0x20 || *c == 0x7F || (*c == 0xC2 && c[1] < 0xA0)) return false;
    for (size_t i = 0; i < sizeof barred / sizeof *barred; ++i)
        if (strstr(text, barred[i])) return false;
    return *text != '\0';
}

enum un_status un_setup_text(struct un_setup *s, const char *key, const char *absent, const char **value) {
    const json_t *json = un_setup_get(s, key);
    *value = json ? json_string_value(json) : absent;
    return !json || (json_is_string(json) && **value) ? UN_OK : un_setup_wrong(s, key, "not a text");
}
