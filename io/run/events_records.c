/* Records of event files (events_private.h): their check sums, and the cut that a resumed run begins with. Steps grow
 * within a file, so what is dropped is its end. */
#include "io/disk/files.h"
#include "io/run/events_private.h"
#include "runtime/memory.h"
#include <io/run/events.pb-c.h>

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

static uint32_t crc32c(const uint8_t *data, size_t bytes) {
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < bytes; ++i) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; ++bit)
            crc = crc >> 1 ^ (0x82f63b78 & -(crc & 1)); /* Castagnoli, reflected */
    }
    return ~crc;
}

static uint32_t masked(const uint8_t *data, size_t bytes) {
    uint32_t crc = crc32c(data, bytes);
    return (crc >> 15 | crc << 17) + 0xa282ead8;
}

static void put_le(uint8_t *to, uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) to[i] = (uint8_t)(value >> 8 * i);
}

static uint64_t get_le(const uint8_t *from, int bytes) {
    uint64_t value = 0;
    for (int i = 0; i < bytes; ++i) value |= (uint64_t)from[i] << 8 * i;
    return value;
}

void un_record_seal(uint8_t *record, size_t bytes) {
    put_le(record, bytes, 8);
    put_le(record + 8, masked(record, 8), 4);
    put_le(record + UN_RECORD_HEAD + bytes, masked(record + UN_RECORD_HEAD, bytes), UN_RECORD_TAIL);
}

/* Bytes of the whole record at `data`; 0: it is torn, or no record. */
static size_t record_bytes(const uint8_t *data, size_t left) {
    if (left < UN_RECORD_HEAD + UN_RECORD_TAIL || get_le(data + 8, 4) != masked(data, 8)) return 0;
    uint64_t bytes = get_le(data, 8);
    if (bytes > left - UN_RECORD_HEAD - UN_RECORD_TAIL) return 0;
    const uint8_t *event = data + UN_RECORD_HEAD;
    if (get_le(event + bytes, UN_RECORD_TAIL) != masked(event, (size_t)bytes)) return 0;
    return (size_t)bytes + UN_RECORD_HEAD + UN_RECORD_TAIL;
}

static void *take(void *context, size_t bytes) {
    (void)context;
    return un_alloc(bytes, 1, "an event");
}

static void give(void *context, void *memory) {
    (void)context;
    un_free(memory);
}

/* Of the event in a record; INT64_MAX where it is none. */
static int64_t step_of(const uint8_t *record, size_t bytes) {
    ProtobufCAllocator memory = {take, give, NULL};
    UnTb__Event *event =
        un_tb__event__unpack(&memory, bytes - UN_RECORD_HEAD - UN_RECORD_TAIL, record + UN_RECORD_HEAD);
    int64_t step = event ? event->step : INT64_MAX;
    if (event) un_tb__event__free_unpacked(event, &memory);
    return step;
}

static enum un_status cut_file(const char *path, int64_t last_step) {
    char *text;
    size_t bytes, at = 0;
    UN_TRY(un_files_read(path, SIZE_MAX, &text, &bytes));
    const uint8_t *data = (const uint8_t *)text;
    for (size_t record; (record = record_bytes(data + at, bytes - at)) > 0; at += record)
        if (step_of(data + at, record) > last_step) break;
    un_free(text);
    if (at == bytes) return UN_OK;
    if (truncate(path, (off_t)at) == 0) return UN_OK;
    return un_fail(UN_IO, "%s: cannot be cut behind step %" PRId64 ": %s", path, last_step, strerror(errno));
}

enum un_status un_events_cut(const char *folder, int64_t last_step) {
    char path[UN_PATH_MAX];
    enum un_status status = UN_OK;
    DIR *d = opendir(folder);
    if (!d) return errno == ENOENT ? UN_OK : un_fail(UN_IO, "%s: %s", folder, strerror(errno));
    for (const struct dirent *entry; status == UN_OK && (entry = readdir(d)) != NULL;) {
        if (strncmp(entry->d_name, "events.out.tfevents.", 20) != 0) continue;
        status = un_files_join(path, folder, entry->d_name);
        if (status == UN_OK) status = cut_file(path, last_step);
    }
    closedir(d);
    return status;
}
