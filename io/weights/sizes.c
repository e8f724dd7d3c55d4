/* What network a set of tensors is: sizes by shapes, the task by the heads that are there. */
#include "io/weights/weights.h"
#include <stdlib.h>
#include <string.h>

enum { VE_LABELS = 3 };

/* Sides of the head of nlvr2 while tensors are seen one by one. */
struct seen {
    int64_t label_width;
    bool looks; /* one side attends to the other */
};

static void add_task(struct un_weights_sizes *s, enum un_objective t) {
    s->tasks |= un_objective_bit(t);
}

/* A head counts when the tensor is there that tells its form. */
static void add_head(struct un_weights_sizes *s, struct seen *seen, const char *name, int64_t rows,
                     int64_t cols) {
    s->pretraining = s->pretraining || un_weights_head_of(name) == UN_HEAD_PRETRAINING;
    if (rows <= 0 || cols <= 0) return;
    if (strcmp(name, "vqa_output.3.weight") == 0) {
        s->num_labels = rows;
        add_task(s, rows == VE_LABELS ? UN_VE : UN_VQA);
    }
    if (strcmp(name, "re_output.weight") == 0 || strcmp(name, "re_output.0.weight") == 0) {
        s->re_layers = name[sizeof "re_output." - 1] == '0' ? 2 : 1;
        add_task(s, UN_RE);
    }
    if (strcmp(name, "vcr_output.3.weight") == 0) add_task(s, UN_VCR);
    if (strcmp(name, "rank_output.weight") == 0) add_task(s, UN_ITM_RANK);
    if (strcmp(name, "nlvr2_output.weight") == 0) seen->label_width = cols;
    if (strcmp(name, "attn1.in_proj_weight") == 0) seen->looks = true;
}

static void add_body(struct un_weights_sizes *s, const char *name, int64_t rows, int64_t cols) {
    const struct {
        const char *name;
        int64_t *rows, *cols;
    } known[] = {
        {"uniter.embeddings.word_embeddings.weight", &s->vocab_size, &s->hidden_size},
        {"uniter.embeddings.position_embeddings.weight", &s->max_position_embeddings, NULL},
        {"uniter.embeddings.token_type_embeddings.weight", &s->type_vocab_size, NULL},
        {"uniter.encoder.layer.0.intermediate.dense.weight", &s->intermediate_size, NULL},
        {"uniter.img_embeddings.img_linear.weight", NULL, &s->img_dim},
        {"region_classifier.net.3.weight", &s->img_label_dim, NULL},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; ++i) {
        if (strcmp(known[i].name, name) != 0) continue;
        if (known[i].rows) *known[i].rows = rows;
        if (known[i].cols) *known[i].cols = cols;
    }
}

static void add(struct un_weights_sizes *s, struct seen *seen, const char *name, int rank,
                const int64_t *shape) {
    static const char layer[] = "uniter.encoder.layer.";
    bool matrix = rank == 2;
    add_head(s, seen, name, matrix ? shape[0] : 0, matrix ? shape[1] : 0);
    if (matrix) add_body(s, name, shape[0], shape[1]);
    if (strncmp(name, layer, sizeof layer - 1) != 0) return;
    char *end;
    long long number = strtoll(name + sizeof layer - 1, &end, 10);
    if (*end == '.' && number >= 0 && number < 1024 && number >= s->num_hidden_layers)
        s->num_hidden_layers = number + 1;
}

/* The three of nlvr2 differ by what is joined: one pooled vector, two, or two pooled by attention. */
static void settle(struct un_weights_sizes *s, const struct seen *seen) {
    if (seen->label_width == 0) return;
    bool one = seen->label_width == s->hidden_size;
    add_task(s, seen->looks ? UN_NLVR2_ATTN : one ? UN_NLVR2_TRIPLET : UN_NLVR2_PAIR);
}

void un_weights_sizes_of(struct un_weights_sizes *sizes, const struct un_weights_view *view) {
    enum un_weights_names names = un_weights_names_of(view);
    struct seen seen = {0};
    char name[UN_WEIGHTS_NAME];
    *sizes = (struct un_weights_sizes){0};
    for (int64_t i = 0; i < view->n; ++i) {
        const struct un_st_tensor *t = &view->list[i];
        enum un_weights_kind kind = un_weights_name(names, t->name, name);
        if (kind == UN_WEIGHTS_TAKEN || kind == UN_WEIGHTS_COPY) add(sizes, &seen, name, t->rank, t->shape);
    }
    settle(sizes, &seen);
}

void un_weights_sizes_of_table(struct un_weights_sizes *sizes, const struct un_params *table) {
    struct seen seen = {0};
    *sizes = (struct un_weights_sizes){0};
    for (int64_t i = 0; i < table->n; ++i) {
        const struct un_param *p = &table->list[i];
        add(sizes, &seen, p->name, p->ndim, p->shape);
    }
    settle(sizes, &seen);
}

#define SET_OF(t) ((un_objective_set)1 << (t))
un_objective_set un_weights_head_tasks(enum un_weights_head head) {
    static const un_objective_set tasks[UN_WEIGHTS_HEADS] = {
        [UN_HEAD_ANSWERS] = SET_OF(UN_VQA) | SET_OF(UN_VE),
        [UN_HEAD_NLVR2] = SET_OF(UN_NLVR2_TRIPLET) | SET_OF(UN_NLVR2_PAIR) | SET_OF(UN_NLVR2_ATTN),
        [UN_HEAD_VCR] = SET_OF(UN_VCR),
        [UN_HEAD_RE] = SET_OF(UN_RE),
        [UN_HEAD_RETRIEVAL] = SET_OF(UN_ITM_RANK)};
    return tasks[head];
}

const char *un_weights_task_name(un_objective_set tasks) {
    for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t)
        if (tasks & un_objective_bit((enum un_objective)t)) return un_objective_names[t];
    return NULL;
}

int64_t un_weights_heads_told(const struct un_weights_view *view) {
    for (int64_t i = 0; view->file && i < view->file->n_metadata; ++i) {
        if (strcmp(view->file->metadata[i].key, "num_attention_heads") != 0) continue;
        long long heads = strtoll(view->file->metadata[i].value, NULL, 10);
        return heads > 0 && heads <= UN_WEIGHTS_HEADS_MAX ? heads : 0;
    }
    return 0;
}
