/* Gathered writes. */
#include "io/h5/row_sink.h"
#include "runtime/memory.h"

enum { GATHER_BYTES = 1 << 20 };

enum un_status un_row_sink_open(struct un_row_sink *sink, struct un_h5 *file, const char *name,
                                enum un_type type, int64_t rows, int64_t cols, int64_t most) {
    *sink = (struct un_row_sink){.type = type, .row_bytes = un_type_bytes(type) * (cols == 0 ? 1 : cols)};
    sink->capacity = GATHER_BYTES / sink->row_bytes > most ? GATHER_BYTES / sink->row_bytes : most;
    sink->buffer = un_alloc((size_t)sink->capacity, (size_t)sink->row_bytes, name);
    if (sink->buffer == NULL) return UN_MEMORY;
    return un_h5_data_create(file, name, type, rows, cols, &sink->data);
}

enum un_status un_row_sink_flush(struct un_row_sink *sink) {
    if (sink->held == 0) return UN_OK;
    UN_TRY(un_h5_write_rows(sink->data, sink->written, sink->held, sink->type, sink->buffer));
    sink->written += sink->held;
    sink->held = 0;
    return UN_OK;
}

enum un_status un_row_sink_room(struct un_row_sink *sink, int64_t rows) {
    UN_ASSERT(rows <= sink->capacity);
    return sink->held + rows > sink->capacity ? un_row_sink_flush(sink) : UN_OK;
}

void *un_row_sink_take(struct un_row_sink *sink, int64_t rows) {
    UN_ASSERT(sink->held + rows <= sink->capacity);
    void *at = sink->buffer + sink->held * sink->row_bytes;
    sink->held += rows;
    return at;
}

void un_row_sink_close(struct un_row_sink *sink) {
    if (sink->data != NULL) un_h5_data_close(sink->data);
    un_free(sink->buffer);
    *sink = (struct un_row_sink){0};
}
