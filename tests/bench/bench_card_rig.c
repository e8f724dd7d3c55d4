/* Operands and clocks of bench_card (bench_card_rig.h). */
#include "tests/bench/bench_card_rig.h"

#include "runtime/memory.h"
#include "runtime/params.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BURST = 8, REPEATS = 15, PATTERN = 1000003 };

struct rig rig = {.wanted = ""};

void check(enum un_status status) {
    if (status == UN_OK) return;
    fprintf(stderr, "bench_card: %s\n", un_error_get()->text);
    exit(status);
}

static uint16_t half_of(uint32_t word, enum un_type type) {
    if (type == UN_F16) return (uint16_t)(0x3800u | (word & 0x3FFu)); /* 0.5 .. 1: features, soft labels */
    return (uint16_t)((word & 0x8000u) | 0x3E80u | (word & 0x7Fu));   /* +-0.25 .. 0.5 */
}

/* The first PATTERN elements are drawn, the rest repeats them: no power of two, so no two rows are alike. */
void *fresh(int64_t count, enum un_type type) {
    const int64_t drawn = count < PATTERN ? count : PATTERN;
    const size_t bytes = (size_t)(count * un_type_bytes(type)), first = (size_t)(drawn * un_type_bytes(type));
    unsigned char *on_card = rig.device->mem->alloc(rig.device, bytes, "benchmark"),
                  *host = un_alloc(first, 1, "benchmark");
    if (!on_card || !host) check(un_error_get()->status);
    for (int64_t i = 0; i < drawn; ++i) {
        uint32_t word = un_rng(1, UN_RNG_BENCH, 0, 0, 0, (uint32_t)i).v[0];
        if (type == UN_F32)
            ((float *)host)[i] = un_rng_unit(word) - 0.5f;
        else if (type == UN_U8)
            host[i] = word < 0x26000000u;
        else if (type == UN_E4M3 || type == UN_E5M2)
            host[i] =
                (unsigned char)((word & 0x80u) | 0x30u | (word & 0xFu)); /* +-0.5 .. 1.9, or 0.13 .. 1.75 */
        else
            ((uint16_t *)host)[i] = half_of(word, type);
    }
    rig.device->mem->copy_in(rig.queue, on_card, host, first);
    for (size_t done = first; done < bytes;) {
        const size_t rest = bytes - done, more = rest < done ? rest : done;
        rig.device->mem->copy(rig.queue, on_card + done, on_card, more);
        done += more;
    }
    check(rig.device->mem->queue_wait(rig.queue));
    un_free(host);
    return on_card;
}

int32_t *ints(const int32_t *host, int64_t count) {
    int32_t *on_card = rig.device->mem->alloc(rig.device, (size_t)count * sizeof *host, "benchmark");
    if (!on_card) check(un_error_get()->status);
    rig.device->mem->copy_in(rig.queue, on_card, host, (size_t)count * sizeof *host);
    check(rig.device->mem->queue_wait(rig.queue));
    return on_card;
}

struct operand mats(int64_t rows, int64_t cols, enum un_type type) {
    struct operand o;
    for (int i = 0; i < SETS; ++i) o.of[i] = un_mat(fresh(rows * cols, type), type, rows, cols);
    return o;
}

void release(struct operand *o) {
    for (int i = 0; i < SETS; ++i)
        if (o->of[i].data) rig.device->mem->free(rig.device, o->of[i].data);
    *o = (struct operand){0};
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Median seconds of one run. */
double seconds(void (*run)(void)) {
    double took[REPEATS];
    for (int i = -2; i < REPEATS; ++i) {
        rig.device->mem->event_record(rig.before, rig.queue);
        for (int k = 0; k < BURST; ++k) {
            rig.set = (rig.set + 1) % SETS;
            run();
        }
        rig.device->mem->event_record(rig.after, rig.queue);
        check(rig.device->mem->queue_wait(rig.queue));
        if (i >= 0) took[i] = rig.device->mem->event_seconds(rig.before, rig.after) / BURST;
    }
    qsort(took, REPEATS, sizeof *took, by_value);
    return took[REPEATS / 2];
}

/* bytes: read and written at least once each; flop: of the matrix units, 0 where bytes bound the op. */
void report(const char *name, double bytes, double flop, void (*run)(void)) {
    if (!strstr(name, rig.wanted)) return;
    double s = seconds(run);
    printf("{\"op\": \"%s\", \"us\": %.3f, \"GB_per_s\": %.1f, \"of_copy\": %.3f", name, s * 1e6,
           bytes / s * 1e-9, bytes / s / rig.copy_rate);
    if (flop > 0)
        printf(", \"TFLOP_per_s\": %.2f, \"of_matrix\": %.3f", flop / s * 1e-12, flop / s / rig.matrix_rate);
    printf("}\n");
    fflush(stdout);
}
