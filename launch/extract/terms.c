/* Terms (terms.h). */
#include "launch/extract/terms.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct text {
    char *at;
    size_t left;
};

static void __attribute__((format(printf, 2, 3))) put(struct text *t, const char *format, ...) {
    va_list list;
    va_start(list, format);
    int n = vsnprintf(t->at, t->left, format, list);
    va_end(list);
    size_t used = n < 0 ? 0 : (size_t)n < t->left ? (size_t)n : t->left - 1;
    t->at += used;
    t->left -= used;
}

static enum un_status put_file(struct text *t, const char *name, const char *path) {
    char said[UN_DIGEST_TEXT];
    struct un_digest digest;
    int64_t bytes;
    if (!path[0]) {
        put(t, "%s\tnone\n", name);
        return UN_OK;
    }
    UN_TRY(un_digest_file(path, &bytes, &digest));
    un_digest_print(&digest, said);
    put(t, "%s\t%lld bytes %s\n", name, (long long)bytes, said);
    return UN_OK;
}

static void put_how(struct text *t, const struct un_detector_how *how) {
    put(t, "profile\t%s\n", how->profile == UN_DETECTOR_CAFFE ? "caffe" : "port");
    put(t, "short\t%lld\nlong\t%lld\n", (long long)how->shorter, (long long)how->longest);
    put(t, "pre_nms\t%lld\npost_nms\t%lld\n", (long long)how->pre_nms, (long long)how->post_nms);
    put(t, "rpn_nms\t%.17g\nmin_side\t%.17g\nfinal_nms\t", how->rpn_nms, how->min_side);
    for (int64_t i = 0; i < how->n_final_nms; ++i) put(t, "%s%.17g", i ? " " : "", how->final_nms[i]);
    put(t, "\nconf_th\t%.17g\nmin_bb\t%lld\nmax_bb\t%lld\n", how->conf_th, (long long)how->min_bb,
        (long long)how->max_bb);
}

enum un_status un_extract_terms(char text[UN_EXTRACT_TERMS], const struct un_extract_keys *keys,
                                const struct un_detector_how *how, const struct un_extract_list *list,
                                bool cuda) {
    struct text t = {text, UN_EXTRACT_TERMS};
    struct un_digest digest = un_extract_list_digest(list);
    char said[UN_DIGEST_TEXT];
    un_digest_print(&digest, said);
    put(&t, "uniter-extract\t1\n");
    UN_TRY(put_file(&t, "weights", keys->weights));
    put_how(&t, how);
    put(&t, "orient\t%s\n", keys->orient ? "true" : "false");
    UN_TRY(put_file(&t, "boxes", keys->boxes));
    put(&t, "device\t%s%s\n", cuda ? keys->tf32 ? "cuda tf32" : "cuda" : "cpu",
        keys->precision == UN_EXTRACT_BF16 ? " bf16" : "");
    put(&t, "photos\t%lld %s\n", (long long)list->n, said);
    return UN_OK;
}

/* The next line, cut at its TAB. false: there is none. */
static bool next_line(const char **text, char name[64], char value[256]) {
    size_t length = strcspn(*text, "\n"), front = strcspn(*text, "\t\n");
    if (length == 0) return false;
    snprintf(name, 64, "%.*s", (int)front, *text);
    snprintf(value, 256, "%.*s", front < length ? (int)(length - front - 1) : 0, *text + front + 1);
    *text += length + ((*text)[length] == '\n');
    return true;
}

void un_extract_terms_differ(const char *before, const char *now, char *said, size_t size) {
    struct text t = {said, size};
    char name[2][64], value[2][256];
    said[0] = '\0';
    while (next_line(&before, name[0], value[0]) && next_line(&now, name[1], value[1])) {
        if (strcmp(name[0], name[1]) != 0) break;
        if (strcmp(value[0], value[1]) != 0)
            put(&t, "%s%s: %s, now %s", said[0] ? "; " : "", name[0], value[0], value[1]);
    }
    if (!said[0]) put(&t, "written by another version");
}
