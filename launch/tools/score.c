/* uniter score: how well a text and an image go together, by a network of pretraining or of retrieval. */
#include "launch/tools/tools.h"
#include "launch/use/lines.h"
#include "launch/use/session.h"
#include "runtime/config/keys.h"

#include <math.h>

struct score_keys {
    struct un_use_keys use;
    bool match, rank;
};
static const struct un_key keys[] = {
    UN_KEY_PART(score_keys, use, un_use_key_table),
    UN_KEY_BOOL(
        score_keys, match, "true",
        "the probability that text and image belong together, and the distance of the transport between "
        "words and regions"),
    UN_KEY_BOOL(score_keys, rank, "true",
                "the score of retrieval; without training for it, the logit of a match"),
};
static const struct un_key_table table = UN_KEY_TABLE("", score_keys, keys);

enum { MATCH, DISTANCE, RANK, NUMBERS };
enum { NET_MATCH, NET_RANK };

static void print(void *context, FILE *out, const struct un_use_pairs *pairs, int64_t index,
                  const float *result) {
    const struct score_keys *k = context;
    un_use_print_pair(out, pairs, index);
    if (k->match) un_use_print_number(out, "match", (double)result[MATCH]);
    if (k->match) un_use_print_number(out, "distance", (double)result[DISTANCE]);
    if (k->rank) un_use_print_number(out, "rank", (double)result[RANK]);
    fputs("}\n", out);
}

/* All pairs are asked as true ones: their loss is -ln of the probability. */
static enum un_status match(struct un_use_session *s, struct un_use_lines *lines) {
    const struct un_host_outputs *out = &s->net[NET_MATCH].outputs;
    UN_TRY(un_use_network_pass(&s->net[NET_MATCH], &s->pairs.batch));
    for (int64_t i = 0; i < s->pairs.n; ++i) {
        float *result = un_use_lines_put(lines, un_use_pairs_index(&s->pairs, i));
        result[MATCH] = expf(-out->row_loss[UN_ITM][i]);
        result[DISTANCE] = out->distance[i];
    }
    return UN_OK;
}

static enum un_status rank(struct un_use_session *s, struct un_use_lines *lines) {
    const struct un_host_outputs *out = &s->net[NET_RANK].outputs;
    UN_TRY(un_use_pairs_ask(&s->pairs, UN_ITM_RANK));
    UN_TRY(un_use_network_pass(&s->net[NET_RANK], &s->pairs.batch));
    for (int64_t i = 0; i < s->pairs.n; ++i)
        un_use_lines_put(lines, un_use_pairs_index(&s->pairs, i))[RANK] =
            out->score[UN_ITM_RANK][i * out->score_cols[UN_ITM_RANK]];
    return UN_OK;
}

static enum un_status run(struct un_use_session *s, const struct score_keys *k, struct un_use_lines *lines) {
    if (k->match) UN_TRY(un_use_session_network(s, NET_MATCH, UN_ITM, false));
    if (k->rank) UN_TRY(un_use_session_network(s, NET_RANK, UN_ITM_RANK, false));
    UN_TRY(un_use_lines_open(lines));
    for (;;) {
        UN_TRY(un_use_pairs_next(&s->pairs));
        if (s->pairs.n == 0) return UN_OK;
        if (k->match) UN_TRY(match(s, lines));
        if (k->rank) UN_TRY(rank(s, lines));
        UN_TRY(un_use_lines_flush(lines));
    }
}

/* Names: the weights, then pairs. */
static enum un_status run_score(const struct un_tool *tool, int n, char **words) {
    struct score_keys k = {0};
    struct un_arguments a;
    struct un_use_session s = {0};
    UN_TRY(un_arguments_read(&a, tool, n, words, 1, -1, &k));
    struct un_use_lines lines = {
        .pairs = &s.pairs, .out = stdout, .print = print, .context = &k, .width = NUMBERS};
    enum un_status status = UN_OK;
    if (!k.match && !k.rank) status = un_fail(UN_USAGE, "neither match nor rank: nothing to tell");
    if (status == UN_OK) status = un_use_session_open(&s, &k.use, a.names[0]);
    if (status == UN_OK) status = un_use_session_pairs(&s, a.names + 1, a.n - 1, UN_ITM_RANK);
    if (status == UN_OK) status = run(&s, &k, &lines);
    un_use_lines_close(&lines);
    un_use_session_close(&s);
    un_arguments_free(&a);
    return status;
}

static const struct un_tool list[] = {
    {"score", NULL, NULL, "RUN|CHECKPOINT|FILE.safetensors images=FILES [IMAGE TEXT ...] [key=value ...]",
     "how well texts and images go together, a line of JSON a pair", &table, run_score},
};
const struct un_tools un_tools_score = {list, sizeof list / sizeof *list};
