/* A data set whose index the first rank reads for all: each rank has what it would have read itself, with less memory; where it
 * cannot share, it reads; where one fails, none waits. */
#include "comm/comm.h"
#include "io/data/dataset.h"
#include "runtime/memory.h"
#include "tests/support/expect.h"
#include "tests/support/make_files.h"
#include "tests/support/one_set.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

static struct un_comm *comm;
static char img[512], txt[512]; /* of all ranks, made by the first */

/* ---- a system that hides or lacks something ---- */

static bool hidden, lacking;

ssize_t readlink(const char *path, char *link, size_t bytes) {
    if (hidden && strncmp(path, "/proc/", 6) == 0) {
        errno = EACCES;
        return -1;
    }
    return syscall(SYS_readlinkat, AT_FDCWD, path, link, bytes);
}

int memfd_create(const char *name, unsigned flags) {
    if (!lacking) return (int)syscall(SYS_memfd_create, name, flags);
    errno = ENOSYS;
    return -1;
}

/* ---- made sets ---- */

static bool last(void) {
    return comm->rank == comm->size - 1;
}

static struct make_files files_of(enum un_task task) {
    struct make_files m = make_files_default();
    m.images = 300;
    m.task = task;
    m.align = task == UN_TASK_NONE;
    m.num_answers = task == UN_TASK_VQA ? 7 : task == UN_TASK_VE ? 3 : 0;
    m.answer_names = true;
    m.bare_images = task == UN_TASK_NLVR2 ? 4 : 0;
    return m;
}

static void make(enum un_task task) {
    struct make_files m = files_of(task);
    if (comm->rank == 0) expect_ok(make_files(&m, img, txt));
    expect_ok(comm->ops->barrier(comm));
}

static struct one_set set_of(struct un_dataset_host *host) {
    struct one_set set;
    ONE_SET(&set, img, txt);
    set.data.max_txt_len = 0;
    set.soft_labels = true;
    set.host = host;
    return set;
}

static void same_image(struct un_dataset *a, struct un_dataset *b, int64_t i) {
    float rows[9 * 16], box[9 * 7], more[9 * 16], again[9 * 7];
    int64_t regions = un_dataset_image_regions(a, i);
    assert_int_equal(regions, un_dataset_image_regions(b, i));
    assert_string_equal(un_dataset_image_id(a, i), un_dataset_image_id(b, i));
    assert_int_equal(un_dataset_image_text(a, i), un_dataset_image_text(b, i));
    expect_ok(un_dataset_read_image(a, i, rows, box));
    expect_ok(un_dataset_read_image(b, i, more, again));
    assert_memory_equal(rows, more, (size_t)regions * 16 * 2);
    assert_memory_equal(box, again, sizeof(float) * 7 * (size_t)regions);
    expect_ok(un_dataset_read_soft_label(a, i, 0, rows));
    expect_ok(un_dataset_read_soft_label(b, i, 0, more));
    assert_memory_equal(rows, more, 11 * 2);
}

static void same_answers(struct un_dataset *a, struct un_dataset *b, int64_t t) {
    int32_t id[8], other_id[8], token[64], other[64];
    float score[8], other_score[8];
    int64_t n, m;
    expect_ok(un_dataset_read_answers(a, t, 8, id, score, &n));
    expect_ok(un_dataset_read_answers(b, t, 8, other_id, other_score, &m));
    assert_int_equal(n, m);
    assert_memory_equal(id, other_id, (size_t)n * sizeof *id);
    assert_memory_equal(score, other_score, (size_t)n * sizeof *score);
    for (int part = 0; part < UN_TEXT_PARTS; ++part) {
        int64_t length = un_dataset_text_part_length(a, t, part);
        assert_int_equal(length, un_dataset_text_part_length(b, t, part));
        expect_ok(un_dataset_read_part(a, t, part, token));
        expect_ok(un_dataset_read_part(b, t, part, other));
        assert_memory_equal(token, other, (size_t)length * sizeof *token);
    }
}

static void same_targets(const struct un_dataset *a, const struct un_dataset *b, int64_t t) {
    const float *box = un_dataset_text_box(a, t), *size = un_dataset_text_size(a, t);
    assert_int_equal(un_dataset_text_label(a, t), un_dataset_text_label(b, t));
    assert_int_equal(un_dataset_text_rationale(a, t), un_dataset_text_rationale(b, t));
    assert_int_equal(un_dataset_text_kind(a, t), un_dataset_text_kind(b, t));
    assert_int_equal(un_dataset_text_second(a, t), un_dataset_text_second(b, t));
    assert_int_equal(!box, !un_dataset_text_box(b, t));
    if (!box) return;
    assert_memory_equal(box, un_dataset_text_box(b, t), 4 * sizeof *box);
    assert_memory_equal(size, un_dataset_text_size(b, t), 2 * sizeof *size);
}

static void same_text(struct un_dataset *a, struct un_dataset *b, int64_t t) {
    int32_t token[64], other[64], region[64], other_region[64];
    char sentence[64], other_sentence[64];
    int64_t length = un_dataset_text_length(a, t), n, m;
    assert_int_equal(length, un_dataset_text_length(b, t));
    assert_int_equal(un_dataset_text_image(a, t), un_dataset_text_image(b, t));
    assert_string_equal(un_dataset_text_id(a, t), un_dataset_text_id(b, t));
    expect_ok(un_dataset_read_text(a, t, token));
    expect_ok(un_dataset_read_text(b, t, other));
    assert_memory_equal(token, other, (size_t)length * sizeof *token);
    expect_ok(un_dataset_read_alignment(a, t, 64, token, region, &n));
    expect_ok(un_dataset_read_alignment(b, t, 64, other, other_region, &m));
    assert_int_equal(n, m);
    assert_memory_equal(token, other, (size_t)n * sizeof *token);
    assert_memory_equal(region, other_region, (size_t)n * sizeof *region);
    expect_ok(un_dataset_read_sentence(a, t, sentence, sizeof sentence));
    expect_ok(un_dataset_read_sentence(b, t, other_sentence, sizeof other_sentence));
    assert_string_equal(sentence, other_sentence);
    same_targets(a, b, t);
    same_answers(a, b, t);
}

static void same_info(const struct un_dataset *a, const struct un_dataset *b) {
    const struct un_dataset_info *x = un_dataset_info(a), *y = un_dataset_info(b);
    assert_true(x->images == y->images && x->texts == y->texts && x->images_with_text == y->images_with_text);
    assert_true(x->regions == y->regions && x->words == y->words && x->aligned == y->aligned);
    assert_true(x->longest_text == y->longest_text && x->most_regions == y->most_regions);
    assert_true(x->img_dim == y->img_dim && x->img_label_dim == y->img_label_dim &&
                x->feature_type == y->feature_type);
    assert_true(x->task == y->task && x->num_answers == y->num_answers && x->has_kinds == y->has_kinds);
    expect_ok(un_vocab_agree(&x->vocab, "a", &y->vocab, "b"));
    for (int64_t id = 0; id < x->num_answers; ++id)
        assert_string_equal(un_dataset_answer_name(a, id), un_dataset_answer_name(b, id));
}

/* Images [begin, end) and their texts. */
static void same(struct un_dataset *a, struct un_dataset *b, int64_t begin, int64_t end) {
    same_info(a, b);
    for (int64_t i = begin; i < end; ++i) same_image(a, b, i);
    for (int64_t t = un_dataset_image_text(b, begin); t < un_dataset_image_text(b, end); ++t)
        same_text(a, b, t);
}

/* Shared memory that this rank has: mapped, and open for others to find. */
static int mapped(void) {
    char line[1024];
    int n = 0;
    FILE *f = fopen("/proc/self/maps", "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) n += strstr(line, "/memfd:uniter") != NULL;
    fclose(f);
    return n;
}
static int open_for_others(void) {
    char path[64], link[64];
    int n = 0;
    for (int fd = 0; fd < 256; ++fd) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        ssize_t bytes = readlink(path, link, sizeof link - 1);
        link[bytes > 0 ? bytes : 0] = '\0';
        n += strstr(link, "/memfd:uniter") != NULL;
    }
    return n;
}

static struct un_dataset *open_set(struct one_set set) {
    struct un_dataset *d;
    expect_ok(one_set_open(&d, &set));
    return d;
}

/* ---- tests ---- */

/* Also after a rank has kept its part, and after the first has closed its own. */
static void test_same(void **state) {
    (void)state;
    for (int task = 0; task < UN_TASKS; ++task) {
        struct un_dataset_host host = {.comm = comm};
        uint64_t before = live_blocks();
        make((enum un_task)task);
        struct un_dataset *alone = open_set(set_of(NULL));
        uint64_t held = un_memory_counts().live_bytes;
        struct un_dataset *d = open_set(set_of(&host));
        held = un_memory_counts().live_bytes - held;
        assert_int_equal(host.own, 0);
        assert_int_equal(mapped(), comm->size > 1);
        assert_int_equal(open_for_others(), 0);
        if (comm->size > 1) {
            assert_true(held < un_dataset_bytes(alone) / 4);
            assert_true(un_dataset_bytes(d) < un_dataset_bytes(alone));
            assert_true(un_dataset_bytes(d) > un_dataset_bytes(alone) / (size_t)comm->size);
        }
        if (comm->rank == 0) un_dataset_close(d);
        expect_ok(comm->ops->barrier(comm));
        if (comm->rank == 0) d = open_set(set_of(NULL));
        same(d, alone, 0, un_dataset_info(alone)->images);
        expect_ok(un_dataset_keep(d, 100, 200));
        bool second =
            un_dataset_text_second(d, un_dataset_image_text(d, 100)) >= 0; /* the index of all images stays */
        assert_int_equal(mapped(), comm->rank > 0 && second);
        same(d, alone, 100, 200);
        un_dataset_close(d);
        assert_int_equal(mapped(), 0);
        un_dataset_close(alone);
        assert_int_equal(live_blocks(), before);
    }
}

/* The last rank has opened another pair of files, of the same content: it reads, and so with what is hidden from it. */
static void reads_itself(bool other, const char *why) {
    struct un_dataset_host host = {.comm = comm};
    struct one_set set = set_of(&host), first;
    char paths[2][512];
    struct make_files m = files_of(UN_TASK_NONE);
    make(UN_TASK_NONE);
    snprintf(paths[0], sizeof paths[0], "%s", scratch("other.img.h5"));
    snprintf(paths[1], sizeof paths[1], "%s", scratch("other.txt.h5"));
    if (other) expect_ok(make_files(&m, paths[0], paths[1]));
    first = set;
    if (other && last()) ONE_SET(&set, paths[0], paths[1]);
    set.data = first.data, set.soft_labels = true, set.host = &host;
    hidden = !other && last();
    struct un_dataset *d = open_set(set), *alone;
    hidden = false;
    assert_int_equal(host.own, last());
    if (last()) assert_non_null(strstr(host.why, why));
    alone = open_set(set_of(NULL));
    same(d, alone, 0, 300);
    un_dataset_close(d);
    un_dataset_close(alone);
}

static void test_reads_itself(void **state) {
    (void)state;
    if (comm->size == 1) return;
    reads_itself(true, "other files");
    reads_itself(false, "/proc/");
}

static void test_no_shared_memory(void **state) {
    (void)state;
    struct un_dataset_host host = {.comm = comm};
    make(UN_TASK_VQA);
    lacking = true;
    struct un_dataset *d = open_set(set_of(&host)), *alone;
    lacking = false;
    assert_int_equal(host.own, comm->rank > 0);
    if (comm->rank > 0) assert_non_null(strstr(host.why, "memfd_create: Function not implemented"));
    alone = open_set(set_of(NULL));
    same(d, alone, 0, 300);
    un_dataset_close(d);
    un_dataset_close(alone);
}

/* Only rank `failing` has no file: it says so; the others have their set, if they did not need it from that rank. */
static void fails_on(int failing) {
    struct un_dataset_host host = {.comm = comm};
    struct one_set set = set_of(&host);
    char missing[] = "nowhere.txt.h5";
    struct un_dataset *d;
    make(UN_TASK_NONE);
    if (comm->rank == failing) set.text[0] = missing;
    enum un_status status = one_set_open(&d, &set);
    if (comm->rank == failing)
        expect_error(status, UN_IO, "nowhere.txt.h5");
    else if (failing == 0)
        expect_error(status, UN_IO, "data set one", "the first rank of this host");
    else
        expect_ok(status);
    un_dataset_close(d);
    un_error_clear();
    d = open_set(set_of(&host)); /* all met: the next one is opened together */
    assert_int_equal(host.own, 0);
    un_dataset_close(d);
}

static void test_failures(void **state) {
    (void)state;
    fails_on(0);
    if (comm->size > 1) fails_on(comm->size - 1);
}

/* Each allocation fails once, of the first rank, then of the last. */
static void test_out_of_memory(void **state) {
    (void)state;
    make(UN_TASK_VCR);
    for (int failing = 0; failing<comm->size; failing += comm->size> 1 ? comm->size - 1 : 1) {
        uint64_t before = live_blocks();
        int64_t worst = 1;
        int n = 1;
        for (; worst > 0 && n < 1000; ++n) {
            struct un_dataset_host host = {.comm = comm};
            struct one_set set = set_of(&host);
            struct un_dataset *d;
            if (comm->rank == failing) un_memory_fail_at((uint64_t)n);
            enum un_status status = one_set_open(&d, &set);
            un_memory_fail_at(0);
            if (comm->rank == failing && status != UN_OK) assert_int_equal(status, UN_MEMORY);
            if (comm->rank != failing && failing > 0) assert_int_equal(status, UN_OK);
            un_error_clear();
            un_dataset_close(d);
            assert_int_equal(live_blocks(), before);
            worst = status;
            expect_ok(comm->ops->max_i64(comm, &worst, 1));
        }
        assert_true(n > 10 && n < 1000);
    }
}

int main(int argc, char **argv) {
    if (un_comm_open(&argc, &argv, &comm) != UN_OK) return 64;
    un_log_set(comm->rank, UN_LOG_ERROR);
    snprintf(img, sizeof img, "%s", scratch("set.img.h5"));
    snprintf(txt, sizeof txt, "%s", scratch("set.txt.h5"));
    enum un_status status = comm->ops->broadcast(comm, img, sizeof img, 0);
    if (status == UN_OK) status = comm->ops->broadcast(comm, txt, sizeof txt, 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same),
        cmocka_unit_test(test_reads_itself),
        cmocka_unit_test(test_no_shared_memory),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_out_of_memory),
    };
    int failed = status != UN_OK || cmocka_run_group_tests_name("io/dataset_share", tests, NULL, NULL);
    if (failed) comm->ops->abort(comm, 1); /* the others may wait in a collective this rank has skipped */
    (void)comm->ops->barrier(comm);
    scratch_remove();
    un_comm_close(comm);
    return failed || un_memory_counts().live_blocks != 0;
}
