/* The tables of the micro-world. Heights are fractions of the canvas for a medium thing right before the
 * viewer. */
#include "io/synth/class.h"
#include <stddef.h>

enum { RED = 1, BLUE = 2, GREEN = 4, YELLOW = 8, BLACK = 16, WHITE = 32, BROWN = 64, GRAY = 128, ANY = 255 };
enum { PAINT = RED | BLUE | GREEN | YELLOW | BLACK | WHITE, FUR = BLACK | WHITE | BROWN | GRAY };

const char *const un_synth_colours[UN_SYNTH_COLOURS] = {"red",   "blue",  "green", "yellow",
                                                        "black", "white", "brown", "gray"};
const char *const un_synth_states[UN_SYNTH_STATES] = {
    "standing", "sitting", "walking", "sleeping", "parked", "flying", "wooden", "metal",
    "plastic",  "glass",   "old",     "new",      "fresh",  "sliced", "striped"};
const char *const un_synth_hypernyms[UN_SYNTH_KINDS] = {"person",    "animal", "vehicle", "food",
                                                        "furniture", "dish",   "object"};
const char *const un_synth_hypernym_plurals[UN_SYNTH_KINDS] = {"people", "animals", "vehicles", NULL,
                                                               NULL,     "dishes",  "objects"};

#define BIT(state) (1u << UN_SYNTH_##state)
#define UPRIGHT    (BIT(STANDING) | BIT(SITTING) | BIT(WALKING))
#define FOUR_FEET  (BIT(STANDING) | BIT(SITTING) | BIT(SLEEPING) | BIT(WALKING))
#define DRIVEN     (BIT(PARKED) | BIT(OLD) | BIT(NEW))
#define EATEN      (BIT(FRESH) | BIT(SLICED))
#define BUILT      (BIT(WOODEN) | BIT(METAL) | BIT(OLD))
#define SHAPED     (BIT(GLASS) | BIT(PLASTIC) | BIT(METAL))

/* name, plural, rare, colours, states, height, aspect, kind, spot, indoor, outdoor */
const struct un_synth_class un_synth_classes[UN_SYNTH_CLASSES] = {
    {"background", NULL, NULL, 0, 0, 0, 0, UN_SYNTH_BACKDROP, UN_SYNTH_FILLS, false, false},
    {"man", "men", "gentleman", ANY, UPRIGHT, 0.76f, 0.36f, UN_SYNTH_PERSON, UN_SYNTH_STANDS, true, true},
    {"woman", "women", "lady", ANY, UPRIGHT, 0.70f, 0.36f, UN_SYNTH_PERSON, UN_SYNTH_STANDS, true, true},
    {"boy", "boys", "kiddo", ANY, UPRIGHT, 0.52f, 0.40f, UN_SYNTH_PERSON, UN_SYNTH_STANDS, true, true},
    {"girl", "girls", "daughter", ANY, UPRIGHT, 0.48f, 0.40f, UN_SYNTH_PERSON, UN_SYNTH_STANDS, true, true},
    {"dog", "dogs", "puppy", FUR, FOUR_FEET, 0.30f, 1.20f, UN_SYNTH_ANIMAL, UN_SYNTH_STANDS, true, true},
    {"cat", "cats", "kitty", FUR, FOUR_FEET, 0.20f, 1.20f, UN_SYNTH_ANIMAL, UN_SYNTH_SMALL, true, true},
    {"horse", "horses", "pony", FUR, FOUR_FEET, 0.64f, 1.20f, UN_SYNTH_ANIMAL, UN_SYNTH_STANDS, false, true},
    {"cow", "cows", "calf", FUR, FOUR_FEET, 0.56f, 1.40f, UN_SYNTH_ANIMAL, UN_SYNTH_STANDS, false, true},
    {"sheep", "sheep", "lamb", FUR, FOUR_FEET, 0.38f, 1.30f, UN_SYNTH_ANIMAL, UN_SYNTH_STANDS, false, true},
    {"bird", "birds", "birdie", ANY, BIT(FLYING), 0.14f, 1.50f, UN_SYNTH_ANIMAL, UN_SYNTH_FLIES, false, true},
    {"car", "cars", "automobile", PAINT | GRAY, DRIVEN, 0.40f, 2.00f, UN_SYNTH_VEHICLE, UN_SYNTH_STANDS,
     false, true},
    {"bus", "buses", "minibus", PAINT, DRIVEN, 0.68f, 1.70f, UN_SYNTH_VEHICLE, UN_SYNTH_STANDS, false, true},
    {"truck", "trucks", "pickup", PAINT, DRIVEN, 0.62f, 1.60f, UN_SYNTH_VEHICLE, UN_SYNTH_STANDS, false,
     true},
    {"bike", "bikes", "bicycle", PAINT, DRIVEN, 0.42f, 1.50f, UN_SYNTH_VEHICLE, UN_SYNTH_STANDS, false, true},
    {"boat", "boats", "sailboat", PAINT | BROWN, BIT(OLD) | BIT(NEW) | BIT(WOODEN), 0.46f, 1.70f,
     UN_SYNTH_VEHICLE, UN_SYNTH_STANDS, false, true},
    {"plane", "planes", "airplane", PAINT | GRAY, BIT(FLYING), 0.20f, 2.20f, UN_SYNTH_VEHICLE, UN_SYNTH_FLIES,
     false, true},
    {"apple", "apples", NULL, RED | GREEN | YELLOW, EATEN, 0.11f, 1.00f, UN_SYNTH_FOOD, UN_SYNTH_SMALL, true,
     true},
    {"banana", "bananas", NULL, GREEN | YELLOW | BROWN, EATEN, 0.10f, 1.80f, UN_SYNTH_FOOD, UN_SYNTH_SMALL,
     true, true},
    {"cake", "cakes", "cupcake", WHITE | BROWN | YELLOW | RED, EATEN, 0.17f, 1.20f, UN_SYNTH_FOOD,
     UN_SYNTH_SMALL, true, true},
    {"pizza", "pizzas", NULL, RED | YELLOW | WHITE | GREEN, EATEN, 0.10f, 2.20f, UN_SYNTH_FOOD,
     UN_SYNTH_SMALL, true, true},
    {"pepper", "peppers", NULL, RED | GREEN | YELLOW, EATEN, 0.12f, 0.90f, UN_SYNTH_FOOD, UN_SYNTH_SMALL,
     true, true},
    {"table", "tables", "desk", ANY, BUILT, 0.40f, 1.70f, UN_SYNTH_FURNITURE, UN_SYNTH_SUPPORTS, true, true},
    {"chair", "chairs", "armchair", ANY, BUILT, 0.44f, 0.75f, UN_SYNTH_FURNITURE, UN_SYNTH_STANDS, true,
     true},
    {"bench", "benches", NULL, ANY, BUILT, 0.34f, 2.00f, UN_SYNTH_FURNITURE, UN_SYNTH_SUPPORTS, true, true},
    {"sofa", "sofas", "couch", ANY, BIT(OLD) | BIT(NEW) | BIT(STRIPED), 0.42f, 1.90f, UN_SYNTH_FURNITURE,
     UN_SYNTH_SUPPORTS, true, false},
    {"bed", "beds", NULL, ANY, BIT(OLD) | BIT(NEW) | BIT(STRIPED), 0.40f, 1.90f, UN_SYNTH_FURNITURE,
     UN_SYNTH_SUPPORTS, true, false},
    {"cup", "cups", "teacup", ANY, SHAPED, 0.11f, 0.90f, UN_SYNTH_WARE, UN_SYNTH_SMALL, true, true},
    {"bottle", "bottles", NULL, ANY, SHAPED, 0.22f, 0.36f, UN_SYNTH_WARE, UN_SYNTH_SMALL, true, true},
    {"bowl", "bowls", NULL, ANY, SHAPED, 0.12f, 1.60f, UN_SYNTH_WARE, UN_SYNTH_SMALL, true, true},
    {"ball", "balls", "football", ANY, BIT(OLD) | BIT(NEW) | BIT(STRIPED), 0.14f, 1.00f, UN_SYNTH_THING,
     UN_SYNTH_SMALL, true, true},
    {"kite", "kites", NULL, ANY, BIT(FLYING), 0.20f, 1.00f, UN_SYNTH_THING, UN_SYNTH_FLIES, false, true},
    {"umbrella", "umbrellas", "parasol", ANY, BIT(OLD) | BIT(NEW) | BIT(STRIPED), 0.34f, 1.20f,
     UN_SYNTH_THING, UN_SYNTH_STANDS, true, true},
    {"book", "books", "notebook", ANY, BIT(OLD) | BIT(NEW), 0.10f, 1.40f, UN_SYNTH_THING, UN_SYNTH_SMALL,
     true, true},
    {"bag", "bags", "handbag", ANY, BIT(OLD) | BIT(NEW) | BIT(STRIPED), 0.22f, 0.90f, UN_SYNTH_THING,
     UN_SYNTH_SMALL, true, true},
    {"clock", "clocks", NULL, ANY, BIT(WOODEN) | BIT(METAL) | BIT(PLASTIC), 0.18f, 1.00f, UN_SYNTH_THING,
     UN_SYNTH_SMALL, true, true},
    {"grass", NULL, NULL, 0, 0, 0, 0, UN_SYNTH_GROUND, UN_SYNTH_FILLS, false, true},
    {"sand", NULL, NULL, 0, 0, 0, 0, UN_SYNTH_GROUND, UN_SYNTH_FILLS, false, true},
    {"snow", NULL, NULL, 0, 0, 0, 0, UN_SYNTH_GROUND, UN_SYNTH_FILLS, false, true},
    {"road", NULL, NULL, 0, 0, 0, 0, UN_SYNTH_GROUND, UN_SYNTH_FILLS, false, true},
    {"floor", NULL, NULL, 0, 0, 0, 0, UN_SYNTH_GROUND, UN_SYNTH_FILLS, true, false},
    {"carpet", NULL, NULL, 0, 0, 0, 0, UN_SYNTH_GROUND, UN_SYNTH_FILLS, true, false},
    {"sky", NULL, NULL, 0, 0, 0, 0, UN_SYNTH_BACKDROP, UN_SYNTH_FILLS, false, true},
    {"trees", NULL, NULL, 0, 0, 0, 0, UN_SYNTH_BACKDROP, UN_SYNTH_FILLS, false, true},
    {"buildings", NULL, NULL, 0, 0, 0, 0, UN_SYNTH_BACKDROP, UN_SYNTH_FILLS, false, true},
    {"wall", NULL, NULL, 0, 0, 0, 0, UN_SYNTH_BACKDROP, UN_SYNTH_FILLS, true, false},
};
