/* Weights from outside into the flat buffer of the parameters, by name.
 *
 * Two kinds of names are known. UNITER's are those of the released checkpoints, which are ours. BERT's are
 * those of Hugging Face, with or without "bert." in front: embeddings, encoder and pooler become uniter.*,
 * the MLM head (cls.predictions.*) keeps its name, and what BERT has beside it (next sentence, position_ids)
 * is ignored. gamma and beta of old files are weight and bias. What the file does not hold keeps its value.
 *
 * Tied copies (cls.predictions.decoder.weight = word embeddings, feat_regress.weight = img_linear.weight,
 * cls.predictions.decoder.bias = cls.predictions.bias) stand in when their partner is missing; when both are
 * there the partner counts, and a copy that differs in a bit is warned of.
 *
 * The vocabulary of the file may be that of the model padded to a multiple of 8, as the authors pad it: the
 * surplus rows are dropped. Any other number of words is an error, as is every other shape. */
#ifndef UN_IO_WEIGHTS_WEIGHTS_H
#define UN_IO_WEIGHTS_WEIGHTS_H

#include "io/weights/view.h"

enum { UN_WEIGHTS_NAME = UN_ST_NAME_MAX + 16 };

enum un_weights_names { UN_NAMES_NONE, UN_NAMES_UNITER, UN_NAMES_BERT };
enum un_weights_kind { UN_WEIGHTS_TAKEN, UN_WEIGHTS_COPY, UN_WEIGHTS_IGNORED, UN_WEIGHTS_UNEXPECTED };

/* Which kind of names a set of tensors has. */
enum un_weights_names un_weights_names_of(const struct un_weights_view *view);
/* Our name of a tensor. COPY: that of its partner; IGNORED and UNEXPECTED: to is "". */
enum un_weights_kind un_weights_name(enum un_weights_names names, const char *from, char to[UN_WEIGHTS_NAME]);
/* Our name of what a tied copy repeats; NULL when `name` is no copy. */
const char *un_weights_partner(const char *name);
/* The copies that a released checkpoint holds beside its parameters, NULL-terminated. */
extern const char *const un_weights_copies[];

/* Sizes of a network as its tensors' shapes tell them; 0 where they do not. */
struct un_weights_sizes {
    int64_t vocab_size, hidden_size, num_hidden_layers, intermediate_size, max_position_embeddings;
    int64_t type_vocab_size, img_dim, img_label_dim;
};
/* name: ours. */
void un_weights_sizes_add(struct un_weights_sizes *sizes, const char *name,
                          const struct un_st_tensor *tensor);

/* What of a view goes where in a table. */
struct un_weights_plan {
    enum un_weights_names names;
    const struct un_weights_view *view; /* borrowed, as is the table */
    const struct un_params *table;
    int64_t *from; /* [table->n] tensor of the view, or -1: not there */
    struct un_weights_item {
        enum un_weights_kind kind;
        int64_t param; /* of the table: taken, or repeated by a copy; else -1 */
    } * items;         /* [view->n] */
    int64_t taken, missing, copies, ignored, unexpected;
    int64_t surplus; /* words of the file's vocabulary that are dropped */
};

/* Reads no values. UN_DATA: no names that are known, or two for one parameter. UN_USAGE: a shape or the
 * vocabulary is not the model's. Freed by the call below, also on failure. */
enum un_status un_weights_plan_open(struct un_weights_plan *plan, const struct un_weights_view *view,
                                    const struct un_params *table);
void un_weights_plan_close(struct un_weights_plan *plan);
/* A summary, then what is missing, unexpected and ignored by groups: at most a screen, line by line. */
void un_weights_plan_tell(const struct un_weights_plan *plan, void (*line)(void *context, const char *text),
                          void *context);
/* Fills values [table->total] where the plan has something. UN_DATA names a value that is not finite. Row 0
 * of zero_row0 tensors becomes zero. */
enum un_status un_weights_load(const struct un_weights_plan *plan, float *values);

#endif
