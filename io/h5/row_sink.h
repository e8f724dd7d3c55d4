/* Rows on their way into one dataset of a new file, gathered into writes of about a megabyte. */
#ifndef UN_IO_H5_ROW_SINK_H
#define UN_IO_H5_ROW_SINK_H

#include "io/h5/h5.h"

struct un_row_sink {
    struct un_h5_data *data;
    unsigned char *buffer; /* [capacity] rows */
    enum un_type type;
    int64_t row_bytes, capacity, held, written;
};
/* cols 0: rows are single elements. most: rows that un_row_sink_take will be asked for. */
enum un_status un_row_sink_open(struct un_row_sink *sink, struct un_h5 *file, const char *name,
                                enum un_type type, int64_t rows, int64_t cols, int64_t most);
/* Makes room for the next `rows` rows: writes what is held if need be. */
enum un_status un_row_sink_room(struct un_row_sink *sink, int64_t rows);
/* The next `rows` rows, to be filled by the caller; there must be room. */
void *un_row_sink_take(struct un_row_sink *sink, int64_t rows);
enum un_status un_row_sink_flush(struct un_row_sink *sink);
void un_row_sink_close(struct un_row_sink *sink);

#endif
