/* Where captions come from: one interface over every form, a record at a time, memory of one record. */
#ifndef UN_IO_CONVERT_TEXT_SOURCE_H
#define UN_IO_CONVERT_TEXT_SOURCE_H

#include "io/data/targets.h"
#include "io/data/vocab.h"

/* Memory of the source, valid until the next call. */
struct un_caption {
    const char *why; /* not NULL: no text to be used ("not UTF-8"): to be counted and listed; the ids may be
                        missing then */
    const char *text_id;    /* NULL: the source numbers none; the importer makes one of the running number */
    const char *image_id;   /* as the source writes it: "42", "COCO_val2014_000000000042.jpg"; of cc, sbu and
                             lines without ids the line's number, from 1 */
    const char *image_name; /* of the image's file, where a table of the source tells it; else NULL */
    bool invented;          /* the image's id is the line's number, which no file of features knows */
    const char *url;        /* the image's, or NULL */
    const char *sentence;   /* UTF-8; NULL when only tokens are known */
    size_t sentence_bytes;
    const int32_t *token; /* already tokenised (LMDB), or NULL */
    int64_t tokens;
    const struct un_targets *targets; /* of a source with a task, else NULL */
    const char *split;                /* Karpathy's split of the image ("train", "restval", ...), or NULL */
    int64_t line;                     /* line or record number from 1, for messages */
};

struct un_text_source;
struct un_text_source_ops {
    /* *more false at the end. */
    enum un_status (*next)(struct un_text_source *source, struct un_caption *caption, bool *more);
    void (*close)(struct un_text_source *source);
};
struct un_text_source {
    const struct un_text_source_ops *ops;
    char name[256];                  /* for messages: kind and path */
    int64_t bytes_total, bytes_done; /* for progress; 0 unknown */
    const struct un_vocab *vocab;    /* of a source that is already tokenised; else NULL */
    bool sentences;                  /* its captions have sentences */
    enum un_task task;               /* of its texts */
    int64_t num_answers;             /* vqa, ve */
    const char *const *answer_names; /* [num_answers] or NULL */
};
void un_text_source_close(struct un_text_source *source); /* NULL allowed */

struct un_text_lmdb {
    int task;            /* enum un_task; -1: what the fields of the first record tell */
    const char *answers; /* vqa, ve: a file {"answer": label, ...}; "" or NULL: the three of SNLI-VE, or 3129
                            without names */
    bool detected;       /* re: the regions are not those of images.json, no label is known */
};
/* The authors' txt_db: a folder with data.mdb and meta.json. The text's id is its key, the image's img_fname
 * (one name, or those of both images) or else what txt2img.json says; lengths must be those of id2len.json, if it
 * is there. re: with images.json. */
enum un_status un_text_source_lmdb(struct un_text_source **source, const char *path,
                                   const struct un_text_lmdb *how);
/* COCO's captions_*.json, the Karpathy split (dataset_coco.json), one object with image and captions, or an
 * array of objects with image and caption(s). */
enum un_status un_text_source_coco(struct un_text_source **source, const char *path);
/* Visual Genome's region_descriptions.json: an array of images, or one of them. */
enum un_status un_text_source_vg(struct un_text_source **source, const char *path);
/* Conceptual Captions: caption TAB url a line, or url TAB caption (CC12M); with or without a head. */
enum un_status un_text_source_cc(struct un_text_source **source, const char *path);
/* SBU: two parallel files (urls, captions, in any order), or its JSON (image_urls, captions) with second
 * NULL. */
enum un_status un_text_source_sbu(struct un_text_source **source, const char *path, const char *second);
/* What holds the caption and the image's id: keys of JSON lines ("en.caption" goes into objects), names of columns; "": found
 * by the names that people use, and said. */
struct un_text_names {
    const char *caption, *image;
};
/* image id TAB caption a line; "name#0 TAB caption" (Flickr30k) names the text too, as does image id TAB number TAB caption.
 * Tables with a head (TAB, comma, |), an object of JSON a line (its caption a string or a list of them; Localized Narratives,
 * Crossmodal-3600). Without a TAB in the first line, and without a head, every line is a caption and no line may have one.
 * UN_DATA: other files, by name as far as they are known. */
enum un_status un_text_source_lines(struct un_text_source **source, const char *path,
                                    const struct un_text_names *names);

#endif
