/* train, optim, valid, checkpoint: the arithmetic of a step. */
#include "io/convert/setup/private.h"

#include <stdio.h>
#include <string.h>

enum {
    TOKENS_MOST = 8192, /* of a lane: what one with more is cut into */
    EXAMPLES_MOST = 40, /* the same of examples */
    PAIR_TOKENS = 128,  /* of a pair of text and image: as long as most */
    TOKENS_UNIT = 4096, /* budgets that are estimates are whole multiples */
    BOTH_KINDS = 2      /* groups of a text's images and of an image's texts */
};

struct step {
    int64_t batch, accumulation, lanes, tokens, samples; /* samples 0: as many as fit */
    double scale;                                        /* of the loss */
    char why[256];                                       /* how the lanes come about */
};

static int64_t power_of_two(int64_t most) {
    int64_t n = 1;
    while (n * 2 <= most) n *= 2;
    return n;
}

static int64_t divide_up(int64_t a, int64_t b) {
    return (a + b - 1) / b;
}

/* Lanes: the greatest power of two within their micro-batches, doubled while a lane has more than `most`. */
static int64_t choose_lanes(const struct un_setup *s, const struct step *t, int64_t most) {
    int64_t lanes = power_of_two(s->cards * t->accumulation);
    while (divide_up(s->cards * t->accumulation * t->batch, lanes) > most) lanes *= 2;
    return lanes;
}

static void plan_tokens(const struct un_setup *s, struct step *t) {
    int64_t total = s->cards * t->accumulation * t->batch;
    t->lanes = choose_lanes(s, t, TOKENS_MOST);
    t->tokens = divide_up(total, t->lanes);
    t->scale = (double)t->accumulation;
    snprintf(t->why, sizeof t->why,
             "train_batch_size %lld tokens x %lld %s x gradient_accumulation_steps %lld = %lld a step",
             (long long)t->batch, (long long)s->cards, s->cards == 1 ? "card" : "cards",
             (long long)t->accumulation, (long long)total);
}

static void plan_examples(const struct un_setup *s, struct step *t, int64_t pairs) {
    int64_t total = s->cards * t->accumulation * t->batch;
    t->lanes = choose_lanes(s, t, EXAMPLES_MOST);
    t->samples = divide_up(total, t->lanes);
    t->tokens = divide_up(t->samples * pairs * PAIR_TOKENS, TOKENS_UNIT) * TOKENS_UNIT;
    t->scale = s->task == UN_SETUP_RE ? 1.0 / (double)s->cards : (double)t->accumulation;
    snprintf(t->why, sizeof t->why,
             "train_batch_size %lld x %lld %s x gradient_accumulation_steps %lld = %lld samples a step, "
             "pairs in each: %lld",
             (long long)t->batch, (long long)s->cards, s->cards == 1 ? "card" : "cards",
             (long long)t->accumulation, (long long)total, (long long)pairs);
}

/* Each of their passes takes a group of either kind; a group must fit whole. */
static enum un_status plan_groups(struct un_setup *s, struct step *t, int64_t hard) {
    int64_t words, regions;
    double conf;
    UN_TRY(un_setup_number(s, "conf_th", 0.2, &conf, NULL));
    UN_TRY(un_setup_whole(s, "max_txt_len", 1, 100000, 60, &words, NULL));
    UN_TRY(un_setup_whole(s, conf == -1 ? "num_bb" : "max_bb", 1, 100000, conf == -1 ? 36 : 100, &regions,
                          NULL));
    t->lanes = s->cards * t->batch;
    t->tokens = divide_up(BOTH_KINDS * (1 + hard) * (words + 2 + regions), TOKENS_UNIT) * TOKENS_UNIT;
    t->scale = BOTH_KINDS;
    snprintf(t->why, sizeof t->why,
             "train_batch_size %lld passes x %lld %s, a group of either kind each, of 1 + hard_neg_size "
             "pairs that fit whole",
             (long long)t->batch, (long long)s->cards, s->cards == 1 ? "card" : "cards");
    return UN_OK;
}

static enum un_status write_retrieval(struct un_setup *s, struct step *t) {
    bool given;
    char why[160], number[32];
    double margin;
    int64_t negatives, hard;
    UN_TRY(un_setup_number(s, "margin", 0.2, &margin, &given));
    un_setup_line(s, 2, un_setup_from(s, why, "margin", given), "margin: %s", un_setup_float(number, margin));
    if (s->task == UN_SETUP_ITM) {
        UN_TRY(un_setup_whole(s, "negative_size", 1, 4, 1, &negatives, &given));
        un_setup_line(s, 2, un_setup_from(s, why, "negative_size", given), "negatives: %lld",
                      (long long)negatives);
        plan_examples(s, t, 1 + 2 * negatives);
        return UN_OK;
    }
    UN_TRY(un_setup_whole(s, "negative_size", 1, 65536, 511, &negatives, &given));
    un_setup_line(s, 2, un_setup_from(s, why, "negative_size", given), "candidates: %lld",
                  (long long)negatives);
    UN_TRY(un_setup_whole(s, "hard_neg_size", 1, 1023, 31, &hard, &given));
    un_setup_line(s, 2, un_setup_from(s, why, "hard_neg_size", given), "hard_size: %lld", (long long)hard);
    return plan_groups(s, t, hard);
}

static enum un_status write_expressions(struct un_setup *s, struct step *t) {
    static const struct {
        const char *key;
        double absent;
    } keys[] = {{"margin", 0.2}, {"hard_ratio", 0.3}};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; ++i) {
        bool given;
        double value;
        char why[160], number[32];
        UN_TRY(un_setup_number(s, keys[i].key, keys[i].absent, &value, &given));
        if (given)
            un_setup_line(s, 2, un_setup_from(s, why, keys[i].key, given), "%s: %s", keys[i].key,
                          un_setup_float(number, value));
    }
    plan_examples(s, t, 1);
    return UN_OK;
}

static enum un_status write_mixture(struct un_setup *s, struct step *t) {
    static const struct {
        const char *key;
        double absent;
    } keys[] = {{"mrm_prob", 0.15}, {"itm_neg_prob", 0.5}, {"itm_ot_lambda", 0}};
    size_t n = s->task == UN_SETUP_PRETRAIN ? 3 : 1;
    for (size_t i = 0; i < n; ++i) {
        bool given;
        double value;
        char why[160], number[32];
        UN_TRY(un_setup_number(s, keys[i].key, keys[i].absent, &value, &given));
        un_setup_line(s, 2, un_setup_from(s, why, keys[i].key, given), "%s: %s", keys[i].key,
                      un_setup_float(number, value));
    }
    un_setup_line(
        s, 2,
        "mix_ratio: they draw one objective for all of a step; sample (configs/base.yaml) one for every text",
        "mixing: batch");
    plan_tokens(s, t);
    return UN_OK;
}

static void write_lanes(struct un_setup *s, const struct step *t) {
    const char *tokens =
        s->script->unit != UN_SETUP_TOKENS ? "room for its samples; --check says how many it holds"
        : s->cards * t->accumulation * t->batch % t->lanes ? "of a lane, padding excluded; rounded up"
                                                           : "of a lane, padding excluded";
    const char *scale =
        s->task == UN_SETUP_RE
            ? "their loss is summed over expressions and accumulation, and averaged over cards"
        : s->script->unit == UN_SETUP_GROUPS ? "a pass adds its two groups"
                                             : "they add accumulated means up, which clipping feels";
    char number[32];
    un_setup_comment(s, 2, "%s", t->why);
    un_setup_line(s, 2, "any number of ranks up to it shares them; powers of two train the same bits",
                  "lanes: %lld", (long long)t->lanes);
    un_setup_line(s, 2, tokens, "tokens_per_lane: %lld", (long long)t->tokens);
    if (t->samples) un_setup_line(s, 2, "of a lane", "samples_per_lane: %lld", (long long)t->samples);
    un_setup_line(s, 2, scale, "loss_scale: %s", un_setup_float(number, t->scale));
}

static enum un_status write_step(struct un_setup *s) {
    struct step t = {0};
    bool given, half;
    int64_t steps;
    char why[160];
    UN_TRY(un_setup_whole(s, "train_batch_size", 1, 1 << 24, s->script->batch, &t.batch, NULL));
    UN_TRY(un_setup_whole(s, "gradient_accumulation_steps", 1, 65536, s->script->accumulation,
                          &t.accumulation, NULL));
    UN_TRY(un_setup_whole(s, "num_train_steps", 1, 4000000000, s->script->steps, &steps, &given));
    UN_TRY(un_setup_flag(s, "fp16", &half));
    un_text_put(s->out, "train:\n");
    un_setup_line(s, 2, un_setup_from(s, why, "num_train_steps", given), "steps: %lld", (long long)steps);
    if (s->script->unit == UN_SETUP_GROUPS || s->task == UN_SETUP_ITM)
        UN_TRY(write_retrieval(s, &t));
    else if (s->task == UN_SETUP_RE)
        UN_TRY(write_expressions(s, &t));
    else if (!s->script->objective)
        UN_TRY(write_mixture(s, &t));
    else
        plan_tokens(s, &t);
    write_lanes(s, &t);
    un_setup_line(s, 2, half ? "fp16: bf16 on a card here" : "fp16: not asked for", "precision: %s",
                  half ? "auto" : "fp32");
    return UN_OK;
}

static enum un_status write_optim(struct un_setup *s) {
    double lr, lr_mul, decay, clip;
    int64_t warmup;
    bool given;
    char why[160], number[32], other[32];
    un_text_put(s->out, "optim:\n");
    UN_TRY(un_setup_number(s, "learning_rate", 3e-5, &lr, &given));
    un_setup_line(s, 2, un_setup_from(s, why, "learning_rate", given), "lr: %s", un_setup_float(number, lr));
    if (s->script->lr_mul > 0) {
        UN_TRY(un_setup_number(s, "lr_mul", s->script->lr_mul, &lr_mul, &given));
        un_setup_line(s, 2, un_setup_from(s, why, "lr_mul", given), "lr_mul: %s",
                      un_setup_float(number, lr_mul));
    }
    const json_t *betas = un_setup_get(s, "betas"), *b0 = json_array_get(betas, 0),
                 *b1 = json_array_get(betas, 1);
    if (betas && (json_array_size(betas) != 2 || !json_is_number(b0) || !json_is_number(b1)))
        return un_setup_wrong(s, "betas", "not two numbers");
    un_setup_line(s, 2, un_setup_from(s, why, "betas", betas != NULL), "betas: [%s, %s]",
                  un_setup_float(number, betas ? json_number_value(b0) : 0.9),
                  un_setup_float(other, betas ? json_number_value(b1) : 0.98));
    UN_TRY(un_setup_number(s, "weight_decay", s->script->decay, &decay, &given));
    un_setup_line(s, 2, un_setup_from(s, why, "weight_decay", given), "weight_decay: %s",
                  un_setup_float(number, decay));
    UN_TRY(un_setup_whole(s, "warmup_steps", 0, 4000000000, s->script->warmup, &warmup, &given));
    un_setup_line(s, 2, un_setup_from(s, why, "warmup_steps", given), "warmup_steps: %lld",
                  (long long)warmup);
    UN_TRY(un_setup_number(s, "grad_norm", s->script->clip, &clip, &given));
    if (clip == -1)
        un_setup_line(s, 2, "grad_norm: -1, never clipped", "grad_norm: 0");
    else
        un_setup_line(s, 2, un_setup_from(s, why, "grad_norm", given), "grad_norm: %s",
                      un_setup_float(number, clip));
    return UN_OK;
}

static enum un_status write_valid(struct un_setup *s) {
    int64_t every;
    bool given, whole, retrieval = s->task == UN_SETUP_ITM || s->task == UN_SETUP_ITM_HARD;
    char why[160];
    UN_TRY(un_setup_whole(s, "valid_steps", 1, 4000000000, s->script->valid, &every, &given));
    un_setup_from(s, why, "valid_steps", given);
    if (s->task == UN_SETUP_RE && !given)
        snprintf(why, sizeof why, "train_re.py validates after every epoch");
    un_text_put(s->out, "valid:\n");
    un_setup_line(s, 2, why, "every: %lld", (long long)every);
    if (retrieval) {
        UN_TRY(un_setup_flag(s, "full_val", &whole));
        un_setup_line(s, 2, "full_val", "retrieval: %s", whole ? "true" : "false");
    }
    un_text_put(s->out, "checkpoint:\n");
    un_setup_line(s, 2, "they save at every validation", "every: %lld", (long long)every);
    if (s->script->objective) un_setup_line(s, 2, "of a task the best is used", "best: true");
    return UN_OK;
}

enum un_status un_setup_write_train(struct un_setup *s) {
    UN_TRY(write_step(s));
    UN_TRY(write_optim(s));
    return write_valid(s);
}
