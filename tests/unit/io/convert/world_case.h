/* Names and pieces that the tests of the world from captions speak of. */
#ifndef UN_TESTS_UNIT_IO_CONVERT_WORLD_CASE_H
#define UN_TESTS_UNIT_IO_CONVERT_WORLD_CASE_H

#include "io/convert/world/private.h"
#include "io/disk/files.h"
#include "runtime/memory.h"
#include "tests/support/expect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const char classes_text[] =
    "dog\ntraffic light\nlight\ntennis racket,tennis racquet\nman\nknife\nbus\n"
    "giraffe\ngiraffes\nbrick\nbuilding\nchild\nt-shirt,tee\nbookshelf\ncity\n"
    "pitcher's mound\ncaf\xc3\xa9\npotato\nsheep\npolice car\nperson\nroof\n"
    "orange\nhuman\nbox";
static const char attributes_text[] =
    "red\nlarge,big\nbrown\nwhite\nbrick\norange\nblack and white\nlong sleeve,long-sleeved\nold";
static const char vocab_text[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\ntwo\nred\ndog\n##"
                                 "s\ntraffic\nlight\nlights\n.\n,\nand\nbig\nt\n-\n"
                                 "shirt\ncafe\non\nthe\nbr\n##ick\nbus\nblack\nwhite\nold\nnear\n";

static inline struct un_names *names(const char *text, bool plurals) {
    struct un_names *n;
    expect_ok(un_names_parse(&n, "names.txt", text, strlen(text), plurals));
    return n;
}

#endif
