/* Images and boxes of COCO, sorted by id (coco_boxes.h). */
#include "io/convert/task/coco_boxes.h"
#include "io/convert/task/private.h"
#include "runtime/memory.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum un_status grow(void **list, int64_t n, int64_t *room, size_t size) {
    if (n < *room) return UN_OK;
    size_t old = (size_t)*room, more = old ? 2 * old : 1024;
    UN_TRY(un_grow(list, old, more, size, "annotations of COCO"));
    *room = (int64_t)more;
    return UN_OK;
}

static enum un_status number(const struct un_task_row *row, const char *key, const json_t *value,
                             float *out) {
    double real = json_is_number(value) ? json_number_value(value) : -1;
    *out = (float)real;
    return real >= 0 && real <= 1e6 ? UN_OK : un_task_wrong(row, key, "a number of pixels is wanted");
}

static enum un_status take_image(struct un_coco_boxes *b, const struct un_task_row *row) {
    struct un_coco_image i = {.row = row->row};
    UN_TRY(un_task_whole(row, "id", 0, INT64_MAX, INT64_MAX, &i.id));
    UN_TRY(number(row, "width", json_object_get(row->object, "width"), &i.size[0]));
    UN_TRY(number(row, "height", json_object_get(row->object, "height"), &i.size[1]));
    if (i.size[0] < 1 || i.size[1] < 1) return un_task_wrong(row, "width, height", "an image without pixels");
    UN_TRY(grow((void **)&b->image, b->images, &b->image_room, sizeof i));
    b->image[b->images++] = i;
    return UN_OK;
}

static enum un_status take_box(struct un_coco_boxes *b, const struct un_task_row *row) {
    struct un_coco_box x = {.row = row->row};
    const json_t *list;
    UN_TRY(un_task_whole(row, "id", 0, INT64_MAX, INT64_MAX, &x.id));
    UN_TRY(un_task_whole(row, "image_id", 0, INT64_MAX, INT64_MAX, &x.image));
    UN_TRY(un_task_list(row, "bbox", 4, &list));
    for (size_t i = 0; i < 4; ++i) UN_TRY(number(row, "bbox", json_array_get(list, i), &x.box[i]));
    UN_TRY(grow((void **)&b->box, b->boxes, &b->box_room, sizeof x));
    b->box[b->boxes++] = x;
    return UN_OK;
}

static int by_image(const void *x, const void *y) {
    const struct un_coco_image *a = x, *b = y;
    return (a->id > b->id) - (a->id < b->id);
}
static int by_box(const void *x, const void *y) {
    const struct un_coco_box *a = x, *b = y;
    return (a->id > b->id) - (a->id < b->id);
}

static enum un_status sort_all(struct un_coco_boxes *b) {
    if (b->images == 0 || b->boxes == 0)
        return un_fail(UN_DATA, "%s: lists \"images\" and \"annotations\" are wanted", b->instances);
    qsort(b->image, (size_t)b->images, sizeof *b->image, by_image);
    qsort(b->box, (size_t)b->boxes, sizeof *b->box, by_box);
    for (int64_t i = 1; i < b->images; ++i)
        if (b->image[i].id == b->image[i - 1].id)
            return un_fail(UN_DATA, "%s: images %lld and %lld: both have id %lld", b->instances,
                           (long long)b->image[i - 1].row, (long long)b->image[i].row,
                           (long long)b->image[i].id);
    for (int64_t i = 1; i < b->boxes; ++i)
        if (b->box[i].id == b->box[i - 1].id)
            return un_fail(UN_DATA, "%s: annotations %lld and %lld: both have id %lld", b->instances,
                           (long long)b->box[i - 1].row, (long long)b->box[i].row, (long long)b->box[i].id);
    return UN_OK;
}

static enum un_status read_instances(struct un_coco_boxes *b) {
    static const char *const keys[] = {"images", "annotations"};
    struct un_json_items *items;
    struct un_json_item item;
    bool more = true;
    UN_TRY(un_json_items_open(&items, b->instances, keys, 2));
    enum un_status status = UN_OK;
    while (status == UN_OK) {
        status = un_json_items_next(items, &item, &more);
        if (status != UN_OK || !more) break;
        const struct un_task_row row = {b->instances, item.number, item.value};
        status = un_task_is_object(&row);
        if (status == UN_OK) status = item.key[0] == 'i' ? take_image(b, &row) : take_box(b, &row);
    }
    un_json_items_close(items);
    return status == UN_OK ? sort_all(b) : status;
}

enum un_status un_coco_boxes_open(struct un_coco_boxes *b, const char *instances, const char *order) {
    *b = (struct un_coco_boxes){.instances = instances, .order = order && order[0] ? order : NULL};
    enum un_status status = read_instances(b);
    if (status == UN_OK && b->order) status = un_task_whole_file(order, &b->root);
    if (status == UN_OK && b->order) {
        b->ann_ids = json_object_get(b->root, "iid_to_ann_ids");
        if (!json_is_object(b->ann_ids))
            status =
                un_fail(UN_DATA, "%s: {\"iid_to_ann_ids\": {image: [annotation, ...]}} is wanted", order);
    }
    if (status != UN_OK) un_coco_boxes_close(b);
    return status;
}

void un_coco_boxes_close(struct un_coco_boxes *b) {
    un_free(b->image);
    un_free(b->box);
    json_decref(b->root);
    *b = (struct un_coco_boxes){0};
}

const struct un_coco_image *un_coco_boxes_image(const struct un_coco_boxes *b, int64_t id) {
    const struct un_coco_image key = {.id = id};
    return bsearch(&key, b->image, (size_t)b->images, sizeof key, by_image);
}
const struct un_coco_box *un_coco_boxes_box(const struct un_coco_boxes *b, int64_t id) {
    const struct un_coco_box key = {.id = id};
    return bsearch(&key, b->box, (size_t)b->boxes, sizeof key, by_box);
}

enum un_status un_coco_boxes_place(const struct un_coco_boxes *b, const struct un_coco_box *box,
                                   int32_t *place) {
    char image[32];
    size_t i;
    json_t *id;
    snprintf(image, sizeof image, "%lld", (long long)box->image);
    const json_t *list = json_object_get(b->ann_ids, image);
    if (!json_is_array(list))
        return un_fail(UN_DATA, "%s: image %s has no list of annotations in it", b->order, image);
    *place = -1;
    json_array_foreach((json_t *)list, i, id) {
        if (!json_is_integer(id) || json_integer_value(id) != box->id) continue;
        if (*place >= 0)
            return un_fail(UN_DATA, "%s: image %s: annotation %lld stands there twice", b->order, image,
                           (long long)box->id);
        *place = (int32_t)i;
    }
    return *place >= 0 ? UN_OK
                       : un_fail(UN_DATA, "%s: image %s: annotation %lld is not among its %zu", b->order,
                                 image, (long long)box->id, json_array_size(list));
}
