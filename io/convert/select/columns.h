/* Columns of text files that this program does not know, kept by split, merge and subset.
 *
 * Kept are: NAME [texts] or [texts, n], numbers, or texts of any length; NAME with NAME_offset [texts + 1], numbers.
 * Whole numbers of other types than u8, i32 and i64 become i32 or i64; values stay. What is of another form, groups
 * and floating-point numbers of 8 bytes are left out with a warning. */
#ifndef UN_IO_CONVERT_SELECT_COLUMNS_H
#define UN_IO_CONVERT_SELECT_COLUMNS_H

#include "io/convert/text/sink.h"
#include "io/data/file.h"

struct un_select_columns;
/* files [n] with their indices, kept [n][texts] (both borrowed). UN_DATA: they have not all the same such columns, of
 * the same form. */
enum un_status un_select_columns_open(struct un_select_columns **columns, const struct un_text_file *files,
                                      int n, uint8_t *const *kept, const struct un_text_sink_setup *setup);
void un_select_columns_close(struct un_select_columns *columns); /* NULL allowed */
/* Kept rows of all files into `out`; un_text_sink_setup.more. */
enum un_status un_select_columns_write(void *columns, struct un_h5 *out);

#endif
