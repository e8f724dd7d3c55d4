/* make_photos FOLDER N SEED [broken=K] [least=24] [most=96]: N small photos of mixed forms and orientations, K of them
 * broken in different ways, and a line on each:
 *
 *     NAME TAB good|broken TAB width TAB height (upright) TAB form, or the way it is broken TAB orientation
 *
 * The same words make the same files. */
#include "runtime/rng.h"
#include "tests/support/made_photos.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct wish {
    const char *folder;
    long n, seed, broken, least, most;
};

static long number(const char *text, long low) {
    char *end;
    long value = strtol(text, &end, 10);
    if (*text == '\0' || *end != '\0' || value < low || value > 100000000) {
        fprintf(stderr, "make_photos: '%s' is not a number from %ld on\n", text, low);
        exit(64);
    }
    return value;
}

static struct wish read_words(int argc, char **argv) {
    if (argc < 4) {
        fprintf(stderr, "make_photos FOLDER N SEED [broken=K] [least=24] [most=96]\n");
        exit(64);
    }
    struct wish w = {argv[1], number(argv[2], 1), number(argv[3], 0), 0, 24, 96};
    for (int i = 4; i < argc; ++i) {
        if (strncmp(argv[i], "broken=", 7) == 0)
            w.broken = number(argv[i] + 7, 0);
        else if (strncmp(argv[i], "least=", 6) == 0)
            w.least = number(argv[i] + 6, 1);
        else if (strncmp(argv[i], "most=", 5) == 0)
            w.most = number(argv[i] + 5, 1);
        else
            argc = 0;
    }
    if (argc == 0 || w.broken > w.n || w.least > w.most) {
        fprintf(stderr, "make_photos: no such words\n");
        exit(64);
    }
    return w;
}

static struct made_photo draw(const struct wish *w, long i) {
    struct un_rng4 r = un_rng((uint64_t)w->seed, UN_RNG_TEST, 3, 0, (uint32_t)i, 0),
                   s = un_rng((uint64_t)w->seed, UN_RNG_TEST, 3, 0, (uint32_t)i, 1);
    uint32_t span = (uint32_t)(w->most - w->least + 1);
    struct made_photo photo = {.form = (enum made_form)((i + w->seed) % MADE_FORMS),
                               .width = w->least + un_rng_below(r.v[0], span),
                               .height = w->least + un_rng_below(r.v[1], span),
                               .seed = (uint64_t)w->seed * 1000003u + (uint64_t)i,
                               .orientation = (int)un_rng_below(r.v[2], 9),
                               .exif_big = r.v[3] & 1,
                               .quality = 80 + (int)un_rng_below(s.v[0], 21),
                               .interlaced = s.v[1] & 1,
                               .transparent = s.v[2] & 1};
    return photo;
}

static void make(const struct wish *w, long i) {
    char name[64], path[4096];
    struct made_photo photo = draw(w, i);
    long before = i * w->broken / w->n, after = (i + 1) * w->broken / w->n;
    bool broken = after > before, lying = photo.orientation >= 5;
    enum made_break way = (enum made_break)(before % MADE_BREAKS);
    struct made_file file = made_photo(&photo);
    if (broken) made_broken(&file, way);
    snprintf(name, sizeof name, "photo_%06ld.%s", i, made_form_ending(photo.form));
    if (snprintf(path, sizeof path, "%s/%s", w->folder, name) >= (int)sizeof path) exit(64);
    made_write(path, &file);
    free(file.bytes);
    printf("%s\t%s\t%lld\t%lld\t%s\t%d\n", name, broken ? "broken" : "good",
           (long long)(lying ? photo.height : photo.width), (long long)(lying ? photo.width : photo.height),
           broken ? made_break_name(way) : made_form_name(photo.form), photo.orientation);
}

int main(int argc, char **argv) {
    struct wish w = read_words(argc, argv);
    mkdir(w.folder, 0777); /* there already: fine; else the first file says what is wrong */
    for (long i = 0; i < w.n; ++i) make(&w, i);
    return 0;
}
