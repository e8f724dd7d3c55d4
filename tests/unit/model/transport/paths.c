/* See paths.h: whole units of 1/(n m) go, as many as a path takes, along the path that is shortest by what is left of the arcs. Of costs that
 * may be below zero the distances are found by relaxing until nothing changes. */
#include "tests/unit/model/transport/paths.h"

#include <math.h>
#include <string.h>

struct net {
    const float *cost;
    int64_t n, m;
    double tiny;                                            /* what rounding makes of nothing */
    int64_t left[PATHS_MOST];                               /* supply of rows, demand of columns */
    int64_t flow[PATHS_MOST * PATHS_MOST / 4 + PATHS_MOST]; /* [n,m] */
    double far[PATHS_MOST];
    int64_t from[PATHS_MOST];
};

static int relax(struct net *g, int64_t from, int64_t to, double length) {
    if (g->far[from] + length >= g->far[to] - g->tiny) return 0;
    g->far[to] = g->far[from] + length;
    g->from[to] = from;
    return 1;
}

/* Distances from all rows that have something left. */
static void find_paths(struct net *g) {
    for (int64_t v = 0; v < g->n + g->m; ++v) g->far[v] = v < g->n && g->left[v] > 0 ? 0 : INFINITY;
    for (int64_t v = 0; v < g->n + g->m; ++v) g->from[v] = -1;
    for (int changed = 1; changed;) {
        changed = 0;
        for (int64_t i = 0; i < g->n; ++i)
            for (int64_t j = 0; j < g->m; ++j) {
                double length = (double)g->cost[i * g->m + j];
                changed |= relax(g, i, g->n + j, length);
                if (g->flow[i * g->m + j] > 0) changed |= relax(g, g->n + j, i, -length);
            }
    }
}

static int64_t *flow_of(struct net *g, int64_t from, int64_t to) {
    return from < g->n ? &g->flow[from * g->m + to - g->n] : &g->flow[to * g->m + from - g->n];
}

double paths_distance(const float *cost, int64_t n, int64_t m) {
    static struct net g;
    double sum = 0;
    memset(&g, 0, sizeof g);
    g.cost = cost, g.n = n, g.m = m;
    for (int64_t i = 0; i < n * m; ++i) g.tiny = fmax(g.tiny, 1e-12 * fabs((double)cost[i]));
    for (int64_t v = 0; v < n + m; ++v) g.left[v] = v < n ? m : n;
    for (;;) {
        int64_t end = -1;
        find_paths(&g);
        for (int64_t v = n; v < n + m; ++v)
            if (g.left[v] > 0 && (end < 0 || g.far[v] < g.far[end])) end = v;
        if (end < 0) break;
        int64_t amount = g.left[end], v = end;
        for (; g.from[v] >= 0; v = g.from[v])
            if (v < n && *flow_of(&g, g.from[v], v) < amount) amount = *flow_of(&g, g.from[v], v);
        if (g.left[v] < amount) amount = g.left[v];
        g.left[v] -= amount;
        g.left[end] -= amount;
        for (v = end; g.from[v] >= 0; v = g.from[v]) *flow_of(&g, g.from[v], v) += v < n ? -amount : amount;
    }
    for (int64_t i = 0; i < n * m; ++i) sum += (double)g.flow[i] * (double)cost[i];
    return sum / (double)(n * m);
}
