/* Scenes of the micro-world and what a detector makes of them.
 *
 * A scene is a ground, a backdrop and things standing, lying or flying in it. The camera is a pinhole over a
 * plane: a thing at depth z is drawn 1 / (1 + 1.6 z) as large as at z = 0 and its foot moves up to the
 * horizon by the same factor, so box, size word and relations agree. Relations are read off the boxes and
 * depths alone. */
#ifndef UN_IO_SYNTH_WORLD_H
#define UN_IO_SYNTH_WORLD_H

#include "io/synth/class.h"
#include "io/synth/draw.h"

enum {
    UN_SYNTH_MAX_THINGS = 16,
    UN_SYNTH_MAX_OBJECTS = UN_SYNTH_MAX_THINGS + 2, /* ground and backdrop come first */
    UN_SYNTH_MAX_CLUTTER = 64,
    UN_SYNTH_MAX_REGIONS = 2 * UN_SYNTH_MAX_OBJECTS + UN_SYNTH_MAX_CLUTTER /* 100 */
};
enum { UN_SYNTH_THE_GROUND = 0, UN_SYNTH_THE_BACKDROP = 1, UN_SYNTH_FIRST_THING = 2 };

struct un_synth_box {
    float x1, y1, x2, y2; /* of the canvas, 0..1 */
};
struct un_synth_object {
    int class_, colour, size, state; /* colour, state: -1 none */
    int on;                          /* object that carries it, -1: none */
    int twin;                        /* the other of a pair alike in all but place, -1: none */
    float depth;
    struct un_synth_box box;
};
/* What the detector reports. Its look is (1 - blend) class + blend lookalike: it errs where blend > 0.5. */
struct un_synth_region {
    int object; /* -1: clutter */
    int id;     /* number before sorting: the noise's counter */
    int class_, lookalike;
    float blend;
    float confidence; /* exactly representable in f16 */
    struct un_synth_box box;
};
struct un_synth_scene {
    struct un_synth_place place;
    float horizon;
    int n_objects, n_regions;
    struct un_synth_object object[UN_SYNTH_MAX_OBJECTS];
    struct un_synth_region region[UN_SYNTH_MAX_REGIONS]; /* by falling confidence */
};

/* How scenes are made; the part of the keys that the world needs. */
struct un_synth_law {
    int min_objects, max_objects; /* things */
    int min_clutter, max_clutter; /* background regions */
    float duplicates;             /* probability that an object is detected twice */
    float faint;                  /* share of the clutter with confidence under 0.2 */
    float noise;
};
void un_synth_scene(struct un_synth_scene *scene, const struct un_synth_law *law,
                    const struct un_synth_place *place);

/* What a scene is wanted to hold: its first things, and its ground. It then has no pair of alike things. */
enum { UN_SYNTH_MAX_WISHED = 12 };
struct un_synth_wish {
    int things;
    struct un_synth_wished {
        int class_, colour; /* colour -1: any of the class */
    } thing[UN_SYNTH_MAX_WISHED];
    int ground; /* a class, 0: any */
};
/* Can all that is wished be in one place? */
bool un_synth_wish_meets(const struct un_synth_wish *wish);
/* The scene of a place that grants the wish, which must meet; no regions yet (detect.h). */
void un_synth_scene_as_wished(struct un_synth_scene *scene, const struct un_synth_law *law,
                              const struct un_synth_place *place, const struct un_synth_wish *wish);

enum un_synth_relation {
    UN_SYNTH_ON,
    UN_SYNTH_IN_FRONT_OF,
    UN_SYNTH_BEHIND,
    UN_SYNTH_ABOVE,
    UN_SYNTH_BELOW,
    UN_SYNTH_NEXT_TO,
    UN_SYNTH_LEFT_OF,
    UN_SYNTH_RIGHT_OF,
    UN_SYNTH_RELATIONS
};
/* Does "a RELATION b" hold between two things? Margins are wide enough to survive the detector's jitter. */
bool un_synth_holds(const struct un_synth_scene *scene, enum un_synth_relation relation, int a, int b);

#endif
