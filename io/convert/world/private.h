/* What the files of this wing share: the captions in memory, their scenes, the regions of a scene. */
#ifndef UN_IO_CONVERT_WORLD_PRIVATE_H
#define UN_IO_CONVERT_WORLD_PRIVATE_H

#include "io/convert/image/source.h"
#include "io/convert/token/wordpiece.h"
#include "io/convert/world/match.h"
#include "io/convert/world/world.h"
#include "io/synth/draw.h"

enum {
    UN_SCENE_OBJECTS = 64, /* named, at most; more are left out and counted */
    UN_SCENE_DISTRACTORS = 32,
    UN_SCENE_CLUTTER = 64,
    UN_SCENE_REGIONS = 2 * (UN_SCENE_OBJECTS + UN_SCENE_DISTRACTORS) + UN_SCENE_CLUTTER
};

struct un_scene_object {
    int class_, attributes, attribute[UN_MENTION_ATTRIBUTES];
};

/* Of one caption: which bytes speak of which objects of its scene. */
struct un_said {
    struct un_mention mention;
    uint64_t objects; /* set of the scene's objects; 0: all of its class */
};

struct un_captions_text {
    char *sentence; /* [bytes], in the pool */
    const char *image_id, *text_id;
    int32_t bytes;
    int64_t line; /* of the file, from 1 */
    int64_t scene;
    int64_t said, saids; /* first and number in said[] */
};
struct un_captions_scene {
    int64_t text, texts;     /* in by_scene[] */
    int64_t object, objects; /* in object[] */
    bool valid;              /* of the validation files */
};
struct un_captions_counts {
    int64_t lines, empty, long_bytes, long_tokens, unnamed, crowded, torn;
};

/* All captions of a run. */
struct un_captions_world {
    const struct un_captions_keys *keys;
    struct un_names *classes, *attributes; /* attributes NULL: none */
    struct un_wordpiece *wordpiece;
    int64_t img_label_dim;

    struct un_captions_text *text; /* [texts], in the file's order */
    int64_t texts, text_room;
    char **pool; /* [pools] blocks of sentences and ids */
    int64_t pools, pool_used;
    struct un_said *said;
    int64_t saids, said_room;
    struct un_captions_scene *scene; /* [scenes], by their first caption */
    int64_t scenes;
    int64_t *by_scene; /* [texts] numbers of texts, scene by scene */
    struct un_scene_object *object;
    int64_t objects, object_room;
    int64_t *seen; /* [classes + 1] mentions of each class */
    struct un_captions_counts counts;
    uint64_t digest; /* of everything that shapes the data */
};

/* Reads keys->captions: lines, lines with an image id, or a *.txt.h5. */
enum un_status un_captions_read(struct un_captions_world *w);
/* Copies into the pool, NUL-terminated. */
enum un_status un_captions_keep(struct un_captions_world *w, const char *bytes, size_t n, char **kept);
/* Takes one caption; empty and too long ones are counted only. */
enum un_status un_captions_take(struct un_captions_world *w, const char *image_id, const char *text_id,
                                const char *sentence, size_t bytes, int64_t line);
/* Texts into scenes, mentions, objects. Texts of scenes that show nothing are counted and left out. */
enum un_status un_captions_build(struct un_captions_world *w);
/* Which scenes are for validation: the share keys->valid of them, by a hash of seed and image id. */
enum un_status un_captions_split(struct un_captions_world *w);
void un_captions_world_close(struct un_captions_world *w);

/* ---- regions ---- */
struct un_scene_region {
    int object; /* of the scene; past the named ones: a distractor; -1: clutter */
    int id;     /* number before sorting: the noise's counter */
    int class_, lookalike;
    float blend, confidence;
    float box[6];
};
struct un_scene_view {
    struct un_synth_place place;
    int named, objects; /* named ones first */
    struct un_scene_object object[UN_SCENE_OBJECTS + UN_SCENE_DISTRACTORS];
    int regions;
    struct un_scene_region region[UN_SCENE_REGIONS]; /* by falling confidence */
};
void un_captions_view(const struct un_captions_world *w, int64_t scene, struct un_scene_view *view);

/* The scenes of one split as a source of images. The world outlives it. */
enum un_status un_captions_source(struct un_image_source **source, const struct un_captions_world *w,
                                  bool valid);
/* The texts of one split. */
enum un_status un_captions_write_texts(const struct un_captions_world *w, bool valid, const char *path,
                                       int64_t *texts, int64_t *tokens);
/* Word pieces of a text, and for each mention of it [first, after) of its name and of each attribute said.
 * false: a span is not cut where word pieces end; then nothing can be aligned. */
struct un_piece_range {
    int32_t first, after;
};
struct un_piece_ranges {
    struct un_piece_range name, said[UN_MENTION_ATTRIBUTES];
};
enum { UN_CAPTION_PIECES = UN_CAPTION_BYTES };
bool un_captions_pieces(const struct un_wordpiece *wordpiece, const char *sentence, int32_t bytes,
                        const struct un_said *said, int64_t saids, int32_t *token, int64_t *tokens,
                        struct un_piece_ranges *ranges);

#endif
