/* Small valid data files for tests: one image file and one text file, every value a pure function of the
 * settings, so that a test knows what it must read back. Values are exact in 16 bits. */
#ifndef UN_TESTS_SUPPORT_MAKE_FILES_H
#define UN_TESTS_SUPPORT_MAKE_FILES_H

#include "io/data/targets.h"
#include "runtime/status.h"
#include "runtime/tensor.h"

/* Tokens of the made-up vocabulary. */
enum { MAKE_UNK = 1, MAKE_CLS = 2, MAKE_SEP = 3, MAKE_MASK = 4, MAKE_RANDOM_LO = 5 };
enum { MAKE_ID = 64 }; /* bytes of an id */

struct make_files {
    int64_t images, texts_per_image;
    int64_t img_dim;
    int64_t classes;                  /* 0: no soft labels, else at least 2 */
    int64_t vocab_size;               /* > MAKE_RANDOM_LO */
    int64_t min_regions, max_regions; /* stored for an image */
    int64_t min_words, max_words;     /* of a text */
    uint64_t seed;
    enum un_type feature_type; /* UN_F16 | UN_F32 */
    bool align, sentence;
    const char *prefix; /* of the image ids */
    /* of a task: make_tasks.h says what the texts are asked */
    enum un_task task;
    int64_t num_answers; /* vqa, ve: at least 1 */
    bool answer_names, no_labels;
    int64_t bare_images; /* behind the others, without texts */
};

/* 6 images, 2 texts each, img_dim 16, 11 classes, vocabulary 50, 3..9 regions, 2..12 words, f16, sentences,
 * no alignment. */
struct make_files make_files_default(void);
/* Writes both files; text_path or image_path may be NULL. */
enum un_status make_files(const struct make_files *m, const char *image_path, const char *text_path);

/* What the files hold; image and text are rows of the file: text t belongs to image t / texts_per_image. */
int64_t make_regions(const struct make_files *m, int64_t image);
float make_feature(const struct make_files *m, int64_t image, int64_t region, int64_t column);
void make_box(const struct make_files *m, int64_t image, int64_t region, float box[6]);
/* Falls from 31/32 in steps of 1/32. */
float make_confidence(int64_t region);
/* 3/4 at this class, 1/4 at column 0. */
int64_t make_class(const struct make_files *m, int64_t image, int64_t region);
int64_t make_words(const struct make_files *m, int64_t text);
int32_t make_token(const struct make_files *m, int64_t text, int64_t word);
/* "PREFIX_000003" and "PREFIX_000003#1". */
void make_image_id(const struct make_files *m, int64_t image, char id[MAKE_ID]);
void make_text_id(const struct make_files *m, int64_t text, char id[MAKE_ID]);
/* "text 7 of seed 1" */
void make_sentence(const struct make_files *m, int64_t text, char sentence[64]);
/* Alignment: pair k of text t is (word k, region k % regions of its image), k < make_words. */

#endif
