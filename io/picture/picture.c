/* Which kind of file a picture becomes. */
#include "io/picture/private.h"

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
