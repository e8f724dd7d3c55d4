/* Random damage: files cut at many lengths, and files with one flipped bit in places drawn by a pure
 * function. Each file is opened and read in a child, because HDF5 1.10 may crash or hang on what it believes.
 *
 * Files of the newer HDF5 format, as this program writes them, carry checksums over all metadata: there a
 * flip outside the values must give an error or exactly the values of the good file. Files of the older
 * format, as h5py writes them by default, carry none: there a flip may change names, attributes or extents
 * unseen, and may upset HDF5; that is counted and printed. In neither may code of ours crash, hang, or ask
 * for memory without bound. */
#include "io/h5/h5.h"
#include "runtime/memory.h"
#include "runtime/rng.h"
#include "tests/support/expect.h"
#include "tests/support/make_files.h"
#include "tests/support/mutate.h"
#include "tests/support/read_all.h"
#include <dlfcn.h>
#include <execinfo.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { FLIPS = 150, SECONDS = 10, MEMORY_MAX = 64 << 20 };

/* How a child ended. */
enum outcome { SAME, OTHER, REFUSED, OWN_FAULT, LIBRARY_CRASH, LIBRARY_HANG, OUTCOMES };
static const char *const outcome_names[OUTCOMES] = {"same values", "other values",      "refused",
                                                    "own fault",   "crash inside HDF5", "hang inside HDF5"};

/* Read by the address sanitizer: its findings must end in the handler below. */
const char *__asan_default_options(void);
const char *__asan_default_options(void) {
    return "abort_on_error=1:detect_leaks=0:allocator_may_return_null=1";
}

/* The innermost frame that is neither the C library nor a sanitizer nor this handler decides whose fault it
 * is. */
static void blame(int signal_number) {
    void *frames[64];
    int n = backtrace(frames, 64);
    enum outcome outcome = OWN_FAULT;
    bool behind = false;
    for (int i = 0; i < n; ++i) {
        Dl_info info;
        if (!dladdr(frames[i], &info) || !info.dli_fname) continue;
        bool system = strstr(info.dli_fname, "libc.") || strstr(info.dli_fname, "libasan") ||
                      strstr(info.dli_fname, "libubsan") || strstr(info.dli_fname, "libz");
        behind |= strstr(info.dli_fname, "libc.") != NULL;
        if (system || !behind) continue;
        if (strstr(info.dli_fname, "libhdf5"))
            outcome = signal_number == SIGALRM ? LIBRARY_HANG : LIBRARY_CRASH;
        break;
    }
    _exit(10 + (int)outcome);
}

struct pair {
    const char *images, *text;
    uint64_t good; /* digest */
};

static int read_pair(void *context) {
    static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGALRM};
    const struct pair *pair = context;
    struct sigaction action = {.sa_handler = blame, .sa_flags = SA_NODEFER | SA_ONSTACK};
    static char stack[1 << 16];
    const stack_t other = {.ss_sp = stack, .ss_size = sizeof stack}; /* endless recursion leaves no other */
    uint64_t digest;
    sigaltstack(&other, NULL);
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; ++i) sigaction(signals[i], &action, NULL);
    enum un_status status = read_all(pair->images, pair->text, &digest);
    if (un_memory_counts().peak_bytes > MEMORY_MAX || un_memory_counts().live_blocks) return 10 + OWN_FAULT;
    if (status == UN_OK) return 10 + (digest == pair->good ? SAME : OTHER);
    const char *text = un_error_get()->text;
    bool named = strstr(text, pair->images) || strstr(text, pair->text);
    return 10 + (status == UN_DATA && named ? REFUSED : OWN_FAULT);
}

static enum outcome outcome_of(struct pair *pair) {
    int how = in_child(read_pair, pair, SECONDS);
    if (WIFEXITED(how) && WEXITSTATUS(how) >= 10 && WEXITSTATUS(how) < 10 + OUTCOMES)
        return (enum outcome)(WEXITSTATUS(how) - 10);
    print_error("a child ended with %x\n", (unsigned)how);
    return OWN_FAULT;
}

/* ---- the older format ---- */

static herr_t copy_link(hid_t group, const char *name, const H5L_info_t *info, void *to) {
    (void)info;
    return H5Ocopy(group, name, *(hid_t *)to, name, H5P_DEFAULT, H5P_DEFAULT);
}
static herr_t copy_attribute(hid_t group, const char *name, const H5A_info_t *info, void *to) {
    hid_t attr = H5Aopen(group, name, H5P_DEFAULT), type = H5Aget_type(attr), space = H5Aget_space(attr);
    char value[256];
    (void)info;
    hid_t copy = H5Acreate2(*(hid_t *)to, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    herr_t failed = H5Aread(attr, type, value) < 0 || H5Awrite(copy, type, value) < 0;
    H5Aclose(copy);
    H5Sclose(space);
    H5Tclose(type);
    H5Aclose(attr);
    return failed ? -1 : 0;
}

/* The file again, in the format of HDF5 1.6 that h5py uses unless told otherwise. */
static void write_older(const char *to, const char *from) {
    hid_t in = H5Fopen(from, H5F_ACC_RDONLY, H5P_DEFAULT),
          out = H5Fcreate(to, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(in >= 0 && out >= 0);
    assert_true(H5Literate(in, H5_INDEX_NAME, H5_ITER_INC, NULL, copy_link, &out) >= 0);
    assert_true(H5Aiterate2(in, H5_INDEX_NAME, H5_ITER_INC, NULL, copy_attribute, &out) >= 0);
    H5Fclose(in);
    H5Fclose(out);
}

/* ---- where values lie ---- */

struct extent {
    int64_t begin, end;
};

/* Byte ranges of the values of contiguous datasets; everything else is metadata or unused. */
static int value_extents(const char *path, struct extent extents[32]) {
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    H5G_info_t info;
    int n = 0;
    assert_true(file >= 0 && H5Gget_info(file, &info) >= 0 && info.nlinks <= 32);
    for (hsize_t i = 0; i < info.nlinks; ++i) {
        char name[64];
        assert_true(
            H5Lget_name_by_idx(file, "/", H5_INDEX_NAME, H5_ITER_INC, i, name, sizeof name, H5P_DEFAULT) > 0);
        hid_t data = H5Dopen2(file, name, H5P_DEFAULT);
        int64_t begin = (int64_t)H5Dget_offset(data);
        extents[n++] = (struct extent){begin, begin + (int64_t)H5Dget_storage_size(data)};
        H5Dclose(data);
    }
    H5Fclose(file);
    return n;
}

static bool among_values(const struct extent *extents, int n, int64_t byte) {
    for (int i = 0; i < n; ++i)
        if (byte >= extents[i].begin && byte < extents[i].end) return true;
    return false;
}

/* ---- the tests ---- */

struct files {
    const char *good[2], *bad[2]; /* images, text */
    struct pair pair;             /* of bad files */
};

static void make_pairs(struct files *f, bool older, enum un_task task) {
    static char paths[4][512];
    static const char *const names[4] = {"good.img.h5", "good.txt.h5", "bad.img.h5", "bad.txt.h5"};
    struct make_files m = make_files_default();
    m.images = 4;
    m.align = true;
    m.task = task;
    m.num_answers = task == UN_TASK_VQA ? 9 : 0;
    m.answer_names = true;
    for (int i = 0; i < 4; ++i) snprintf(paths[i], sizeof paths[i], "%s", scratch(names[i]));
    *f = (struct files){{paths[0], paths[1]}, {paths[2], paths[3]}, {paths[2], paths[3], 0}};
    expect_ok(make_files(&m, f->good[0], f->good[1]));
    for (int i = 0; i < 2 && older; ++i) {
        write_older(f->bad[i], f->good[i]);
        mutate_copy(f->good[i], f->bad[i]);
    }
    expect_ok(read_all(f->good[0], f->good[1], &f->pair.good));
    for (int i = 0; i < 2; ++i) mutate_copy(f->bad[i], f->good[i]);
    assert_int_equal(outcome_of(&f->pair), SAME);
}

/* `flips` flips in one of the two files, three of four outside the values. */
static void flip_file(struct files *f, int which, uint32_t flips, bool older, int64_t counts[2][OUTCOMES]) {
    struct extent extents[32];
    int n = value_extents(f->good[which], extents);
    int64_t bytes = mutate_bytes(f->good[which]);
    for (uint32_t k = 0, draw = 0; k < flips; ++k) {
        int64_t bit;
        bool wanted = k % 4 == 0, among;
        do {
            bit =
                un_rng_below(un_rng(7, UN_RNG_TEST, (uint32_t)which, 0, 0, draw++).v[0], (uint32_t)bytes * 8);
            among = among_values(extents, n, bit / 8);
        } while (among != wanted);
        mutate_flip(f->bad[which], bit);
        enum outcome outcome = outcome_of(&f->pair);
        mutate_flip(f->bad[which], bit);
        ++counts[among][outcome];
        if (outcome >= OWN_FAULT || (!older && !among && outcome == OTHER))
            print_message("%s: bit %lld of byte %lld: %s\n", f->bad[which], (long long)(bit % 8),
                          (long long)(bit / 8), outcome_names[outcome]);
    }
}

static void judge(bool older, int64_t counts[2][OUTCOMES]) {
    print_message("%s format, one flipped bit:\n", older ? "older" : "newer");
    for (int o = 0; o < OUTCOMES; ++o)
        print_message("  %-20s %4lld outside values, %4lld among values\n", outcome_names[o],
                      (long long)counts[0][o], (long long)counts[1][o]);
    assert_int_equal(counts[0][OWN_FAULT] + counts[1][OWN_FAULT], 0);
    assert_int_equal(counts[1][LIBRARY_CRASH] + counts[1][LIBRARY_HANG],
                     0); /* values do not lead HDF5 anywhere */
    if (!older) assert_int_equal(counts[0][OTHER] + counts[0][LIBRARY_CRASH] + counts[0][LIBRARY_HANG], 0);
    assert_true(counts[0][REFUSED] > 0 && counts[1][REFUSED] > 0);
}

static void flip_bits(bool older) {
    struct files f;
    int64_t counts[2][OUTCOMES] = {{0}}; /* outside and among values */
    make_pairs(&f, older, UN_TASK_NONE);
    for (int which = 0; which < 2; ++which) flip_file(&f, which, FLIPS, older, counts);
    judge(older, counts);
}

/* The same in text files with a task's columns. */
static void flip_tasks(bool older) {
    static const enum un_task tasks[] = {UN_TASK_VQA, UN_TASK_NLVR2, UN_TASK_VCR, UN_TASK_RE};
    int64_t counts[2][OUTCOMES] = {{0}};
    for (size_t i = 0; i < sizeof tasks / sizeof *tasks; ++i) {
        struct files f;
        make_pairs(&f, older, tasks[i]);
        flip_file(&f, 1, FLIPS / 2, older, counts);
    }
    judge(older, counts);
}
static void test_task_flips_newer(void **state) {
    (void)state;
    flip_tasks(false);
}
static void test_task_flips_older(void **state) {
    (void)state;
    flip_tasks(true);
}

static void test_flips_newer(void **state) {
    (void)state;
    flip_bits(false);
}
static void test_flips_older(void **state) {
    (void)state;
    flip_bits(true);
}

/* Cut at every 61st length, and at each of the last 40: always refused, always named. No child is needed:
 * nothing of a cut file reaches HDF5. */
static void test_truncated(void **state) {
    (void)state;
    for (int older = 0; older < 2; ++older) {
        struct files f;
        uint64_t digest;
        make_pairs(&f, older, UN_TASK_NONE);
        for (int which = 0; which < 2; ++which) {
            int64_t bytes = mutate_bytes(f.good[which]), lengths = 0;
            for (int64_t length = bytes - 1; length >= 0;
                 length -= length > bytes - 40 || length < 61 ? 1 : 61) {
                mutate_copy(f.bad[which], f.good[which]);
                mutate_truncate(f.bad[which], length);
                expect_error(read_all(f.bad[0], f.bad[1], &digest), UN_DATA, f.bad[which]);
                ++lengths;
            }
            mutate_copy(f.bad[which], f.good[which]);
            print_message("%s: cut at %lld lengths\n", f.bad[which], (long long)lengths);
        }
    }
}

/* A file that was cut and filled up again with zeros or with noise has the right length. */
static void test_overwritten_tail(void **state) {
    (void)state;
    for (int older = 0; older < 2; ++older) {
        struct files f;
        int64_t counts[OUTCOMES] = {0};
        make_pairs(&f, older, UN_TASK_NONE);
        for (int which = 0; which < 2; ++which)
            for (int part = 1; part < 20; ++part)
                for (int noise = 0; noise < 2; ++noise) {
                    int64_t bytes = mutate_bytes(f.good[which]), from = bytes * part / 20;
                    mutate_copy(f.bad[which], f.good[which]);
                    FILE *file = fopen(f.bad[which], "rb+");
                    fseek(file, (long)from, SEEK_SET);
                    for (int64_t i = from; i < bytes; ++i)
                        fputc(noise ? (int)(un_rng(8, UN_RNG_TEST, 0, 0, 0, (uint32_t)i).v[0] & 255) : 0,
                              file);
                    fclose(file);
                    enum outcome outcome = outcome_of(&f.pair);
                    mutate_copy(f.bad[which], f.good[which]);
                    ++counts[outcome];
                }
        print_message("%s format, overwritten tail:", older ? "older" : "newer");
        for (int o = 0; o < OUTCOMES; ++o)
            print_message(" %lld %s%s", (long long)counts[o], outcome_names[o],
                          o + 1 < OUTCOMES ? "," : "\n");
        assert_int_equal(counts[OWN_FAULT], 0);
    }
}

static int set_up(void **state) {
    (void)state;
    void *frame[1];
    backtrace(frame, 1); /* loads its library now, not in a handler */
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    return 0;
}
static int tear_down(void **state) {
    (void)state;
    scratch_remove();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_truncated),        cmocka_unit_test(test_flips_newer),
        cmocka_unit_test(test_flips_older),      cmocka_unit_test(test_task_flips_newer),
        cmocka_unit_test(test_task_flips_older), cmocka_unit_test(test_overwritten_tail),
    };
    return cmocka_run_group_tests_name("damaged data files", tests, set_up, tear_down);
}
