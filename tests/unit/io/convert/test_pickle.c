/* Pickles of plain data in all protocols, and what must be refused. */
#include "io/convert/format/pickle.h"
#include "runtime/memory.h"
#include "tests/support/expect.h"
#include "tests/unit/io/convert/text_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* The value as text: [..] list, (..) tuple, {k:v} dict. */
static void say(const struct un_pickle_value *v, char *out) {
    static const char *const ends[] = {"[]", "()", "{}"};
    char *end = out + strlen(out);
    switch (v->kind) {
    case UN_PICKLE_NONE: strcpy(end, "None"); return;
    case UN_PICKLE_BOOL: strcpy(end, v->is.number ? "True" : "False"); return;
    case UN_PICKLE_INT: sprintf(end, "%lld", (long long)v->is.number); return;
    case UN_PICKLE_FLOAT: sprintf(end, "%.17g", v->is.real); return;
    case UN_PICKLE_TEXT:
        assert_int_equal(strlen(v->is.text), v->n);
        sprintf(end, "'%s'", v->is.text);
        return;
    default: break;
    }
    sprintf(end, "%c", ends[v->kind - UN_PICKLE_LIST][0]);
    for (uint32_t i = 0; i < v->n * (v->kind == UN_PICKLE_DICT ? 2 : 1); ++i) {
        if (i) strcat(out, v->kind == UN_PICKLE_DICT && i % 2 ? ":" : ",");
        say(v->is.item[i], out);
    }
    sprintf(out + strlen(out), "%c", ends[v->kind - UN_PICKLE_LIST][1]);
}

static void reads(const char *bytes, size_t n, const char *want) {
    struct un_pickle *p;
    char said[1024] = "";
    expect_ok(un_pickle_parse(&p, "made", bytes, n));
    say(un_pickle_top(p), said);
    assert_string_equal(said, want);
    un_pickle_close(p);
}
#define READS(bytes, want) reads(bytes, sizeof(bytes) - 1, want)

/* {"a": [1, -2, 70000, 1 << 40], "b": (), "c": (True, None, 0.5), "d": "\u00e9x"} by CPython's pickle.dumps,
 * each protocol's way. */
static void test_protocols(void **state) {
    static const char want[] = "{'a':[1,-2,70000,1099511627776],'b':(),'c':(True,None,0.5),'d':'\xc3\xa9x'}";
    (void)state;
    READS("(dp0\nVa\np1\n(lp2\nI1\naI-2\naI70000\naL1099511627776L\nasVb\np3\n(tsVc\np4\n(I01\nNF0."
          "5\ntp5\nsVd\np6"
          "\nV\xe9x\np7\ns.",
          want);
    READS("}q\x00(X\x01\x00\x00\x00"
          "aq\x01]q\x02(K\x01J\xfe\xff\xff\xffJp\x11\x01\x00L1099511627776L\neX\x01\x00\x00\x00"
          "bq\x03)X\x01\x00\x00\x00"
          "cq\x04(I01\nNG\x3f\xe0\x00\x00\x00\x00\x00\x00tq\x05X\x01\x00\x00\x00"
          "dq\x06X\x03\x00\x00\x00\xc3\xa9xq\x07u.",
          want);
    READS("\x80\x02}q\x00(X\x01\x00\x00\x00"
          "aq\x01]q\x02(K\x01J\xfe\xff\xff\xffJp\x11\x01\x00\x8a\x06\x00\x00\x00\x00\x00\x01"
          "eX\x01\x00\x00\x00"
          "bq\x03)X\x01\x00\x00\x00"
          "cq\x04\x88NG\x3f\xe0\x00\x00\x00\x00\x00\x00\x87q\x05X\x01\x00\x00\x00"
          "dq\x06X\x03\x00\x00\x00\xc3\xa9xq\x07u.",
          want);
    READS("\x80\x04\x95\x41\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\x01"
          "a\x94]\x94(K\x01J\xfe\xff\xff\xffJp\x11\x01\x00\x8a\x06\x00\x00\x00\x00\x00\x01"
          "e\x8c\x01"
          "b\x94)\x8c\x01"
          "c\x94\x88NG\x3f\xe0\x00\x00\x00\x00\x00\x00\x87\x94\x8c\x01"
          "d\x94\x8c\x03\xc3\xa9x\x94u.",
          want);
}

static void test_values(void **state) {
    (void)state;
    READS("(S'a\\x41\\'\\n\\\\'\nS\"q'\"\nU\x01zT\x02\x00\x00\x00xyC\x01wB\x01\x00\x00\x00vt.",
          "('aA'\n\\','q'','z','xy','w','v')");
    READS("(V\\u00e9\\U0001F600\\x\nVa\\\\\nt.", "('\xc3\xa9\xf0\x9f\x98\x80\\x','a\\\\')");
    READS("(I00\nI01\nI0\nL5\nL-9223372036854775808L\nL9223372036854775807L\nM\x01\x02K\xff\x89t.",
          "(False,True,0,5,-9223372036854775808,9223372036854775807,513,255,False)");
    READS("(\x8a\x00\x8a\x01\xff\x8a\x02\x80\x00\x8b\x01\x00\x00\x00\x7f\x8a\x08\x00\x00\x00\x00\x00\x00\x00"
          "\x80t.",
          "(0,-1,128,127,-9223372036854775808)");
    READS("(F-1e3\nF0.25\nt.", "(-1000,0.25)");
    READS("\x8d\x01\x00\x00\x00\x00\x00\x00\x00x.", "'x'");
    READS("K\x01K\x02\x86\x85.", "((1,2))");
    READS("((lp0\nI1\nag0\nI2\nt.", "([1],[1],2)"); /* one list at two places */
    READS("]r\x00\x00\x00\x00(]\x94(K\x01K\x02"
          "ej\x01\x00\x00\x00"
          "e.",
          "[[1,2],[1,2]]");
    READS("}(K\x01K\x02K\x01K\x03u.", "{1:2,1:3}"); /* pairs stay as they stand */
}

static void test_members(void **state) {
    static const char bytes[] = "}(U\x01xK\x01U\x01yK\x02U\x01xK\x03K\x07Nu.";
    struct un_pickle *p;
    bool twice;
    (void)state;
    expect_ok(un_pickle_parse(&p, "made", bytes, sizeof bytes - 1));
    const struct un_pickle_value *top = un_pickle_top(p), *x = un_pickle_member(top, "x", &twice);
    assert_int_equal(x->is.number, 3);
    assert_true(twice);
    assert_int_equal(un_pickle_member(top, "y", &twice)->is.number, 2);
    assert_false(twice);
    assert_null(un_pickle_member(top, "z", &twice));
    assert_null(un_pickle_member(x, "y", &twice));
    un_pickle_close(p);
}

static enum un_status parse(const char *bytes, size_t n) {
    struct un_pickle *p;
    enum un_status status = un_pickle_parse(&p, "bad.p", bytes, n);
    un_pickle_close(p);
    return status;
}

/* Every opcode that could name, call or build something, where it stands in such a file. */
static void test_hostile(void **state) {
    static const struct {
        char op;
        const char *name;
    } refused[] = {{'c', "GLOBAL"},
                   {'R', "REDUCE"},
                   {'b', "BUILD"},
                   {'i', "INST"},
                   {'o', "OBJ"},
                   {'\x81', "NEWOBJ"},
                   {'\x92', "NEWOBJ_EX"},
                   {'\x93', "STACK_GLOBAL"},
                   {'\x82', "EXT1"},
                   {'\x83', "EXT2"},
                   {'\x84', "EXT4"},
                   {'P', "PERSID"},
                   {'Q', "BINPERSID"},
                   {'\x8f', "EMPTY_SET"},
                   {'\x90', "ADDITEMS"},
                   {'\x91', "FROZENSET"},
                   {'\x96', "BYTEARRAY8"},
                   {'\x97', "NEXT_BUFFER"},
                   {'\x98', "READONLY_BUFFER"},
                   {'0', "POP"},
                   {'1', "POP_MARK"},
                   {'2', "DUP"}};
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; ++i) {
        const char bytes[] = {'(', 'K', 1, refused[i].op, 'o', 's', '\n', 'x', '\n', '.'};
        expect_error(parse(bytes, sizeof bytes), UN_DATA, "bad.p", "byte 3", refused[i].name, "refused");
    }
    expect_error(parse("cos\nsystem\n(S'echo'\ntR.", 23), UN_DATA, "byte 0", "GLOBAL");
    expect_error(parse("\x07", 1), UN_DATA, "byte 0", "0x07 is no opcode");
}

static void test_broken(void **state) {
    static const struct {
        const char *bytes;
        size_t n;
        const char *word;
    } bad[] = {
#define BAD(bytes, word) {bytes, sizeof(bytes) - 1, word}
        BAD("", "empty"),
        BAD("(", "cut short"),
        BAD("K", "cut short"),
        BAD("J\x01\x02\x03", "cut short"),
        BAD("X\xff\xff\xff\xff"
            "ab.",
            "cut short"),
        BAD("\x8d\xff\xff\xff\xff\xff\xff\xff\xffx.", "cut short"),
        BAD("Vabc", "cut short"),
        BAD("\x95\xff\x00\x00\x00\x00\x00\x00\x00N.", "cut short"),
        BAD("N", "no STOP"),
        BAD(".", "not one value"),
        BAD("NN.", "not one value"),
        BAD("(.", "not one value"),
        BAD("N.N", "follows STOP"),
        BAD("\x80\x09N.", "protocol"),
        BAD("t.", "no mark"),
        BAD("(e.", "too few"),
        BAD("Na.", "too few"),
        BAD("NNa.", "no list"),
        BAD("]NNs.", "no dict"),
        BAD("}(Nu.", "without its value"),
        BAD("(Nd.", "without its value"),
        BAD("(\x85.", "too few"),
        BAD("g0\n.", "nothing has"),
        BAD("h\x07.", "nothing has"),
        BAD("gx\n.", "no memo's number"),
        BAD("g\n.", "no memo's number"),
        BAD("p0\n.", "too few"),
        BAD("Np99999\n.", "beyond the file"),
        BAD("I\n.", "no number"),
        BAD("I1x\n.", "no whole number"),
        BAD("I9223372036854775808\n.", "beyond 64 bits"),
        BAD("L99999999999999999999L\n.", "beyond 64 bits"),
        BAD("\x8a\x09"
            "123456789.",
            "beyond 64 bits"),
        BAD("Fx\n.", "no number"),
        BAD("S'a\n.", "quotes"),
        BAD("S'\\q'\n.", "escape"),
        BAD("S'\\x4'\n.", "escape"),
        BAD("V\\ud800\n.", "no character"),
        BAD("V\\u12\n.", "no character"),
        BAD("]p0\ng0\na.", "after it was used"),
        BAD("]p0\n(g0\nla.", "after it was used"),           /* [[itself]] */
        BAD("]p0\n}p1\n(g0\ng1\nus.", "after it was used"),  /* a dict within itself */
        BAD("(]p0\n]p1\nag1\ng0\nal.", "after it was used"), /* a circle of two */
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; ++i)
        expect_error(parse(bad[i].bytes, bad[i].n), UN_DATA, "bad.p", bad[i].word);
    char deep[80];
    memset(deep, ']', 40);
    memset(deep + 40, 'a', 39);
    deep[79] = '.';
    expect_error(parse(deep, sizeof deep), UN_DATA, "deeper than 32", "byte");
}

/* Cut at every byte: always an error. */
static void test_cut(void **state) {
    static const char whole[] = "\x80\x04\x95\x16\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\x01"
                                "a\x94]\x94(K\x01K\x02"
                                "e\x8c\x01"
                                "b\x94K\x03u.";
    struct un_pickle *p;
    (void)state;
    expect_ok(un_pickle_parse(&p, "whole", whole, sizeof whole - 1));
    un_pickle_close(p);
    for (size_t n = 0; n + 1 < sizeof whole; ++n) expect_error(parse(whole, n), UN_DATA, "bad.p");
    expect_error(un_pickle_open(&p, scratch("absent.p")), UN_IO, "absent.p");
    expect_ok(un_pickle_open(&p, file_of("a.p", whole, sizeof whole - 1)));
    un_pickle_close(p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_protocols, no_memory_held),
        cmocka_unit_test_teardown(test_values, no_memory_held),
        cmocka_unit_test_teardown(test_members, no_memory_held),
        cmocka_unit_test_teardown(test_hostile, no_memory_held),
        cmocka_unit_test_teardown(test_broken, no_memory_held),
        cmocka_unit_test_teardown(test_cut, no_memory_held),
    };
    return cmocka_run_group_tests(tests, NULL, remove_scratch);
}
