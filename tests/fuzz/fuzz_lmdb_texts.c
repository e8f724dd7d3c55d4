/* One value of a txt_db, twice through the same reader: msgpack in an lz4 frame as it stands, and the bytes
 * as the content of a frame (one stored block), so that msgpack is searched too. */
#include "io/convert/text/txt_db_value.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

/* What the texts of tasks have besides; every number that is promised is touched. */
static int64_t sum_of_task(const struct un_txt_value *value) {
    int64_t sum = 0;
    for (int64_t i = 0; i < value->labels; ++i) sum += value->label[i] + (value->score[i] > 0);
    for (int part = 0; part < UN_TEXT_PARTS; ++part)
        for (int64_t i = 0; i < value->part_tokens[part]; ++i) sum += value->part[part][i];
    for (size_t i = 0; i < value->second_bytes; ++i) sum += value->second[i] + 128;
    return sum;
}

static void read_one(struct un_txt_reader *reader, const uint8_t *data, size_t size) {
    struct un_txt_value value;
    int64_t sum = 0;
    if (un_txt_value_read(reader, "fuzz", data, size, &value) == UN_OK) {
        for (int64_t i = 0; i < value.tokens; ++i) sum += value.token[i];
        for (size_t i = 0; i < value.sentence_bytes; ++i) sum += value.sentence[i];
        for (size_t i = 0; i < value.image_bytes; ++i) sum += value.image[i];
        if (sum < -(int64_t)(value.sentence_bytes + value.image_bytes) * 128) __builtin_trap();
        if (sum_of_task(&value) < 0) __builtin_trap();
    }
    un_error_clear();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const uint8_t head[] = {0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82};
    struct un_txt_reader *reader;
    if (un_txt_reader_open(&reader) != UN_OK) abort();
    read_one(reader, data, size);
    uint8_t *frame = size <= 1 << 16 ? malloc(size + 15) : NULL;
    if (frame) {
        const uint8_t length[] = {(uint8_t)size, (uint8_t)(size >> 8), (uint8_t)(size >> 16), 0x80};
        memcpy(frame, head, sizeof head);
        memcpy(frame + 7, length, 4);
        memcpy(frame + 11, data, size);
        memset(frame + 11 + size, 0, 4);
        read_one(reader, frame, size + 15);
    }
    free(frame);
    un_txt_reader_close(reader);
    return 0;
}
