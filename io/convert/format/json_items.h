/* The members of a JSON file one after another, memory of one at a time: of an object at the top the values
 * by key, arrays among them element by element; of an array at the top its elements. Where one begins and
 * ends is found by strings and brackets alone; each that is given out is parsed strictly. */
#ifndef UN_IO_CONVERT_FORMAT_JSON_ITEMS_H
#define UN_IO_CONVERT_FORMAT_JSON_ITEMS_H

#include "runtime/status.h"

#include <jansson.h>

/* bytes and brackets within brackets of one item */
enum { UN_JSON_ITEM_MAX = 64 << 20, UN_JSON_DEPTH_MAX = 64, UN_JSON_KEY_MAX = 255 };

struct un_json_items;
struct un_json_item {
    const char *key; /* of the top object as it is written; "": the top is an array */
    bool element;    /* of an array under that key; false: the whole value */
    int64_t index;   /* of the element */
    json_t *value;   /* borrowed, until the next call */
    int64_t line;    /* where it begins, from 1 */
    int64_t number;  /* of items of this key given out, from 1 */
};
/* keys [n]: only these members are given out ("" among them: the elements of an array at the top), the others
 * are passed over; n 0: all. The keys are borrowed. UN_IO; UN_DATA: the file is empty. */
enum un_status un_json_items_open(struct un_json_items **items, const char *path, const char *const *keys,
                                  int n);
/* UN_DATA with file, line and byte: no JSON, cut short, too large, too deep, a key twice in one item. */
enum un_status un_json_items_next(struct un_json_items *items, struct un_json_item *item, bool *more);
void un_json_items_close(struct un_json_items *items);
int64_t un_json_items_size(const struct un_json_items *items);  /* bytes of the file */
int64_t un_json_items_taken(const struct un_json_items *items); /* bytes read so far */
const char *un_json_items_path(const struct un_json_items *items);

/* An id, which is a number or a text in JSON, as text; what does not fit is cut. Returns its length whole; 0: it is neither, or
 * empty. */
size_t un_json_id(const json_t *value, char *id, size_t size);

#endif
