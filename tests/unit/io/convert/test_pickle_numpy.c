/* NumPy's arrays in pickles: what NumPy writes is read, any other name or form is refused. */
#include "io/convert/format/pickle.h"
#include "tests/support/expect.h"
#include "tests/unit/io/convert/text_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Pieces of what numpy.save writes (NumPy 1.24, protocol 3). */
#define CORE    "cnumpy.core.multiarray\n"
#define NDARRAY "cnumpy\nndarray\n"
#define NEW                                                                                                  \
    CORE "_reconstruct\n" NDARRAY "K\0\x85"                                                                  \
         "C\1b"                                                                                              \
         "\x87R"
#define ORDER(o)     "(K\3X\1\0\0\0" o "NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb"
#define BARE_TYPE(t) "cnumpy\ndtype\nX\2\0\0\0" t "\x89\x88\x87R"
#define TYPE(t, o)   BARE_TYPE(t) ORDER(o)
#define FLOATS       "C\x08\0\0\x80?\0\0\0@" /* 1, 2 */
#define ARRAY        NEW "(K\1K\1K\2\x86" TYPE("f4", "<") "\x89" FLOATS "tb"
/* The same by NumPy 2, protocol 4. */
#define NEW2                                                                                                 \
    "\x8c\x16numpy._core.multiarray\x94\x8c\x0c_"                                                            \
    "reconstruct\x94\x93\x94\x8c\5numpy\x94\x8c\7ndarray\x94\x93\x94K\0\x85\x94"                             \
    "C\1b\x94\x87\x94R\x94"
#define TYPE2(t) "\x8c\5numpy\x94\x8c\5dtype\x94\x93\x94\x8c\2" t "\x94\x89\x88\x87\x94R\x94" ORDER("<")

static enum un_status parse(const char *bytes, size_t n) {
    struct un_pickle *p;
    enum un_status status = un_pickle_parse_arrays(&p, "bad.npy", bytes, n);
    un_pickle_close(p);
    return status;
}
#define REFUSED(bytes, ...) expect_error(parse(bytes, sizeof(bytes) - 1), UN_DATA, "bad.npy", __VA_ARGS__)

static struct un_pickle *opened(const char *bytes, size_t n) {
    struct un_pickle *p;
    expect_ok(un_pickle_parse_arrays(&p, "made", bytes, n));
    return p;
}
#define OPENED(bytes) opened(bytes, sizeof(bytes) - 1)

static void expect_floats(const struct un_pickle_value *v) {
    assert_int_equal(v->kind, UN_PICKLE_ARRAY);
    const struct un_npy *npy = &v->is.array->npy;
    assert_int_equal(npy->type, UN_NPY_F32);
    assert_int_equal(npy->rank, 2);
    assert_int_equal(npy->dims[0], 1);
    assert_int_equal(npy->dims[1], 2);
    assert_int_equal(npy->items, 2);
    assert_true(un_npy_number(npy, v->is.array->data, 0) == 1 &&
                un_npy_number(npy, v->is.array->data, 1) == 2);
}

static void test_arrays(void **state) {
    (void)state;
    struct un_pickle *p = OPENED("\x80\3" ARRAY ".");
    expect_floats(un_pickle_top(p));
    un_pickle_close(p);
    p = OPENED("\x80\4" NEW2 "(K\1K\1K\2\x86\x94" TYPE2("f4") "\x89" FLOATS "\x94t\x94"
                                                              "b.");
    expect_floats(un_pickle_top(p));
    un_pickle_close(p);
    /* Python 2: protocol 2, bytes as a string, flags as numbers */
    p = OPENED("\x80\2" CORE "_reconstruct\n" NDARRAY "K\0\x85U\1b\x87R(K\1K\1K\2\x86"
               "cnumpy\ndtype\nU\2f4K\0K\1\x87R(K\3U\1<"
               "NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb\x89U\x08\0\0\x80?\0\0\0@tb.");
    expect_floats(un_pickle_top(p));
    un_pickle_close(p);
    /* column-major, and a type from the memo */
    p = OPENED(NEW "(K\1K\1K\2\x86" BARE_TYPE("f4") "q\1" ORDER("<") "\x88" FLOATS "tb" NEW
                                                                     "(K\1K\2\x85h\1\x89" FLOATS "tb\x86.");
    const struct un_pickle_value *top = un_pickle_top(p);
    assert_true(top->is.item[0]->is.array->npy.fortran);
    assert_int_equal(top->is.item[1]->is.array->npy.rank, 1);
    un_pickle_close(p);
}

/* array({"box": array, "n": int64 7, "width": 640}, dtype=object), as numpy.save leaves a dict. */
static void test_dict(void **state) {
    (void)state;
    struct un_pickle *p =
        OPENED("\x80\3" NEW "(K\1)" TYPE("O8", "|") "\x89]}(X\3\0\0\0"
                                                    "box" ARRAY "X\1\0\0\0nq\2" CORE
                                                    "scalar\n" TYPE("i8", "<") "C\x08\7\0\0\0\0\0\0\0\x86R"
                                                                               "X\5\0\0\0widthM\x80\2uatb.");
    const struct un_pickle_value *top = un_pickle_top(p);
    bool twice;
    assert_int_equal(top->kind, UN_PICKLE_ARRAY);
    assert_int_equal(top->is.array->npy.type, UN_NPY_OBJECT);
    assert_int_equal(top->is.array->npy.rank, 0);
    assert_int_equal(top->is.array->objects->n, 1);
    const struct un_pickle_value *dict = top->is.array->objects->is.item[0];
    expect_floats(un_pickle_member(dict, "box", &twice));
    const struct un_pickle_array *n = un_pickle_member(dict, "n", &twice)->is.array;
    assert_int_equal(n->npy.rank, 0);
    assert_true(un_npy_number(&n->npy, n->data, 0) == 7);
    assert_int_equal(un_pickle_member(dict, "width", &twice)->is.number, 640);
    un_pickle_close(p);
    struct un_pickle *plain;
    expect_error(un_pickle_parse(&plain, "plain.p", ARRAY ".", sizeof(ARRAY)), UN_DATA, "plain.p", "byte 0",
                 "GLOBAL", "refused");
    assert_null(plain);
}

static void test_names(void **state) {
    (void)state;
    REFUSED("cos\nsystem\n(S'echo'\ntR.", "byte 0", "os.system is refused");
    REFUSED("\x8c\5posix\x8c\6system\x93(S'echo'\ntR.", "byte 15", "posix.system is refused");
    REFUSED("cnumpy\nload\n(S'x'\ntR.", "numpy.load is refused");
    REFUSED("cnumpy.core.multiarray\nfromfile\n(S'x'\ntR.", "fromfile is refused");
    REFUSED("cbuiltins\neval\n.", "builtins.eval is refused");
    REFUSED("cnumpy\nndarray.__class__\n.", "is refused");
    REFUSED("cnumpy.core.multiarray\n_reconstruct", "cut short");
    REFUSED("K\1X\1\0\0\0x\x93.", "a name that is no text");
    REFUSED("(X\1\0\0\0x\x93.", "too few values");
    REFUSED("ccopy_reg\n_reconstructor\n.", "is refused");
    for (const char *op = "ioPQ\x81\x92\x82\x8f\x96\x97"; *op; ++op) {
        const char bytes[] = {'(', 'K', 1, *op, 'o', 's', '\n', 'x', '\n', '.'};
        expect_error(parse(bytes, sizeof bytes), UN_DATA, "bad.npy", "byte 3", "refused");
    }
}

static void test_forms(void **state) {
    (void)state;
    REFUSED(NDARRAY ")R.", "makes no array");
    REFUSED("X\1\0\0\0x)R.", "makes no array");
    REFUSED(CORE "_reconstruct\n)R.", "not as NumPy writes it");
    REFUSED(CORE "_reconstruct\nX\1\0\0\0xK\0\x85"
                 "C\1b\x87R.",
            "not as NumPy writes it");
    REFUSED(CORE "scalar\nK\1K\2\x86R.", "not as NumPy writes it");
    REFUSED(CORE "scalar\n" BARE_TYPE("i8") "C\x08\7\0\0\0\0\0\0\0\x86R.", "not as NumPy writes it");
    REFUSED(CORE "scalar\n" TYPE("i8", "<") "C\4\7\0\0\0\x86R.", "not as NumPy writes it");
    REFUSED("cnumpy\ndtype\nX\2\0\0\0f4\x85R.", "not as NumPy writes it");
    REFUSED("cnumpy\ndtype\nX\x12\0\0\0f44444444444444444\x89\x88\x87R.", "not as NumPy writes it");
    REFUSED(TYPE("f4", ">") ".", ">f4", "not read");
    REFUSED(BARE_TYPE("V8") "(K\3X\1\0\0\0|NX\1\0\0\0x}K\x08K\1K\0tb.", "fields");
    REFUSED(BARE_TYPE("f4") "K\1b.", "no array");
    REFUSED("}}b.", "no array");
    REFUSED("]K\1\x85"
            "b.",
            "no array");
    REFUSED(NEW "(K\2K\1K\2\x86" TYPE("f4", "<") "\x89" FLOATS "tb.", "not as NumPy writes it");
    REFUSED(NEW "(K\1K\1K\3\x86" TYPE("f4", "<") "\x89" FLOATS "tb.", "more or fewer bytes");
    REFUSED(NEW "(K\1J\xff\xff\xff\xffK\2\x86" TYPE("f4", "<") "\x89" FLOATS "tb.", "no shape");
    REFUSED(NEW "(K\1(K\1K\1K\1K\1K\2t" TYPE("f4", "<") "\x89" FLOATS "tb.", "no shape");
    REFUSED(NEW "(K\1(J\xff\xff\xff\x7fJ\xff\xff\xff\x7fJ\xff\xff\xff\x7ft" TYPE("f4", "<") "\x89" FLOATS
                                                                                            "tb.",
            "no shape");
    REFUSED(NEW "(K\1K\1K\2\x86" BARE_TYPE("f4") "\x89" FLOATS "tb.", "not as NumPy writes it");
    REFUSED(NEW "(K\1K\2\x85" TYPE("O8", "|") "\x89" FLOATS "tb.", "objects without them");
    REFUSED(NEW "(K\1K\2\x85" TYPE("O8", "|") "\x89]tb.", "objects without them");
    REFUSED(ARRAY "(K\1K\1K\2\x86" TYPE("f4", "<") "\x89" FLOATS "tb.", "after it was used");
    /* an array of objects that holds itself */
    REFUSED(NEW "q\1(K\1)" TYPE("O8", "|") "\x89]h\1atb.", "after it was used");
    REFUSED(NEW "q\1\x85h\1(K\1K\1K\2\x86" TYPE("f4", "<") "\x89" FLOATS "tb\x86.", "after it was used");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arrays),
        cmocka_unit_test(test_dict),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_forms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
