#include "launch/tools/weights.h"
#include "runtime/config/keys.h"

#include <inttypes.h>
#include <stdio.h>

static const char *const dtype_names[] = {"f32", "f16", "bf16", NULL};
static const struct un_key keys[] = {
    UN_KEY_CHOICE(un_tool_weights_keys, dtype, "f32", dtype_names,
                  "type of the values; f16 and bf16 round to nearest even"),
    UN_KEY_BOOL(un_tool_weights_keys, tied, "true",
                "write tied copies too, as PyTorch's state_dict has them"),
};
const struct un_key_table un_tool_weights_table = UN_KEY_TABLE("", un_tool_weights_keys, keys);

void un_tool_note(struct un_tool_notes *notes, const char *key, const char *value) {
    if (notes->n < UN_TOOL_NOTES) notes->pairs[notes->n++] = (struct un_st_pair){key, value};
}

void un_tool_note_size(struct un_tool_notes *notes, const char *key, int64_t value) {
    if (value <= 0 || notes->n == UN_TOOL_NOTES) return;
    snprintf(notes->numbers[notes->n], UN_TOOL_NUMBER, "%" PRId64, value);
    un_tool_note(notes, key, notes->numbers[notes->n]);
}

void un_tool_note_sizes(struct un_tool_notes *notes, const struct un_weights_sizes *s) {
    un_tool_note_size(notes, "vocab_size", s->vocab_size);
    un_tool_note_size(notes, "hidden_size", s->hidden_size);
    un_tool_note_size(notes, "num_hidden_layers", s->num_hidden_layers);
    un_tool_note_size(notes, "intermediate_size", s->intermediate_size);
    un_tool_note_size(notes, "max_position_embeddings", s->max_position_embeddings);
    un_tool_note_size(notes, "type_vocab_size", s->type_vocab_size);
    un_tool_note_size(notes, "img_dim", s->img_dim);
    un_tool_note_size(notes, "img_label_dim", s->img_label_dim);
    un_tool_note_size(notes, "num_labels", s->num_labels);
    const char *task = s->pretraining ? "pretraining" : NULL;
    if (s->tasks) task = un_weights_task_name(s->tasks);
    if (task) un_tool_note(notes, "task", task);
}
