/* Facts of ranks held against each other, and the kind of a machine. */
#include "launch/job/facts.h"
#include "launch/job/machine.h"
#include "tests/support/check.h"

#include <stdio.h>
#include <string.h>

static void note(void *context, const struct un_fact_pair *p) {
    char *text = context;
    size_t used = strlen(text);
    snprintf(text + used, 1024 - used, "%.*s:%.*s|%.*s;", p->key_bytes, p->key, p->mine ? p->mine_bytes : 1,
             p->mine ? p->mine : "-", p->theirs ? p->theirs_bytes : 1, p->theirs ? p->theirs : "-");
}

static int64_t compare(const struct un_facts *a, const struct un_facts *b, char story[1024]) {
    story[0] = '\0';
    return un_facts_compare(a->text.text, a->text.used, b->text.text, b->text.used, note, story);
}

static void differences_are_told_once_with_both_values(void **state) {
    (void)state;
    struct un_facts a = {0}, b = {0};
    char story[1024];
    un_facts_add(&a, "seed", "%d", 1);
    un_facts_add(&a, "lr", "%g", 0.5);
    un_facts_add(&a, "lr.more", "same");
    un_facts_add(&a, "only a", "x");
    un_facts_add(&b, "lr.more", "same"); /* another order is no difference */
    un_facts_add(&b, "seed", "%d", 12);
    un_facts_add(&b, "only b", "%s", "");
    un_facts_add(&b, "lr", "%g", 0.5);
    assert_int_equal(compare(&a, &b, story), 3);
    assert_string_equal(story, "seed:1|12;only a:x|-;only b:-|;");
    assert_int_equal(compare(&a, &a, story), 0);
    assert_string_equal(story, "");
    un_facts_free(&a);
    un_facts_free(&b);
}

static void names_of_files_cannot_make_lines(void **state) {
    (void)state;
    struct un_facts a = {0}, b = {0};
    char story[1024];
    un_facts_add(&a, "a\nfile\tx", "%s", "1\n2");
    un_facts_add(&b, "a?file?x", "%s", "1?2");
    assert_int_equal(compare(&a, &b, story), 0);
    assert_int_equal(a.text.used, strlen("a?file?x\t1?2\n"));
    un_facts_free(&a);
    un_facts_free(&b);
}

static void texts_of_others_are_read_with_care(void **state) {
    (void)state;
    static const char *const odd[] = {
        "", "\n", "no tab\n", "key\tvalue without an end", "\t\n", "a\tb\nno tab\n"};
    static const char mine[] = "a\tb\n";
    char story[1024];
    for (size_t i = 0; i < sizeof odd / sizeof *odd; ++i) {
        story[0] = '\0';
        int64_t n = un_facts_compare(mine, sizeof mine - 1, odd[i], strlen(odd[i]), note, story);
        assert_in_range(n, 0, 2);
        if (i < 4) assert_int_equal(n, 1);
    }
}

static void processors_are_told_apart_by_what_matters(void **state) {
    (void)state;
    static const char intel[] =
        "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 85\nmodel name\t: "
        "Intel(R) Xeon(R) Gold 6148\nstepping\t: 4\nmicrocode\t: 0x2006\ncpu MHz\t\t: 2400.000\n"
        "flags\t\t: fpu sse4_2 avx avx2 fma avx512f ibrs\n\nprocessor\t: 1\nvendor_id\t: X\n";
    static const char later[] =
        "processor\t: 5\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 85\nmodel name\t: "
        "Intel(R) Xeon(R) Gold 6148\nstepping\t: 7\nmicrocode\t: 0x1\ncpu MHz\t\t: 1000.000\n"
        "flags\t\t: fpu sse4_2 avx avx2 fma avx512f stibp md_clear\n\n";
    static const char arm[] =
        "processor\t: 0\nBogoMIPS\t: 50.00\nFeatures\t: fp asimd sve\nCPU implementer\t: 0x41\n"
        "CPU variant\t: 0x1\nCPU part\t: 0xd40\n\n";
    char a[UN_MACHINE_TEXT], b[UN_MACHINE_TEXT];
    un_machine_parse(a, intel);
    assert_string_equal(a, "GenuineIntel 6 85 Intel(R) Xeon(R) Gold 6148 (sse4_2 avx avx2 fma avx512f)");
    un_machine_parse(b, later); /* stepping, microcode, clock and mitigations do not change sums */
    assert_string_equal(a, b);
    un_machine_parse(b, arm);
    assert_non_null(strstr(b, "asimd sve"));
    assert_non_null(strstr(b, "0xd40"));
    un_machine_instructions(a, intel); /* products of bf16 have one order */
    assert_string_equal(a, "instructions (avx2 fma)");
    un_machine_instructions(b, arm);
    assert_string_equal(b, "instructions (asimd)");
    un_machine_parse(b, "");
    assert_string_equal(b, "unknown");
    struct un_device device = {.kind = UN_DEVICE_CPU};
    un_machine_processor(b, &device, UN_F32); /* of this machine: anything, but something */
    assert_true(strlen(b) > 3);
}

static void kernels_do_not_tell_what_ranks_of_a_machine_differ_in(void **state) {
    (void)state;
    struct un_device d = {.kind = UN_DEVICE_CPU,
                          .name = "cpu, 1 thread, OpenBLAS 0.3.21 Haswell; bf16: avx2"};
    char a[UN_MACHINE_TEXT], b[UN_MACHINE_TEXT];
    un_machine_kernels(a, &d, UN_F32);
    assert_string_equal(a, "cpu, OpenBLAS 0.3.21 Haswell");
    strcpy(d.name, "cpu, 16 threads, OpenBLAS 0.3.21 Haswell; bf16: plain");
    un_machine_kernels(b, &d, UN_F32);
    assert_string_equal(a, b);
    un_machine_kernels(a, &d, UN_BF16);
    strcpy(d.name, "cpu, 1 thread, OpenBLAS 0.3.28 SkylakeX; bf16: amx");
    un_machine_kernels(b, &d, UN_BF16); /* one order, whatever computes it */
    assert_string_equal(a, b);
    un_machine_kind(b, &d, UN_BF16);
    assert_null(strstr(b, "SkylakeX"));
    assert_non_null(strstr(b, "glibc"));
    d.kind = UN_DEVICE_CUDA;
    strcpy(d.name, "cuda 3: NVIDIA H100, 85 GB, driver 12.4, sm_90");
    un_machine_kernels(a, &d, UN_BF16);
    assert_string_equal(a, "card: NVIDIA H100, 85 GB, driver 12.4, sm_90");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(differences_are_told_once_with_both_values),
        cmocka_unit_test(names_of_files_cannot_make_lines),
        cmocka_unit_test(texts_of_others_are_read_with_care),
        cmocka_unit_test(processors_are_told_apart_by_what_matters),
        cmocka_unit_test(kernels_do_not_tell_what_ranks_of_a_machine_differ_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
