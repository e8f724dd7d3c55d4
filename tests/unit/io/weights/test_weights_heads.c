/* Heads of every task by their names: told, taken, left out, written back, refused where they are hostile. */
#include "io/weights/tools.h"
#include "runtime/memory.h"
#include "tests/support/expect.h"
#include "tests/unit/io/weights/task_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void test_other_heads(void **state) {
    (void)state;
    static const struct {
        const struct kind *file, *model;
        const char *told,
            *left; /* `left`: a tensor of the model that the file also has, and that is not taken */
    } cases[] = {{&vqa, &pretrained, "ignored (heads of vqa): vqa_output.* (6 tensors)", NULL},
                 {&vqa, &ve, "ignored (heads of vqa): vqa_output.* (6 tensors)", "vqa_output.0.weight"},
                 {&ve, &vqa, "ignored (heads of ve): vqa_output.* (6 tensors)", "vqa_output.2.weight"},
                 {&pair, &triplet, "ignored (heads of nlvr2_pair): nlvr2_output.bias", "nlvr2_output.bias"},
                 {&pair, &attn, "ignored (heads of nlvr2_pair): nlvr2_output.weight", "nlvr2_output.weight"},
                 {&attn, &pair, "ignored (heads of nlvr2_attn): attn1.* (4 tensors)", "nlvr2_output.weight"},
                 {&vcr, &second_stage, "ignored (heads of vcr): vcr_output.* (6 tensors)", NULL},
                 {&re, &re2, "ignored (heads of re): re_output.weight", NULL},
                 {&re2, &vqa, "ignored (heads of re): re_output.* (6 tensors)", NULL},
                 {&retrieval, &vqa, "ignored (heads of itm_rank): rank_output.weight", NULL}};
    struct loaded l;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        expect_ok(load(&l, *cases[i].model, file_of("other", *cases[i].file, same_name, NULL)));
        expect_whole(&l, "uniter.pooler.dense.weight");
        if (cases[i].left) expect_part(&l, cases[i].left, "", 0, 0);
        assert_int_equal(l.plan.unexpected, 0);
        expect_told(&l, cases[i].told);
        unload(&l);
    }
}

/* ---- every task, in and out ---- */

/* What `weights import` makes of a file: the network its tensors tell, written under our names. */
static enum un_status import(const char *from, const char *to, int64_t *taken) {
    struct un_weights_view view;
    struct un_weights_plan plan = {0};
    struct un_weights_sizes s;
    struct un_params table = {0};
    enum un_status status;
    UN_TRY_GOTO(un_weights_view_open(&view, from), out);
    un_weights_sizes_of(&s, &view);
    struct un_dims dims = weights_dims;
    dims.vocab_size = s.vocab_size;
    dims.type_vocab_size = s.type_vocab_size;
    dims.num_labels = s.num_labels;
    dims.re_layers = s.re_layers;
    dims.heads = s.tasks;
    UN_TRY_GOTO(un_model_params_build(&table, &dims), out);
    UN_TRY_GOTO(un_weights_plan_open(&plan, &view, &table, UN_FIT_EXACT), out);
    *taken = plan.taken;
    status = un_weights_write(&plan, to, UN_ST_F32, true, NULL, 0);
out:
    un_weights_plan_close(&plan);
    un_params_free(&table);
    un_weights_view_close(&view);
    return status;
}

static void test_round_trip(void **state) {
    (void)state;
    const struct {
        struct kind kind;
        un_objective_set tasks;
        const char *name;
        int copies;
    } cases[] = {{pretrained, 0, NULL, 2},
                 {second_stage, 0, NULL, 2},
                 {vqa, un_objective_bit(UN_VQA), "vqa", 0},
                 {ve, un_objective_bit(UN_VE), "ve", 0},
                 {triplet, un_objective_bit(UN_NLVR2_TRIPLET), "nlvr2_triplet", 0},
                 {pair, un_objective_bit(UN_NLVR2_PAIR), "nlvr2_pair", 0},
                 {attn, un_objective_bit(UN_NLVR2_ATTN), "nlvr2_attn", 0},
                 {vcr, un_objective_bit(UN_VCR), "vcr", 0},
                 {re, un_objective_bit(UN_RE), "re", 0},
                 {re2, un_objective_bit(UN_RE), "re", 0},
                 {retrieval, un_objective_bit(UN_ITM_RANK), "itm_rank", 0},
                 {hard, un_objective_bit(UN_ITM_RANK), "itm_rank", 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        char from[256], to[256];
        struct loaded l;
        struct un_weights_sizes s;
        snprintf(from, sizeof from, "%s", file_of("in", cases[i].kind, same_name, NULL));
        snprintf(to, sizeof to, "%s", scratch("out"));
        unlink(to);
        int64_t taken;
        expect_ok(import(from, to, &taken));
        expect_ok(load(&l, cases[i].kind, to));
        un_weights_sizes_of(&s, &l.view);
        assert_int_equal(s.tasks, cases[i].tasks);
        assert_int_equal(s.num_labels, i == 2 ? 9 : i == 3 ? 3 : 0);
        assert_int_equal(s.re_layers, i == 8 ? 1 : i == 9 ? 2 : 0);
        assert_int_equal(l.plan.taken, l.table.n);
        assert_int_equal(taken, l.table.n);
        assert_int_equal(l.view.n, l.table.n + cases[i].copies);
        const char *name = un_weights_task_name(s.tasks);
        assert_true(!name == !cases[i].name && (!name || strcmp(name, cases[i].name) == 0));
        for (int64_t k = 0; k < l.table.n; ++k)
            if (!l.table.list[k].zero_row0) expect_whole(&l, l.table.list[k].name);
        unload(&l);
    }
}

/* ---- wrong shapes ---- */

static const char *changed;
static void without_changed(const char *ours, char theirs[256]) {
    same_name(ours, theirs);
    if (strcmp(ours, changed) == 0) theirs[0] = '\0';
}

static void refuse(struct kind kind, const char *name, int64_t rows, int64_t cols, int rank,
                   const char *words) {
    struct loaded l;
    int64_t taken;
    uint64_t live = live_blocks();
    const struct weights_entry more[] = {{name, NULL, {rows, cols}, rank}, {0}};
    changed = name;
    const char *path = file_of("refused", kind, without_changed, more);
    expect_error(load(&l, kind, path), UN_USAGE, name, words);
    unload(&l);
    expect_error(import(path, scratch("never"), &taken), UN_USAGE, name, words);
    assert_int_not_equal(access(scratch("never"), F_OK), 0);
    assert_int_equal(live_blocks(), live);
}

static void test_wrong_shapes(void **state) {
    (void)state;
    refuse(vqa, "vqa_output.0.weight", 2 * WIDTH, WIDTH + 1, 2, "[16,9]");
    refuse(vqa, "vqa_output.3.bias", 8, 0, 1, "[8]");
    refuse(vcr, "vcr_output.3.weight", 3, 2 * WIDTH, 2, "[3,16]");
    refuse(attn, "attn1.in_proj_weight", WIDTH, 3 * WIDTH, 2, "[8,24]");
    refuse(attn, "attn2.in_proj_bias", WIDTH, 0, 1, "[8]");
    refuse(attn, "attn_pool.fc.0.weight", 2, WIDTH, 2, "[2,8]");
    refuse(pair, "nlvr2_output.weight", 2, 3 * WIDTH, 2, "[2,24]");
    refuse(re, "re_output.weight", 2, WIDTH, 2, "[2,8]");
    refuse(re2, "re_output.0.weight", WIDTH, 2 * WIDTH, 2, "[8,16]");
    refuse(retrieval, "rank_output.weight", 2, WIDTH, 2, "[2,8]");
    refuse(retrieval, "itm_output.weight", 1, WIDTH, 2, "[1,8]");
    refuse(retrieval, "itm_output.bias", 1, 0, 1, "[1]");
}

/* Hostile: what tells the head is no matrix, so no head is told and its tensors are not taken. */
static void test_no_matrix(void **state) {
    (void)state;
    static const char *const names[] = {"vqa_output.3.weight", "nlvr2_output.weight", "re_output.weight",
                                        "vcr_output.3.weight", "rank_output.weight"};
    const struct kind kinds[] = {vqa, pair, re, vcr, retrieval};
    for (int i = 0; i < 5; ++i) {
        struct loaded l;
        const struct weights_entry more[] = {{names[i], NULL, {3}, 1}, {0}};
        changed = names[i];
        expect_ok(load(&l, kinds[i], file_of("flat", kinds[i], without_changed, more)));
        assert_int_equal(l.plan.file.tasks, 0);
        if (i < 4) expect_part(&l, names[i], "", 0, 0);
        unload(&l);
    }
}

static int teardown(void **state) {
    (void)state;
    scratch_remove();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_other_heads),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_wrong_shapes),
        cmocka_unit_test(test_no_matrix),
    };
    return cmocka_run_group_tests_name("weights_heads", tests, NULL, teardown);
}
