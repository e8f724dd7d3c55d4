/* What the micro-world is made of: classes in kinds, colours, sizes, states; their words.
 * Class ids are the columns of soft_label: 0 is the background, 1 .. UN_SYNTH_CLASSES-1 the table's rows. */
#ifndef UN_IO_SYNTH_CLASS_H
#define UN_IO_SYNTH_CLASS_H

#include <stdbool.h>
#include <stdint.h>

enum un_synth_kind {
    UN_SYNTH_PERSON,
    UN_SYNTH_ANIMAL,
    UN_SYNTH_VEHICLE,
    UN_SYNTH_FOOD,
    UN_SYNTH_FURNITURE,
    UN_SYNTH_WARE,
    UN_SYNTH_THING,
    UN_SYNTH_GROUND,
    UN_SYNTH_BACKDROP,
    UN_SYNTH_KINDS
};
/* Where an object of the class may be. */
enum un_synth_spot {
    UN_SYNTH_STANDS,   /* on the ground */
    UN_SYNTH_SMALL,    /* on the ground or on a support */
    UN_SYNTH_SUPPORTS, /* on the ground; carries small things */
    UN_SYNTH_FLIES,    /* above the horizon, outdoors only */
    UN_SYNTH_FILLS     /* ground and backdrop */
};
enum { UN_SYNTH_CLASSES = 46, UN_SYNTH_COLOURS = 8, UN_SYNTH_SIZES = 3 };
enum un_synth_size { UN_SYNTH_LITTLE, UN_SYNTH_MEDIUM, UN_SYNTH_LARGE };
enum un_synth_state {
    UN_SYNTH_STANDING,
    UN_SYNTH_SITTING,
    UN_SYNTH_WALKING,
    UN_SYNTH_SLEEPING,
    UN_SYNTH_PARKED,
    UN_SYNTH_FLYING, /* the last one said with "is" */
    UN_SYNTH_WOODEN, /* from here to glass: what it is made of */
    UN_SYNTH_METAL,
    UN_SYNTH_PLASTIC,
    UN_SYNTH_GLASS,
    UN_SYNTH_OLD,
    UN_SYNTH_NEW,
    UN_SYNTH_FRESH,
    UN_SYNTH_SLICED,
    UN_SYNTH_STRIPED,
    UN_SYNTH_STATES
};

struct un_synth_class {
    const char *name, *plural;
    const char *rare; /* sbu's word for it, split into word pieces; NULL: none */
    uint32_t colours; /* set of colours, bit = index; 0: colourless */
    uint32_t states;  /* set of states; 0: none */
    float height;     /* of the canvas, medium size, nearest */
    float aspect;     /* width / height of the thing itself */
    enum un_synth_kind kind;
    enum un_synth_spot spot;
    bool indoor, outdoor;
};

extern const struct un_synth_class un_synth_classes[UN_SYNTH_CLASSES];
extern const char *const un_synth_colours[UN_SYNTH_COLOURS];
extern const char *const un_synth_states[UN_SYNTH_STATES];
/* The word that covers a whole kind; NULL where captions never use one. */
extern const char *const un_synth_hypernyms[UN_SYNTH_KINDS];
extern const char *const un_synth_hypernym_plurals[UN_SYNTH_KINDS];

static inline bool un_synth_state_is_stuff(int state) {
    return state >= UN_SYNTH_WOODEN && state <= UN_SYNTH_GLASS;
}
static inline bool un_synth_state_is_verb(int state) {
    return state >= 0 && state <= UN_SYNTH_FLYING;
}

#endif
