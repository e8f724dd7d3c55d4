/* .npy headers, .npz members and base64: what is right comes back, what is wrong is named. */
#include "io/convert/format/base64.h"
#include "io/convert/format/msgpack.h"
#include "io/convert/format/npy.h"
#include "runtime/memory.h"
#include "tests/support/expect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zip.h>

/* A header of version `version` with that dict; returns its length. */
static size_t head(unsigned char *out, int version, const char *dict) {
    size_t n = strlen(dict), start = version == 1 ? 10 : 12;
    memcpy(out, "\x93NUMPY", 6);
    out[6] = (unsigned char)version, out[7] = 0;
    memset(out + 8, 0, 4);
    out[8] = (unsigned char)n, out[9] = (unsigned char)(n >> 8);
    memcpy(out + start, dict, n);
    return start + n;
}

static void good(int version, const char *dict, enum un_npy_type type, int rank, int64_t items, int64_t bytes,
                 bool fortran) {
    unsigned char data[600];
    size_t n = head(data, version, dict), header;
    struct un_npy npy;
    expect_ok(un_npy_header(&npy, "x", data, n, &header));
    assert_int_equal(header, n);
    assert_int_equal(npy.type, type);
    assert_int_equal(npy.rank, rank);
    assert_int_equal(npy.items, items);
    assert_int_equal(npy.item_bytes, bytes);
    assert_int_equal(npy.fortran, fortran);
    for (size_t cut = 0; cut < n; ++cut)
        expect_error(un_npy_header(&npy, "x", data, cut, &header), UN_DATA, "x");
}

static void test_headers(void **state) {
    (void)state;
    good(1, "{'descr': '<f2', 'fortran_order': False, 'shape': (3, 4), }   \n", UN_NPY_F16, 2, 12, 2, false);
    good(2, "{'descr': '<f4', 'fortran_order': True, 'shape': (3, 4)}", UN_NPY_F32, 2, 12, 4, true);
    good(3, "{'shape': (7,), 'descr': '<f8', 'fortran_order': True}\n", UN_NPY_F64, 1, 7, 8, false);
    good(1, "{'descr': '<i8', 'fortran_order': False, 'shape': (), }", UN_NPY_I64, 0, 1, 8, false);
    good(1, "{'descr': '<i4', 'fortran_order': False, 'shape': (0, 9)}", UN_NPY_I32, 2, 0, 4, false);
    good(1, "{'descr': '|u1', 'fortran_order': False, 'shape': (2,)}", UN_NPY_U8, 1, 2, 1, false);
    good(1, "{'descr': '|b1', 'fortran_order': False, 'shape': (2,)}", UN_NPY_BOOL, 1, 2, 1, false);
    good(1, "{'descr': '<U64', 'fortran_order': False, 'shape': (5,)}", UN_NPY_TEXT, 1, 5, 256, false);
    good(1, "{'descr': '|O', 'fortran_order': False, 'shape': ()}", UN_NPY_OBJECT, 0, 1, 0, false);
    good(1, "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': ()}", UN_NPY_OTHER, 0, 1, 0, false);
}

static void test_bad_headers(void **state) {
    (void)state;
    static const char *const dicts[] = {
        "{'descr': '>f4', 'fortran_order': False, 'shape': (3,)}",
        "{'descr': '<f4', 'fortran_order': False}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-3,)}",
        "{'descr': '<f4', 'fortran_order': Maybe, 'shape': (3,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), 'more': 1}",
        "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (3,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 1, 1, 1)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3,)} x",
        "{'descr': '<f4' 'fortran_order': False, 'shape': (3,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776, 1099511627776)}",
        "",
        "{",
        "[]",
    };
    unsigned char data[600];
    struct un_npy npy;
    size_t header;
    for (size_t i = 0; i < sizeof dicts / sizeof *dicts; ++i) {
        size_t n = head(data, 1, dicts[i]);
        expect_error(un_npy_header(&npy, "member", data, n, &header), UN_DATA, "member");
    }
    size_t n = head(data, 4, "{}");
    expect_error(un_npy_header(&npy, "m", data, n, &header), UN_DATA, "m", "version 4.0");
    memset(data + 8, 0xFF, 2), data[6] = 1;
    expect_error(un_npy_header(&npy, "m", data, n, &header), UN_DATA, "m", "65535 bytes");
}

/* A zip of one member into memory; `said`: what its directory says of its size, 0: the truth. */
static size_t zip_one(unsigned char *out, size_t room, const void *data, size_t bytes, bool deflate) {
    zip_error_t error;
    zip_error_init(&error);
    zip_source_t *target = zip_source_buffer_create(NULL, 0, 0, &error);
    zip_source_keep(target);
    zip_t *zip = zip_open_from_source(target, ZIP_TRUNCATE, &error);
    assert_non_null(zip);
    zip_int64_t at = zip_file_add(zip, "x.npy", zip_source_buffer(zip, data, bytes, 0), 0);
    assert_int_equal(
        zip_set_file_compression(zip, (zip_uint64_t)at, deflate ? ZIP_CM_DEFLATE : ZIP_CM_STORE, 0), 0);
    assert_int_equal(zip_close(zip), 0);
    assert_int_equal(zip_source_open(target), 0);
    zip_int64_t n = zip_source_read(target, out, room);
    zip_source_close(target);
    zip_source_free(target);
    zip_error_fini(&error);
    assert_true(n > 0 && (size_t)n < room);
    return (size_t)n;
}

static void one_npz(bool deflate) {
    static unsigned char member[20000], zip[40000], back[20000];
    uint64_t before = live_blocks();
    struct un_npz *npz;
    struct un_npz_member m;
    char name[64];
    size_t n = head(member, 1, "{'descr': '<f4', 'fortran_order': False, 'shape': (40, 100)}      \n");
    for (size_t i = 0; i < 16000; ++i) member[n + i] = (unsigned char)(i * i >> 5);
    size_t bytes = zip_one(zip, sizeof zip, member, n + 16000, deflate);
    expect_ok(un_npz_open_memory(&npz, "mem", zip, bytes));
    assert_int_equal(un_npz_members(npz), 1);
    assert_string_equal(un_npz_name(npz, 0, name), "x");
    expect_ok(un_npz_member(npz, 0, &m));
    assert_int_equal(m.bytes - m.head, 16000);
    expect_ok(un_npz_read(npz, &m, back));
    assert_memory_equal(back, member + n, 16000);
    un_npz_close(npz);
    zip[100 + n] ^= 1; /* the checksum, or deflate itself, notices */
    expect_ok(un_npz_open_memory(&npz, "mem", zip, bytes));
    if (un_npz_member(npz, 0, &m) == UN_OK) expect_error(un_npz_read(npz, &m, back), UN_DATA, "mem", "x");
    un_error_clear();
    un_npz_close(npz);
    zip[100 + n] ^= 1;
    for (size_t at = bytes - 68 + 24; at < bytes - 68 + 28;
         ++at) { /* the uncompressed size in the directory */
        zip[at] ^= 0x5A;
        if (un_npz_open_memory(&npz, "mem", zip, bytes) == UN_OK)
            expect_error(un_npz_member(npz, 0, &m), UN_DATA, "mem");
        un_error_clear();
        un_npz_close(npz);
        zip[at] ^= 0x5A;
    }
    expect_error(un_npz_open_memory(&npz, "mem", zip, bytes / 2), UN_DATA, "mem", "cut short");
    assert_int_equal(live_blocks(), before);
}

static void test_npz(void **state) {
    (void)state;
    struct un_npz *npz;
    one_npz(false);
    one_npz(true);
    expect_error(un_npz_open(&npz, "no/such.npz"), UN_IO, "no/such.npz: there is no such file");
}

/* The encoder of the test: bit by bit. */
static size_t encode(char *out, const unsigned char *in, size_t bytes) {
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t n = 0;
    for (size_t bit = 0; bit < 8 * bytes; bit += 6) {
        unsigned v = 0;
        for (size_t k = bit; k < bit + 6; ++k)
            v = 2 * v + (k < 8 * bytes ? in[k / 8] >> (7 - k % 8) & 1u : 0);
        out[n++] = alphabet[v];
    }
    while (n % 4 != 0) out[n++] = '=';
    return n;
}

static void test_base64(void **state) {
    (void)state;
    struct un_base64 b;
    un_base64_init(&b);
    for (size_t bytes = 0; bytes < 300; ++bytes) {
        unsigned char *in = malloc(bytes + 1), *back = malloc(bytes ? bytes : 1); /* exact, for sanitizers */
        char *text = malloc(2 * bytes + 8);
        for (size_t i = 0; i < bytes; ++i) in[i] = (unsigned char)(i * 37 + bytes * 11);
        size_t n = encode(text, in, bytes);
        assert_int_equal(un_base64_bytes(text, n), bytes);
        assert_int_equal(un_base64_read(&b, text, n, back), -1);
        assert_memory_equal(in, back, bytes);
        for (size_t at = 0; at < n; ++at) {
            char old = text[at];
            text[at] = at % 3 == 0 ? '-' : at % 3 == 1 ? '\n' : (char)0xE4;
            if (un_base64_bytes(text, n) <= (int64_t)bytes)
                assert_int_equal(un_base64_read(&b, text, n, back), at / 4 * 4);
            text[at] = old;
        }
        assert_int_equal(un_base64_bytes(text, n + 1), -1);
        free(in);
        free(back);
        free(text);
    }
    unsigned char out[4];
    assert_int_equal(un_base64_read(&b, "AB==", 4, out), 0); /* stray bits */
    assert_int_equal(un_base64_read(&b, "AAB=", 4, out), 0);
    assert_int_equal(un_base64_read(&b, "A===", 4, out), 0);
    assert_int_equal(un_base64_read(&b, "AA==AAAA", 8, out), 0);
}

static void item(const char *bytes, size_t n, enum un_msgpack_kind kind, int64_t number, int64_t count,
                 size_t length) {
    struct un_msgpack in = {(const unsigned char *)bytes, (const unsigned char *)bytes + n};
    struct un_msgpack_item it;
    assert_true(un_msgpack_next(&in, &it));
    assert_int_equal(it.kind, kind);
    assert_int_equal(it.number, number);
    assert_int_equal(it.count, count);
    assert_int_equal(it.bytes, length);
    for (size_t cut = 0; cut < n; ++cut) {
        in = (struct un_msgpack){(const unsigned char *)bytes, (const unsigned char *)bytes + cut};
        assert_false(un_msgpack_skip(&in));
    }
    in = (struct un_msgpack){(const unsigned char *)bytes, (const unsigned char *)bytes + n};
    assert_true(un_msgpack_skip(&in));
    assert_int_equal(un_msgpack_left(&in), 0);
}

static void test_msgpack_floats(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
        double value;
    } cases[] = {{"\xcb\x3f\xe8\0\0\0\0\0\0", 9, 0.75},
                 {"\xcb\xc0\x00\0\0\0\0\0\0", 9, -2},
                 {"\xca\x3e\x80\0\0", 5, 0.25},
                 {"\xca\xc1\x20\0\0", 5, -10}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        struct un_msgpack in = {(const unsigned char *)cases[i].bytes,
                                (const unsigned char *)cases[i].bytes + cases[i].n};
        struct un_msgpack_item it;
        assert_true(un_msgpack_next(&in, &it));
        assert_int_equal(it.kind, UN_MSGPACK_FLOAT);
        assert_true(it.real == cases[i].value);
    }
}

static void test_msgpack(void **state) {
    (void)state;
    struct un_msgpack in;
    item("\x07", 1, UN_MSGPACK_INT, 7, 0, 0);
    item("\xff", 1, UN_MSGPACK_INT, -1, 0, 0);
    item("\xd1\xff\x00", 3, UN_MSGPACK_INT, -256, 0, 0);
    item("\xcd\xff\x00", 3, UN_MSGPACK_INT, 65280, 0, 0);
    item("\xd3\x80\0\0\0\0\0\0\0", 9, UN_MSGPACK_INT, INT64_MIN, 0, 0);
    item("\xc0", 1, UN_MSGPACK_NIL, 0, 0, 0);
    item("\xc3", 1, UN_MSGPACK_BOOL, 1, 0, 0);
    item("\xcb........", 9, UN_MSGPACK_FLOAT, 0, 0, 8);
    item("\xa3"
         "abc",
         4, UN_MSGPACK_BYTES, 0, 0, 3);
    item("\xc5\0\3abc", 6, UN_MSGPACK_BYTES, 0, 0, 3);
    item("\xdb\0\0\0\1a", 6, UN_MSGPACK_BYTES, 0, 0, 1);
    item("\xd4\1a", 3, UN_MSGPACK_EXT, 0, 0, 2);
    item("\xc7\2\1ab", 5, UN_MSGPACK_EXT, 0, 0, 3);
    item("\x92\x01\x91\x02", 4, UN_MSGPACK_ARRAY, 0, 2, 0);
    item("\xde\0\1\xa1k\x80", 6, UN_MSGPACK_MAP, 0, 1, 0);
    static const char huge[] = "\xdd\xff\xff\xff\xff\x01";
    in = (struct un_msgpack){(const unsigned char *)huge, (const unsigned char *)huge + 6};
    assert_false(un_msgpack_skip(&in));
    unsigned char deep[100000]; /* no recursion: any depth */
    memset(deep, 0x91, sizeof deep);
    deep[sizeof deep - 1] = 0x90;
    in = (struct un_msgpack){deep, deep + sizeof deep};
    assert_true(un_msgpack_skip(&in));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_headers), cmocka_unit_test(test_bad_headers),
        cmocka_unit_test(test_npz),     cmocka_unit_test(test_base64),
        cmocka_unit_test(test_msgpack), cmocka_unit_test(test_msgpack_floats),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    scratch_remove();
    return failed;
}
