/* A *.img.h5 written by many threads at once, and gone on with after a kill.
 *
 * The survey fixes the layout, so OUT.partial is laid out as a whole first (un_h5), then every image's rows
 * are written at their place by pwrite. OUT.partial.done keeps how many images, in order, are known to be on
 * the disk; a later run over the same source (same stamp, list and shape) goes on from there. The file gets
 * its name, whole and verified to be complete, at the end; before that nothing stands at OUT.
 */
#ifndef UN_IMAGE_SINK_H
#define UN_IMAGE_SINK_H

#include "io/convert/image_source.h"

struct un_image_sink;

/* UN_USAGE: OUT exists, or another process writes it. *first: images already done (0: a fresh start). */
enum un_status un_image_sink_open(struct un_image_sink **sink, const char *out,
                                  const struct un_image_source *source, const struct un_image_list *list,
                                  int64_t *first);
/* Thread-safe. Checks what training would refuse: finite features, boxes in [0,1] (1e-3), confidences in
 * [0,1], soft labels in [0,1]; UN_DATA names the image, region and column. Regions whose confidences do not
 * fall are sorted by confidence, stably, and counted. */
enum un_status un_image_sink_put(struct un_image_sink *sink, int64_t index,
                                 const struct un_image_record *record);
/* Every image was put: fsync, complete=1, rename; the `.done` file goes. */
enum un_status un_image_sink_commit(struct un_image_sink *sink);
/* keep: leave the half-done files for a later run (a signal); otherwise an uncommitted file is removed. */
void un_image_sink_close(struct un_image_sink *sink, bool keep);

/* The whole of it: survey, layout, threads, progress on stderr, commit, one line of summary. threads 0: as
 * many as the process may use. UN_STOPPED after SIGINT or SIGTERM, with what is done kept. */
struct un_image_import {
    int64_t threads;
    bool quiet;
};
enum un_status un_image_import(struct un_image_source *source, const char *out,
                               const struct un_image_import *how);

#endif
