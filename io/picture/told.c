/* What is told of a picture in words (picture.h). */
#include "io/picture/picture.h"

#include "io/disk/text.h"

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
