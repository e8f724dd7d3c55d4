/* For the tests of the micro-world: its default keys, and its files read back whole. */
#ifndef UN_TESTS_SUPPORT_SYNTH_FILES_H
#define UN_TESTS_SUPPORT_SYNTH_FILES_H

#include "io/h5/h5.h"
#include "io/synth/synth.h"

/* The defaults of the key table, bound as the command binds them, with `out` = scratch(folder). */
struct un_synth_keys synth_keys(const char *folder);
/* Removes every file of the folder and the folder. */
void synth_remove(const struct un_synth_keys *keys);
/* Files in the folder, -1 if it is not there. */
int synth_count(const struct un_synth_keys *keys);

struct synth_images {
    int64_t images, regions, img_dim, img_label_dim;
    int64_t *region_offset;
    float *feature, *box, *confidence, *soft_label; /* as f32 */
    char *id;
    int64_t id_stride;
};
struct synth_texts {
    int64_t texts, words, pairs, bytes;
    int64_t *token_offset, *align_offset, *sentence_offset;
    int32_t *token, *align_token, *align_region;
    uint8_t *sentence;
    char *id, *image_id;
    int64_t id_stride, image_id_stride;
    int64_t vocab_size, unk_id, cls_id, sep_id, mask_id, random_lo, random_hi;
    char tokenizer[64];
};
/* `part`: "coco_train". Fails the test when a dataset is missing or has another shape than its neighbours ask
 * for. */
struct synth_images synth_read_images(const struct un_synth_keys *keys, const char *part);
struct synth_texts synth_read_texts(const struct un_synth_keys *keys, const char *part);
void synth_free_images(struct synth_images *images);
void synth_free_texts(struct synth_texts *texts);
/* Column of the largest soft label of a region. */
int64_t synth_class(const struct synth_images *images, int64_t region);
/* Lines of vocab.txt: n strings; freed with synth_free_lines. */
char **synth_read_lines(const struct un_synth_keys *keys, const char *name, int64_t *n);
void synth_free_lines(char **lines, int64_t n);

#endif
