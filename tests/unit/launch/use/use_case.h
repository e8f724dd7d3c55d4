/* A small world and drawn weights for it, for tests of a network at work. */
#ifndef UN_TESTS_UNIT_LAUNCH_USE_USE_CASE_H
#define UN_TESTS_UNIT_LAUNCH_USE_USE_CASE_H

#include "launch/use/keys.h"
#include "tests/support/world.h"

enum { USE_IMAGES = 9, USE_WIDTH = 8 };

/* Made by use_open, a group's setup; taken down by use_close. */
extern struct world use_world;
extern char use_weights[256];
int use_open(void **state);
int use_close(void **state);
/* On the CPU, with one thread, of the whole world. */
struct un_use_keys use_keys(void);

#endif
