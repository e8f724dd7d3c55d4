#include "tests/support/one_set.h"
#include <stdio.h>

static void list(struct un_strings *strings, char **slots, const char *const *paths) {
    *strings = (struct un_strings){slots, 0};
    for (; *paths; ++paths) slots[strings->n++] = (char *)(uintptr_t)*paths;
}

void one_set_init(struct one_set *set, const char *const *images, const char *const *text) {
    *set = (struct one_set){
        .data = {.max_txt_len = 60, .conf_th = -1, .min_bb = 1, .max_bb = 1000, .num_bb = 1000}, .lanes = 1};
    snprintf(set->keys.name, sizeof set->keys.name, "one");
    list(&set->keys.images, set->images, images);
    list(&set->keys.text, set->text, text);
}

enum un_status one_set_open(struct un_dataset **dataset, struct one_set *set) {
    set->keys.images.list = set->images; /* the struct may have been copied */
    set->keys.text.list = set->text;
    return un_dataset_open(dataset, &set->keys, &set->data, set->lanes, set->soft_labels, set->empty_lanes,
                           set->host);
}
