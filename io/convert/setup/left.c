/* Keys without a counterpart. */
#include "io/convert/setup/private.h"

#include <string.h>

static const struct {
    const char *key, *why;
    const char *fine; /* the value that changes nothing; NULL: all, "": none */
} reasons[] = {
    {"pin_mem", "the program lays out its memory itself", NULL},
    {"n_workers", "loader.threads; one is enough where ms/data of the log is about zero", NULL},
    {"val_batch_size", "a validation packs as much as a training step", NULL},
    {"inf_minibatch_size", "a validation packs as much as a training step", NULL},
    {"compressed_db", "uniter data import lmdb reads both forms", NULL},
    {"rank", "of their launcher", NULL},
    {"n_gpu", "of their launcher; cards=N here", NULL},
    {"tensorboard", "log.tensorboard, which is on", NULL},
    {"optim", "AdamW is the one optimizer", "adamw"},
    {"decay", "the rate falls linearly to zero, nothing else", "linear"},
    {"mask_dir", "weights that are pruned by a mask: there is no such training", ""},
    {"lr_mul", "this script's heads have no rate of their own", NULL},
    {"margin", "of retrieval and of train_loss rank", NULL},
    {"gradient_accumulation_steps", "of this script train_batch_size is the accumulation", NULL},
    {"train_loss", "of referring expressions", NULL},
};
enum { REASONS = sizeof reasons / sizeof *reasons };

/* false: it may change the training. */
static bool write_one(struct un_setup *s, const char *key, const json_t *value) {
    char text[200];
    size_t bytes = json_dumpb(value, text, sizeof text, JSON_ENCODE_ANY | JSON_COMPACT);
    if (bytes > sizeof text) bytes = sizeof text; /* the rest is left out */
    const char *why = "not a key of theirs that is known here";
    bool harmless = false;
    for (int i = 0; i < REASONS; ++i) {
        if (strcmp(key, reasons[i].key) != 0) continue;
        const char *said = json_string_value(value);
        why = reasons[i].why;
        harmless = !reasons[i].fine || (said && strcmp(said, reasons[i].fine) == 0);
    }
    un_setup_comment(s, 0, "  %s%.200s: %.*s: %s", harmless ? "" : "CHECK ", key, (int)bytes, text, why);
    return harmless;
}

void un_setup_write_left(struct un_setup *s) {
    const char *key;
    json_t *value;
    bool any = false;
    json_object_foreach(s->root, key, value) {
        if (json_object_get(s->seen, key)) continue;
        if (!any) un_setup_comment(s, 0, "Without counterpart:");
        any = true;
        ++s->counts->left;
        s->counts->doubtful += !write_one(s, key, value);
    }
}
