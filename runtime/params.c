/* The table of parameters, and their initial values.
 *
 * Law of a normal element e of a tensor: Philox at (e/4, fnv1a64(name)) gives four words, (w0, w1) and (w2,
 * w3); the pair (a, b) gives the normals r cos t and r sin t with r = sqrt(-2 ln((a + 1/2) / 2^32)), t = 2 pi
 * b / 2^32 (Box and Muller, 1958), elements 4q .. 4q+3 in this order, in double and then rounded to float. So
 * a value depends on seed, name and element alone, not on the order of the table nor on the other tensors. */
#include "runtime/params.h"
#include "runtime/memory.h"
#include "runtime/ops.h"
#include "runtime/rng.h"
#include <inttypes.h>
#include <math.h>
#include <string.h>

static int64_t round_up(int64_t n) {
    return (n + UN_PARAM_ALIGN - 1) / UN_PARAM_ALIGN * UN_PARAM_ALIGN;
}

static bool decays(const char *name) {
    static const char *const spared[] = {"bias", "LayerNorm.bias", "LayerNorm.weight"};
    for (size_t i = 0; i < sizeof spared / sizeof *spared; ++i)
        if (strstr(name, spared[i]) != NULL) return false;
    return true;
}

/* Tables come from our own code, but their sizes from configurations and files. */
static enum un_status check_new(const struct un_params *params, const char *name, int64_t shape0,
                                int64_t shape1, bool glued) {
    if (strlen(name) >= sizeof params->list->name)
        return un_fail(UN_INTERNAL, "parameter %s: name of more than %zu bytes", name,
                       sizeof params->list->name - 1);
    int64_t count;
    if (shape0 < 1 || shape1 < 0 || __builtin_mul_overflow(shape0, shape1 == 0 ? 1 : shape1, &count) ||
        count > INT64_MAX / 8 - params->total)
        return un_fail(UN_INTERNAL, "parameter %s: shape %" PRId64 " x %" PRId64, name, shape0, shape1);
    if (un_params_find(params, name) >= 0) return un_fail(UN_INTERNAL, "parameter %s: added twice", name);
    if (glued && (params->n == 0 || params->list[params->n - 1].decay != decays(name)))
        return un_fail(UN_INTERNAL, "parameter %s: glued to nothing, or to one of another decay", name);
    return UN_OK;
}

int64_t un_params_add(struct un_params *params, const char *name, int64_t shape0, int64_t shape1,
                      enum un_init init, bool glued) {
    if (check_new(params, name, shape0, shape1, glued) != UN_OK) return -1;
    if (params->n == params->capacity) {
        int64_t capacity = params->capacity == 0 ? 64 : 2 * params->capacity;
        void *list = params->list;
        if (un_grow(&list, (size_t)params->n, (size_t)capacity, sizeof *params->list,
                    "table of parameters") != UN_OK)
            return -1;
        params->list = list;
        params->capacity = capacity;
    }
    struct un_param *last = params->n == 0 ? NULL : &params->list[params->n - 1],
                    *p = &params->list[params->n];
    *p = (struct un_param){.offset = glued ? last->offset + last->count : params->total,
                           .count = shape0 * (shape1 == 0 ? 1 : shape1),
                           .shape = {shape0, shape1},
                           .ndim = shape1 == 0 ? 1 : 2,
                           .decay = decays(name),
                           .glued = glued,
                           .init = init};
    memcpy(p->name, name, strlen(name) + 1);
    params->total = round_up(p->offset + p->count);
    params->trained += p->count;
    return params->n++;
}

void un_params_free(struct un_params *params) {
    un_free(params->list);
    *params = (struct un_params){0};
}

int64_t un_params_find(const struct un_params *params, const char *name) {
    for (int64_t i = 0; i < params->n; ++i)
        if (strcmp(params->list[i].name, name) == 0) return i;
    return -1;
}

/* Fowler, Noll and Vo's hash 1a, 64 bits. */
static uint64_t fnv1a64(const char *text) {
    uint64_t hash = 0xcbf29ce484222325u;
    for (; *text != '\0'; ++text) hash = (hash ^ (unsigned char)*text) * 0x100000001b3u;
    return hash;
}

/* Four normals of range 1 from the words of one call. */
static void normals(struct un_rng4 w, double normal[4]) {
    static const double turn = 6.283185307179586476925286766559; /* 2 pi */
    for (int pair = 0; pair < 2; ++pair) {
        double radius = sqrt(-2.0 * log((w.v[2 * pair] + 0.5) * 0x1p-32));
        double angle = turn * (w.v[2 * pair + 1] * 0x1p-32);
        normal[2 * pair] = radius * cos(angle);
        normal[2 * pair + 1] = radius * sin(angle);
    }
}

static void init_normal(const struct un_param *p, float *values, uint64_t seed, float range) {
    uint64_t hash = fnv1a64(p->name);
    uint32_t k0 = un_rng_key0(seed), k1 = un_rng_key1(seed, UN_RNG_INIT);
    for (int64_t first = 0; first < p->count; first += 4) {
        uint64_t quad = (uint64_t)first / 4;
        double normal[4];
        normals(
            un_philox((uint32_t)quad, (uint32_t)(quad >> 32), (uint32_t)hash, (uint32_t)(hash >> 32), k0, k1),
            normal);
        int64_t end = first + 4 < p->count ? first + 4 : p->count;
        for (int64_t e = first; e < end; ++e) values[e] = (float)(normal[e - first] * range);
    }
}

static double uniform_bound(const struct un_param *p) {
    if (p->init == UN_INIT_TORCH) return 1 / sqrt((double)p->shape[p->ndim - 1]);
    return sqrt(6.0 / (double)(p->shape[0] + p->shape[1])); /* PyTorch's xavier_uniform_ */
}

static void init_uniform(const struct un_param *p, float *values, uint64_t seed, double bound) {
    uint64_t hash = fnv1a64(p->name);
    uint32_t k0 = un_rng_key0(seed), k1 = un_rng_key1(seed, UN_RNG_INIT);
    for (int64_t e = 0; e < p->count; ++e) {
        uint64_t quad = (uint64_t)e / 4;
        struct un_rng4 w =
            un_philox((uint32_t)quad, (uint32_t)(quad >> 32), (uint32_t)hash, (uint32_t)(hash >> 32), k0, k1);
        values[e] = (float)(bound * ((w.v[e % 4] + 0.5) * 0x1p-31 - 1));
    }
}

void un_params_init(const struct un_params *params, float *values, uint64_t seed, float range) {
    memset(values, 0, (size_t)params->total * sizeof *values);
    for (int64_t i = 0; i < params->n; ++i) {
        const struct un_param *p = &params->list[i];
        float *tensor = values + p->offset;
        if (p->init == UN_INIT_NORMAL) init_normal(p, tensor, seed, range);
        if (p->init == UN_INIT_XAVIER || p->init == UN_INIT_TORCH)
            init_uniform(p, tensor, seed, uniform_bound(p));
        if (p->init == UN_INIT_ONE)
            for (int64_t e = 0; e < p->count; ++e) tensor[e] = 1.0f;
        if (p->zero_row0) memset(tensor, 0, (size_t)(p->count / p->shape[0]) * sizeof *tensor);
    }
}

void un_params_decay_map(const struct un_params *params, uint8_t *map) {
    memset(map, 0, (size_t)(params->total / UN_PARAM_ALIGN));
    for (int64_t i = 0; i < params->n; ++i) {
        const struct un_param *p = &params->list[i];
        int64_t first = p->offset / UN_PARAM_ALIGN, end = round_up(p->offset + p->count) / UN_PARAM_ALIGN;
        int flags =
            (p->decay ? UN_DECAY_DECAYS : 0) | (p->fast ? UN_DECAY_FAST : 0) | (p->left ? UN_DECAY_LEFT : 0);
        memset(map + first, flags, (size_t)(end - first));
    }
}
