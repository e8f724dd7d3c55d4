/* Which kind of file a picture becomes, and what is told of it in words. */
#include "io/picture/private.h"

#include <string.h>

static enum un_paper_kind kind_of(const char *path) {
    static const char *const ends[] = {".svg", ".png", ".pdf", ".json"};
    for (int i = 0; i < 4; ++i)
        if (un_ends(path, ends[i])) return (enum un_paper_kind)i;
    return UN_PAPER_KINDS;
}

enum un_status un_picture_check_path(const char *path) {
    if (kind_of(path) != UN_PAPER_KINDS) return UN_OK;
    return un_fail(UN_USAGE, "%s: a picture ends with .svg, .png or .pdf, its numbers with .json", path);
}

enum un_status un_picture_write(const struct un_picture *picture, const char *path) {
    enum un_paper_kind kind = kind_of(path);
    UN_TRY(un_picture_check_path(path));
    if (kind != UN_PAPER_JSON) return un_paper_write(picture, path, kind);
    struct un_text_out out = {0};
    un_picture_json(&out, picture);
    return un_text_write(&out, path);
}

int64_t un_picture_best(const struct un_picture *p, const struct un_picture_plan *plan, int64_t word) {
    const double *mass = plan->mass + word * p->regions;
    int64_t best = 0;
    for (int64_t r = 1; r < p->regions; ++r)
        if (mass[r] > mass[best]) best = r;
    return best;
}

void un_picture_sentence(struct un_text_out *out, const struct un_picture *p) {
    un_text_put(out, "%s", ""); /* so that there is a text */
    for (int64_t w = 1; w + 1 < p->words; ++w) {
        const char *name = p->word[w].name;
        bool joined = un_begins(name, "##");
        if (w > 1 && !joined) un_text_put(out, " ");
        if (name[0])
            un_text_put(out, "%s", joined ? name + 2 : name);
        else
            un_text_put(out, "#%lld", (long long)p->word[w].id);
    }
}
