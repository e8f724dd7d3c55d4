/* NAME.lineidx beside a TSV, as Oscar and VinVL leave it: the byte at which a line begins, in decimal, a line each. It is
 * not needed to read the TSV, but one that says something else means that one of the two is not the file it should be. */
#ifndef UN_IO_CONVERT_IMAGE_TSV_INDEX_H
#define UN_IO_CONVERT_IMAGE_TSV_INDEX_H

#include "io/convert/format/lines.h"

struct un_tsv_index {
    const char *tsv; /* borrowed */
    bool there;
    struct un_caption_lines lines;
};
/* UN_OK also when there is none. UN_IO, UN_DATA: it cannot be read, is empty. */
enum un_status un_tsv_index_open(struct un_tsv_index *index, const char *tsv);
/* Line `number` of the TSV, from 1 and one after another, begins at byte `at`. UN_DATA names the index' line. */
enum un_status un_tsv_index_check(struct un_tsv_index *index, int64_t number, int64_t at);
/* The TSV has so many lines, and the index too. */
enum un_status un_tsv_index_end(struct un_tsv_index *index, int64_t lines);
void un_tsv_index_close(struct un_tsv_index *index);

#endif
