/* Weights from outside into the flat buffer of the parameters, by name.
 *
 * Two kinds of names are known. UNITER's are those of the released checkpoints, which are ours. BERT's are
 * those of Hugging Face, with or without "bert." in front: embeddings, encoder and pooler become uniter.*,
 * the MLM head (cls.predictions.*) keeps its name, and what BERT has beside it (next sentence, position_ids)
 * is ignored. gamma and beta of old files are weight and bias.
 *
 * A file must be whole: all embeddings and all layers, and of every other part (pooler, regions, each head) all or
 * nothing. A part that the file does not hold keeps its value.
 *
 * Tied copies (cls.predictions.decoder.weight = word embeddings, feat_regress.weight = img_linear.weight,
 * cls.predictions.decoder.bias = cls.predictions.bias) stand in when their partner is missing; when both are
 * there the partner counts, and a copy that differs in a bit is warned of.
 *
 * The vocabulary of the file may be that of the model padded to a multiple of 8, as the authors pad it: the
 * surplus rows are dropped. Any other number of words is an error, as is every other shape, but where a network of a
 * task starts from one of pretraining (UN_FIT_START; source: the tasks of downstream/SPEC.md):
 * - token types grow from 2 rows to 3 (nlvr2) or 4 (vcr and its second stage) by copying rows;
 * - with 4 types the vocabulary grows behind the file's words, the new rows keep their drawn values;
 * - rank_output is row 1 (match) of itm_output, where the file has no rank_output;
 * - the head of masked words is made anew in the second stage: its tensors are left out;
 * - heads of a task that is not the model's are left out, also where names are the same. */
#ifndef UN_IO_WEIGHTS_WEIGHTS_H
#define UN_IO_WEIGHTS_WEIGHTS_H

#include "io/weights/view.h"
#include "model/objective.h"

enum { UN_WEIGHTS_NAME = UN_ST_NAME_MAX + 16 };

/* DETECTOR: the region detector's, which is no network of UNITER; model/detector knows its tensors. */
enum un_weights_names { UN_NAMES_NONE, UN_NAMES_UNITER, UN_NAMES_BERT, UN_NAMES_DETECTOR, UN_NAMES_KINDS };
/* What may differ between the file and the model. */
enum un_weights_fit {
    UN_FIT_EXACT, /* padding of the vocabulary */
    UN_FIT_START  /* also what a task makes of a network of pretraining */
};
enum un_weights_kind { UN_WEIGHTS_TAKEN, UN_WEIGHTS_COPY, UN_WEIGHTS_IGNORED, UN_WEIGHTS_UNEXPECTED };

/* Which kind of names a set of tensors has. */
enum un_weights_names un_weights_names_of(const struct un_weights_view *view);
/* UN_DATA names another network (RoBERTa's, ...), or an adapter over one, by a tensor that only it has. */
enum un_status un_weights_refuse_foreign(const struct un_weights_view *view, enum un_weights_names names);
/* Our name of a tensor. COPY: that of its partner; IGNORED and UNEXPECTED: to is "". */
enum un_weights_kind un_weights_name(enum un_weights_names names, const char *from, char to[UN_WEIGHTS_NAME]);
/* A count of batches beside a norm of PyTorch, which nothing needs. */
bool un_weights_is_counter(const char *name);
/* Our name of what a tied copy repeats; NULL when `name` is no copy. */
const char *un_weights_partner(const char *name);
/* The copies that a released checkpoint holds beside its parameters, NULL-terminated. */
extern const char *const un_weights_copies[];

/* Heads by the fronts of their names, those that only some networks have. */
enum un_weights_head {
    UN_HEAD_NONE, /* of the body, or not known */
    UN_HEAD_PRETRAINING,
    UN_HEAD_ANSWERS, /* vqa, ve */
    UN_HEAD_NLVR2,
    UN_HEAD_VCR,
    UN_HEAD_RE,
    UN_HEAD_RETRIEVAL,
    UN_WEIGHTS_HEADS
};
/* name: ours. */
enum un_weights_head un_weights_head_of(const char *name);

/* A network as its tensors tell it; 0 where they do not. */
struct un_weights_sizes {
    int64_t vocab_size, hidden_size, num_hidden_layers, intermediate_size, max_position_embeddings;
    int64_t type_vocab_size, img_dim, img_label_dim;
    int64_t num_labels, re_layers;
    un_objective_set tasks; /* whose heads are there; re also stands for re_rank, itm_rank for itm_hard */
    bool pretraining;       /* a head of pretraining is there */
};
void un_weights_sizes_of(struct un_weights_sizes *sizes, const struct un_weights_view *view);
void un_weights_sizes_of_table(struct un_weights_sizes *sizes, const struct un_params *table);
/* Attention heads, which are in no shape, as the metadata of a file say; 0: they do not. */
enum { UN_WEIGHTS_HEADS_MAX = 1024 };
int64_t un_weights_heads_told(const struct un_weights_view *view);
/* Tasks whose heads have such names. */
un_objective_set un_weights_head_tasks(enum un_weights_head head);
/* The first of them; NULL: none. */
const char *un_weights_task_name(un_objective_set tasks);

/* How a parameter comes by its values. */
enum un_weights_way {
    UN_WAY_DRAWN, /* not there: keeps what it has */
    UN_WAY_WHOLE,
    UN_WAY_WORDS, /* the first rows */
    UN_WAY_TYPES, /* rows copied by the rule of the task */
    UN_WAY_MATCH, /* row 1 of a tensor of two rows */
    UN_WAY_ANEW   /* there, but keeps what it has */
};

/* What of a view goes where in a table. */
struct un_weights_plan {
    enum un_weights_names names;
    enum un_weights_fit fit;
    const struct un_weights_view *view; /* borrowed, as is the table */
    const struct un_params *table;
    struct un_weights_sizes file, model;
    int64_t *from;            /* [table->n] tensor of the view, or -1: not there */
    enum un_weights_way *way; /* [table->n] */
    struct un_weights_item {
        enum un_weights_kind kind;
        int64_t param;             /* of the table: taken, or repeated by a copy; else -1 */
        enum un_weights_head head; /* ignored: because of the head it is of */
    } * items;                     /* [view->n] */
    int64_t taken, missing, copies, ignored, unexpected;
    int64_t grown, anew; /* among those taken; parameters that the file has and that keep what they have */
    int64_t surplus;     /* words of the file's vocabulary that are dropped */
    bool tells;          /* un_weights_load shows how far it is; for who opened the plan to say */
};

/* Reads no values. UN_DATA: no names that are known, another network's, two for one parameter, not a whole network.
 * UN_USAGE: a shape or the
 * vocabulary is not the model's. Freed by the call below, also on failure. */
enum un_status un_weights_plan_open(struct un_weights_plan *plan, const struct un_weights_view *view,
                                    const struct un_params *table, enum un_weights_fit fit);
void un_weights_plan_close(struct un_weights_plan *plan);
/* A summary, then what is grown, made anew, missing, unexpected and ignored by groups: at most a screen. */
void un_weights_plan_tell(const struct un_weights_plan *plan, void (*line)(void *context, const char *text),
                          void *context);
/* Rows of the words of parameter `at` that the file gives. */
int64_t un_weights_plan_words(const struct un_weights_plan *plan, int64_t at);
/* Fills values [table->total] where the plan has something. UN_DATA names a value that is not finite. Row 0
 * of zero_row0 tensors becomes zero. */
enum un_status un_weights_load(const struct un_weights_plan *plan, float *values);

#endif
