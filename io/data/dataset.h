/* One named data set: its image files and text files (DESIGN section 5), checked, joined and indexed.
 *
 * Opening reads ids, offsets, and confidences, joins texts to images by image_id, drops texts longer than
 * max_txt_len (counted), and cuts the images that have texts into `lanes` contiguous blocks. A text of a task may
 * name a second image, anywhere. Rows of features are read on demand, from several threads. */
#ifndef UN_IO_DATA_DATASET_H
#define UN_IO_DATA_DATASET_H

#include "io/data/cache.h"
#include "io/data/targets.h"
#include "io/data/vocab.h"
#include "model/batch.h"
#include "runtime/config/config.h"

/* One entry of data.train / data.valid. */
struct un_dataset_keys {
    char name[256];
    struct un_strings text, images; /* files or globs */
    double mix[UN_OBJECTIVE_COUNT]; /* ratio of each (data set, objective) stream */
};
/* Where rows stay after they were first read. */
enum un_cache_kind { UN_CACHE_AUTO, UN_CACHE_DEVICE, UN_CACHE_HOST, UN_CACHE_NONE };
extern const char *const un_cache_kind_names[];
/* When a rank's rows are read in the order of the files (io/data/warm.h). */
enum un_warm_kind { UN_WARM_OFF, UN_WARM_BEFORE, UN_WARM_BESIDE };
extern const char *const un_warm_names[];
/* The most that data.max_txt_len may ask for. An evaluation that takes all texts sets it to 0. */
enum { UN_TXT_LEN_MAX = 65536 };
/* Section `data`. */
struct un_data_keys {
    int64_t max_txt_len; /* words without [CLS] and [SEP]; longer texts are dropped; 0: of UN_TXT_LEN_MAX */
    double conf_th;      /* -1: exactly num_bb regions */
    int64_t min_bb, max_bb, num_bb;
    int64_t tries;               /* of a read that fails */
    int missing;                 /* 0 error, 1 skip: texts without an image */
    int cache;                   /* enum un_cache_kind */
    int warm;                    /* enum un_warm_kind */
    struct un_list train, valid; /* of struct un_dataset_keys */
};
extern const struct un_key_table un_data_key_table;

struct un_dataset_info {
    int64_t images, texts;    /* used */
    int64_t images_with_text; /* the first ones; behind them those that are only second images */
    int64_t images_without_text, texts_too_long, texts_without_image, texts_empty; /* left out */
    int64_t regions; /* of used images, after the confidence rule */
    int64_t words;   /* of used texts, without special tokens */
    int64_t longest_text, most_regions;
    int64_t img_dim, img_label_dim; /* label dim 0: no soft labels */
    enum un_type feature_type;
    bool aligned; /* align_* present */
    struct un_vocab vocab;
    enum un_task task;   /* of all its files */
    int64_t num_answers; /* vqa, ve */
    bool has_kinds;      /* vqa: all files tell the kinds of questions */
};

struct un_dataset;
struct un_comm;

/* The ranks of one host, of which the first reads the index of a data set and hands it on in memory that they share: they open the
 * files but read none of the index, whose size alone would cost every rank the same reading, joining and memory again. What each then
 * has is what it would have read itself; a rank that cannot have it reads it itself. */
struct un_dataset_host {
    struct un_comm *comm; /* borrowed; all of its ranks open the same data sets */
    int64_t own;          /* data sets that this rank had to read itself after another had */
    char why[160];        /* of the first of them */
};

/* Errors: UN_DATA with file and row; UN_IO; UN_USAGE for lanes > images (unless allow_empty_lanes). Sorted
 * order of the files that a pattern matches is by bytes, whatever the locale. host NULL: alone; else collective over host->comm, and
 * each rank has a status of its own, which the caller makes known before the next data set. */
enum un_status un_dataset_open(struct un_dataset **dataset, const struct un_dataset_keys *keys,
                               const struct un_data_keys *data, int64_t lanes, bool need_soft_labels,
                               bool allow_empty_lanes, struct un_dataset_host *host);
void un_dataset_close(struct un_dataset *dataset);
/* Keeps the index of images [begin, end) and of their texts, gives the rest back: of other images and texts
 * nothing may be asked any more but info, name and lanes. Where texts have second images, which may lie anywhere,
 * the index of all images stays, and of the texts these. Once. */
enum un_status un_dataset_keep(struct un_dataset *dataset, int64_t begin, int64_t end);
/* What a cache holds besides boxes, words and alignments. */
enum { UN_CACHE_SOFT = 1, UN_CACHE_FEATURES = 2 };
/* Bytes that the rows of images [begin, end) and of their texts take, second images among them (counted once for
 * each image that texts have). what: UN_CACHE_... */
int64_t un_dataset_cache_need(const struct un_dataset *d, int64_t begin, int64_t end, unsigned what);
/* Holds rows in host memory after their first read, at most `limit` bytes, all taken now. After
 * un_dataset_keep, before the first read; once. */
enum un_status un_dataset_cache(struct un_dataset *dataset, int64_t limit, unsigned what);
struct un_cache_counts un_dataset_cache_counts(const struct un_dataset *d); /* zeros without a cache */
/* Tells the system that the features of an image will soon be read. Never fails. */
void un_dataset_expect(const struct un_dataset *d, int64_t image);
const struct un_dataset_info *un_dataset_info(const struct un_dataset *dataset);
const char *un_dataset_name(const struct un_dataset *dataset);
/* Path of file i, those of images first; NULL behind the last. */
const char *un_dataset_file(const struct un_dataset *dataset, int64_t i);
/* Host memory held by the indices; of what ranks share, this one's share. */
size_t un_dataset_bytes(const struct un_dataset *dataset);

/* Images are numbered 0..images-1 (those with texts, then those that are only second images), texts 0..texts-1
 * sorted by image: image i has texts [un_dataset_image_text(i), un_dataset_image_text(i+1)). */
int64_t un_dataset_image_text(const struct un_dataset *d, int64_t image);
int64_t un_dataset_text_image(const struct un_dataset *d, int64_t text);
int64_t un_dataset_text_length(const struct un_dataset *d, int64_t text);    /* without special tokens */
int64_t un_dataset_image_regions(const struct un_dataset *d, int64_t image); /* after the confidence rule */
const char *un_dataset_image_id(const struct un_dataset *d, int64_t image);
const char *un_dataset_text_id(const struct un_dataset *d, int64_t text);
/* Images of lane l of L: [begin(l), begin(l+1)). */
int64_t un_dataset_lane_image(const struct un_dataset *d, int64_t lane);

/* Thread-safe reads. Checked: token ids in [0, vocab_size), finite features, boxes in [0,1]; UN_DATA names
 * file and row. */
enum un_status un_dataset_read_text(struct un_dataset *d, int64_t text, int32_t *token);
/* feature [regions, img_dim] as stored type; box [regions, 7] (w*h computed). Either may be NULL. */
enum un_status un_dataset_read_image(struct un_dataset *d, int64_t image, void *feature, float *box);
/* soft labels of one region as f16 [img_label_dim]. */
enum un_status un_dataset_read_soft_label(struct un_dataset *d, int64_t image, int64_t region, void *soft);
/* Known alignment of a text: up to capacity (token index without [CLS], region) pairs; returns the count in
 * *n. Pairs of regions that the confidence rule leaves out are left out. */
enum un_status un_dataset_read_alignment(struct un_dataset *d, int64_t text, int64_t capacity, int32_t *token,
                                         int32_t *region, int64_t *n);
/* What a text is asked (io/data/targets.h); -1 where it is not known or not of the task. */
int32_t un_dataset_text_label(const struct un_dataset *d, int64_t text);
int32_t un_dataset_text_rationale(const struct un_dataset *d, int64_t text);
int32_t un_dataset_text_kind(const struct un_dataset *d, int64_t text);
/* Number of the second image, -1: none. */
int64_t un_dataset_text_second(const struct un_dataset *d, int64_t text);
/* re: box [4] (x y width height) and size [2] (width height) in pixels; NULL for other tasks. */
const float *un_dataset_text_box(const struct un_dataset *d, int64_t text);
const float *un_dataset_text_size(const struct un_dataset *d, int64_t text);
/* vqa, ve: how many soft answers, and these. UN_INTERNAL: more than `capacity`. Thread-safe. */
int64_t un_dataset_text_answers(const struct un_dataset *d, int64_t text);
enum un_status un_dataset_read_answers(struct un_dataset *d, int64_t text, int64_t capacity, int32_t *id,
                                       float *score, int64_t *n);
/* What answer `id` is called; NULL: the files do not tell. */
const char *un_dataset_answer_name(const struct un_dataset *d, int64_t id);
/* vcr: tokens of a part without special ones (at least one; other tasks: 0), and these. Thread-safe. */
int64_t un_dataset_text_part_length(const struct un_dataset *d, int64_t text, int part);
enum un_status un_dataset_read_part(struct un_dataset *d, int64_t text, int part, int32_t *token);
/* The sentence of a text if the file holds it ("" otherwise). */
enum un_status un_dataset_read_sentence(struct un_dataset *d, int64_t text, char *sentence, size_t size);

#endif
