/* Turning and mirroring by the EXIF orientation. Each is a walk over the stored pixels with a start and two steps,
 * done in tiles, so that a column of a large photo does not miss the cache at every pixel. */
#include "io/convert/pixels/private.h"

enum { TILE = 64, CHANNELS = 3 };

/* Which stored side the upright rows run along, and from which end. */
struct turn {
    bool swapped; /* upright rows are stored columns */
    bool right;   /* begins at the last stored column */
    bool bottom;  /* begins at the last stored row */
};

static struct turn turn_of(int orientation) {
    static const struct turn turns[] = {{false, false, false}, {false, true, false}, {false, true, true},
                                        {false, false, true},  {true, false, false}, {true, false, true},
                                        {true, true, true},    {true, true, false}};
    return turns[orientation - 1];
}

struct walk {
    int64_t first, row,
        column; /* bytes: of the upright corner, from an upright row to the next, from a column to the next */
};

static struct walk walk_of(const struct un_pixels *p, struct turn turn) {
    int64_t row = p->width * CHANNELS, down = turn.bottom ? -row : row,
            along = turn.right ? -CHANNELS : CHANNELS;
    int64_t first = (turn.bottom ? (p->height - 1) * row : 0) + (turn.right ? row - CHANNELS : 0);
    return (struct walk){first, turn.swapped ? along : down, turn.swapped ? down : along};
}

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static void copy_tile(uint8_t *out, const uint8_t *in, const struct walk *walk, int64_t height, int64_t width,
                      int64_t y0, int64_t x0) {
    int64_t y1 = least(y0 + TILE, height), x1 = least(x0 + TILE, width);
    for (int64_t y = y0; y < y1; ++y) {
        int64_t from = walk->first + y * walk->row + x0 * walk->column, to = (y * width + x0) * CHANNELS;
        for (int64_t x = x0; x < x1; ++x, from += walk->column, to += CHANNELS)
            out[to] = in[from], out[to + 1] = in[from + 1], out[to + 2] = in[from + 2];
    }
}

static void swap(struct un_pixels *p) {
    uint8_t *memory = p->bgr;
    size_t capacity = p->capacity;
    p->bgr = p->turned, p->capacity = p->turned_capacity;
    p->turned = memory, p->turned_capacity = capacity;
}

enum un_status un_pixels_turn(struct un_pixels *p) {
    if (p->orientation <= 1) return UN_OK;
    struct turn turn = turn_of(p->orientation);
    int64_t height = turn.swapped ? p->width : p->height, width = turn.swapped ? p->height : p->width;
    UN_TRY(un_pixels_grow(&p->turned, &p->turned_capacity, (size_t)(height * width * CHANNELS),
                          "a photo turned upright"));
    struct walk walk = walk_of(p, turn);
    for (int64_t y = 0; y < height; y += TILE)
        for (int64_t x = 0; x < width; x += TILE) copy_tile(p->turned, p->bgr, &walk, height, width, y, x);
    swap(p);
    p->height = height, p->width = width;
    return UN_OK;
}
