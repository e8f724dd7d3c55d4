/* The network simplex (exact.h). Nodes: rows, columns, and a root that an arc of great cost joins with each of them, so that
 * the first tree is at hand. All arcs leave rows and enter columns: that of node v and its parent goes up where v is a row,
 * down where it is a column. The leaving arc is chosen so that every arc without flow goes up (a strongly feasible tree):
 * then no sequence of pivots returns to a tree it has seen. */
#include "model/transport/exact.h"

#include "runtime/memory.h"

#include <math.h>

enum { NONE = -1 };

struct node {
    int64_t parent, depth;
    int64_t child, next, last; /* first child, siblings */
    int64_t flow;              /* on the arc to the parent, in 1/(n m) */
    double potential;
};
struct tree {
    struct node *node; /* [n + m + 1] */
    int64_t n, m, root;
    const float *cost;
    double great;     /* of an arc of the root */
    double tolerance; /* of reduced costs */
    int64_t scan;     /* arc at which the search for the next one begins */
};
struct arc {
    int64_t row, column; /* nodes */
};

static double cost_of(const struct tree *t, int64_t row, int64_t column) {
    return (double)t->cost[row * t->m + column - t->n];
}

static bool goes_up(const struct tree *t, int64_t v) {
    return v < t->n;
}

static double cost_up(const struct tree *t, int64_t v) {
    int64_t parent = t->node[v].parent;
    if (parent == t->root) return t->great;
    return goes_up(t, v) ? cost_of(t, v, parent) : cost_of(t, parent, v);
}

static double reduced(const struct tree *t, struct arc a) {
    return cost_of(t, a.row, a.column) + t->node[a.row].potential - t->node[a.column].potential;
}

/* ---- the tree ---- */

static void hang(struct tree *t, int64_t v, int64_t parent) {
    struct node *node = t->node;
    node[v].parent = parent;
    node[v].last = NONE;
    node[v].next = node[parent].child;
    if (node[v].next != NONE) node[node[v].next].last = v;
    node[parent].child = v;
}

static void take_off(struct tree *t, int64_t v) {
    struct node *node = t->node;
    if (node[v].last != NONE)
        node[node[v].last].next = node[v].next;
    else
        node[node[v].parent].child = node[v].next;
    if (node[v].next != NONE) node[node[v].next].last = node[v].last;
}

static void set_potential(struct tree *t, int64_t v) {
    struct node *node = t->node;
    double from = node[node[v].parent].potential;
    node[v].potential = goes_up(t, v) ? from - cost_up(t, v) : from + cost_up(t, v);
    node[v].depth = node[node[v].parent].depth + 1;
}

/* Depths and potentials of all below `top`, and its own. */
static void renew(struct tree *t, int64_t top) {
    const struct node *node = t->node;
    int64_t v = top;
    for (;;) {
        set_potential(t, v);
        if (node[v].child != NONE) {
            v = node[v].child;
            continue;
        }
        while (v != top && node[v].next == NONE) v = node[v].parent;
        if (v == top) return;
        v = node[v].next;
    }
}

/* The part below `out`, cut off, hangs under `to` by its node `in`; `flow` is on the new arc. */
static void move(struct tree *t, int64_t out, int64_t in, int64_t to, int64_t flow) {
    int64_t v = in, parent = to;
    for (;;) {
        int64_t above = t->node[v].parent, old = t->node[v].flow;
        take_off(t, v);
        t->node[v].flow = flow;
        hang(t, v, parent);
        if (v == out) break;
        parent = v;
        v = above;
        flow = old;
    }
    renew(t, in);
}

/* ---- pivots ---- */

/* The arc of the most negative reduced cost in the first block that has one. */
static bool find_entering(struct tree *t, struct arc *found) {
    int64_t arcs = t->n * t->m, block = (int64_t)ceil(sqrt((double)arcs)) + 16;
    double least = -t->tolerance;
    bool any = false;
    for (int64_t seen = 0; seen < arcs; ++seen) {
        struct arc a = {t->scan / t->m, t->n + t->scan % t->m};
        double r = reduced(t, a);
        if (r < least) {
            least = r;
            *found = a;
            any = true;
        }
        if (++t->scan == arcs) t->scan = 0;
        if (any && seen % block == block - 1) return true;
    }
    return any;
}

static int64_t meeting(const struct tree *t, int64_t a, int64_t b) {
    while (a != b) {
        if (t->node[a].depth >= t->node[b].depth)
            a = t->node[a].parent;
        else
            b = t->node[b].parent;
    }
    return a;
}

/* Flow goes from the row to the column of the entering arc and back through the tree: against the arcs that go up on the side of
 * the row, and against those that go down on the side of the column. Of equal ones that leaves which comes last on this way
 * from where the sides meet. */
static int64_t find_leaving(const struct tree *t, struct arc a, int64_t top, bool *of_row) {
    int64_t out = NONE, least = INT64_MAX;
    for (int64_t v = a.row; v != top; v = t->node[v].parent)
        if (goes_up(t, v) && t->node[v].flow < least) {
            least = t->node[v].flow;
            out = v;
            *of_row = true;
        }
    for (int64_t v = a.column; v != top; v = t->node[v].parent)
        if (!goes_up(t, v) && t->node[v].flow <= least) {
            least = t->node[v].flow;
            out = v;
            *of_row = false;
        }
    return out;
}

static void pivot(struct tree *t, struct arc a) {
    bool of_row = false;
    int64_t top = meeting(t, a.row, a.column), out = find_leaving(t, a, top, &of_row);
    UN_ASSERT(out != NONE); /* the cycle has an arc against it: costs are finite */
    int64_t amount = t->node[out].flow;
    for (int64_t v = a.row; v != top; v = t->node[v].parent)
        t->node[v].flow += goes_up(t, v) ? -amount : amount;
    for (int64_t v = a.column; v != top; v = t->node[v].parent)
        t->node[v].flow += goes_up(t, v) ? amount : -amount;
    if (of_row)
        move(t, out, a.row, a.column, amount);
    else
        move(t, out, a.column, a.row, amount);
}

/* ---- the problem ---- */

static enum un_status check(const float *cost, int64_t n, int64_t m, double *largest) {
    if (n < 1 || m < 1 || n > UN_EXACT_MOST || m > UN_EXACT_MOST)
        return un_fail(UN_USAGE, "a transport between %lld and %lld points, 1 to %d are possible",
                       (long long)n, (long long)m, UN_EXACT_MOST);
    for (int64_t i = 0; i < n * m; ++i) {
        if (!isfinite(cost[i]))
            return un_fail(UN_DATA, "the cost of transport from %lld to %lld is %g", (long long)(i / m),
                           (long long)(i % m), (double)cost[i]);
        if (fabs((double)cost[i]) > *largest) *largest = fabs((double)cost[i]);
    }
    return UN_OK;
}

/* Everything goes through the root. */
static void begin(struct tree *t, double largest) {
    t->great = (double)(t->n + t->m + 1) * (largest > 0 ? largest : 1);
    t->tolerance = 1e-15 * (double)(t->n + t->m) * t->great;
    t->node[t->root] = (struct node){.parent = NONE, .child = NONE, .next = NONE, .last = NONE};
    for (int64_t v = 0; v < t->root; ++v) {
        t->node[v].child = NONE;
        hang(t, v, t->root);
        t->node[v].flow = goes_up(t, v) ? t->m : t->n;
        set_potential(t, v);
    }
}

/* The potentials of the tree, and of each row as low as all its arcs allow, so that the bound holds as it is computed. */
static double bound_of(const struct tree *t) {
    double sum = 0;
    for (int64_t j = 0; j < t->m; ++j) sum += t->node[t->n + j].potential / (double)t->m;
    for (int64_t i = 0; i < t->n; ++i) {
        double least = INFINITY;
        for (int64_t j = 0; j < t->m; ++j) {
            double r = cost_of(t, i, t->n + j) - t->node[t->n + j].potential;
            least = r < least ? r : least;
        }
        sum += least / (double)t->n;
    }
    return sum;
}

static void tell(const struct tree *t, double *plan, struct un_exact *told) {
    double share = 1.0 / ((double)t->n * (double)t->m);
    for (int64_t i = 0; i < t->n * t->m; ++i) plan[i] = 0;
    told->distance = 0;
    for (int64_t v = 0; v < t->root; ++v) {
        int64_t parent = t->node[v].parent;
        if (t->node[v].flow == 0) continue;
        UN_ASSERT(parent != t->root); /* its arcs cost more than any way around them */
        int64_t row = goes_up(t, v) ? v : parent, column = (goes_up(t, v) ? parent : v) - t->n;
        double mass = (double)t->node[v].flow * share;
        plan[row * t->m + column] = mass;
        told->distance += mass * (double)t->cost[row * t->m + column];
        ++told->entries;
    }
    told->bound = bound_of(t);
}

enum un_status un_exact_plan(double *plan, struct un_exact *told, const float *cost, int64_t n, int64_t m) {
    struct tree t = {.n = n, .m = m, .root = n + m, .cost = cost};
    struct arc entering;
    double largest = 0;
    *told = (struct un_exact){0};
    UN_TRY(check(cost, n, m, &largest));
    t.node = un_alloc((size_t)(n + m + 1), sizeof *t.node, "tree of a transport");
    if (!t.node) return UN_MEMORY;
    begin(&t, largest);
    while (find_entering(&t, &entering)) {
        pivot(&t, entering);
        ++told->pivots;
    }
    tell(&t, plan, told);
    un_free(t.node);
    return UN_OK;
}

struct un_plan_worth un_plan_judge(const double *plan, const float *cost, int64_t n, int64_t m) {
    struct un_plan_worth worth = {0};
    for (int64_t i = 0; i < n; ++i) {
        double sum = 0;
        for (int64_t j = 0; j < m; ++j) {
            sum += plan[i * m + j];
            worth.distance += plan[i * m + j] * (double)cost[i * m + j];
            worth.entries += plan[i * m + j] * (double)n * (double)m > 1e-3;
        }
        worth.row_error = fmax(worth.row_error, fabs(sum * (double)n - 1));
    }
    for (int64_t j = 0; j < m; ++j) {
        double sum = 0;
        for (int64_t i = 0; i < n; ++i) sum += plan[i * m + j];
        worth.column_error = fmax(worth.column_error, fabs(sum * (double)m - 1));
    }
    return worth;
}
