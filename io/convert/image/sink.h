/* A *.img.h5 written by many threads at once, and gone on with after a kill.
 *
 * The survey fixes the layout, so OUT.partial is laid out as a whole first (un_h5), then every image's rows
 * are written at their place by pwrite. OUT.partial.done keeps how many images, in order, are known to be on
 * the disk; a later run over the same source (same stamp, list and shape) goes on from there. The file gets
 * its name, whole and verified to be complete, at the end; before that nothing stands at OUT. */
#ifndef UN_IO_CONVERT_IMAGE_SINK_H
#define UN_IO_CONVERT_IMAGE_SINK_H

#include "io/convert/image/source.h"

struct un_image_sink;

/* Is there something at OUT? If so, the journal goes that a kill right after the rename may have left. */
bool un_image_sink_stands(const char *out);
/* Is there a half-done import of OUT? */
bool un_image_sink_begun(const char *out);

/* The list and the source outlive the sink. UN_USAGE: OUT exists, or another process writes it. *first: images already
 * done (0: a fresh start). UN_IO also when the disk has no room for the whole file. Where source->bad allows it, images
 * that an earlier run found bad lose their regions in the list, and are not to be put. */
enum un_status un_image_sink_open(struct un_image_sink **sink, const char *out,
                                  const struct un_image_source *source, struct un_image_list *list,
                                  int64_t *first);
/* More of the list has lost its regions: begins again with room for the others. */
enum un_status un_image_sink_again(struct un_image_sink *sink);
/* Thread-safe; every image that has regions once. Checks what training or `verify` would refuse: finite features, boxes in
 * [0,1] (1e-3) with w and h their differences (5e-3), confidences in [0,1], soft labels in [0,1]; UN_DATA
 * names the image, region and column. Regions whose confidences do not fall are sorted by confidence, stably,
 * and counted. Every few seconds the caller waits until what was put is on the disk. */
enum un_status un_image_sink_put(struct un_image_sink *sink, int64_t index,
                                 const struct un_image_record *record);
/* Every image was put: the list of those left out, then fsync, complete=1, rename; the `.done` file goes. */
enum un_status un_image_sink_commit(struct un_image_sink *sink);
/* keep: leave the half-done files for a later run (a signal); otherwise an uncommitted file is removed. */
void un_image_sink_close(struct un_image_sink *sink, bool keep);

/* Bytes put so far in this run; images whose regions were sorted, in earlier runs too. Thread-safe. */
struct un_image_sink_counts {
    int64_t bytes, sorted;
};
struct un_image_sink_counts un_image_sink_count(struct un_image_sink *sink);

/* The whole of it: survey, layout, threads, progress on stderr, commit, one line of summary on stdout.
 * UN_STOPPED when `stop` said so, with what is done kept. */
struct un_image_import {
    int64_t threads;    /* 0: as many as the process may use */
    bool quiet;         /* neither progress nor summary */
    bool skip;          /* bad images are left out and listed in OUT.skipped.tsv; false: the first ends it */
    bool (*stop)(void); /* asked before every image, by any thread; NULL: never */
};
enum un_status un_image_import(struct un_image_source *source, const char *out,
                               const struct un_image_import *how);

#endif
