/* The authors' txt_db (source.h): records in the order of their keys, side files beside them.
 *
 * Memory: the lengths of id2len.json and, only when a record does not name its image, txt2img.json, some 50
 * bytes a text each. */
#include "io/convert/format/json_items.h"
#include "io/convert/format/lines.h"
#include "io/convert/format/lmdb.h"
#include "io/convert/text/import.h"
#include "io/convert/text/private.h"
#include "io/convert/text/txt_db_side.h"
#include "io/convert/text/txt_db_task.h"
#include "io/disk/json.h"
#include "runtime/memory.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { META_BYTES_MAX = 1 << 20 };

struct source_txt_db {
    struct un_text_source source; /* first */
    char folder[UN_PATH_MAX];
    struct un_vocab vocab;
    struct un_lmdb *db;
    struct un_lmdb_cursor *cursor;
    struct un_txt_reader *reader;
    struct un_txt_task task;
    struct un_txt_side lengths, images;
    int64_t count, measured; /* records; of them, those with a length */
    char text_id[UN_ID_MAX + 1], image_id[UN_ID_MAX + 1];
};

/* ---- meta.json ---- */

static enum un_status whole(const json_t *value, const char *path, const char *key, int64_t *out) {
    if (!json_is_integer(value) || json_integer_value(value) < 0 || json_integer_value(value) > INT32_MAX)
        return un_fail(UN_DATA, "%s: %s: a token id is wanted there", path, key);
    *out = (int64_t)json_integer_value(value);
    return UN_OK;
}

static enum un_status check_vocab(const struct un_vocab *v, const char *path) {
    int64_t n = v->vocab_size;
    if (v->random_lo < v->random_hi && v->unk_id < n && v->cls_id < n && v->sep_id < n && v->mask_id < n)
        return UN_OK;
    return un_fail(UN_DATA, "%s: v_range [%lld, %lld] does not go with UNK %lld CLS %lld SEP %lld MASK %lld",
                   path, (long long)v->random_lo, (long long)v->random_hi, (long long)v->unk_id,
                   (long long)v->cls_id, (long long)v->sep_id, (long long)v->mask_id);
}

static enum un_status take_meta(struct un_vocab *v, const json_t *meta, const char *path) {
    static const char *const names[] = {"bert", "tokenizer", "toker"};
    const json_t *range = json_object_get(meta, "v_range");
    UN_TRY(whole(json_object_get(meta, "UNK"), path, "UNK", &v->unk_id));
    UN_TRY(whole(json_object_get(meta, "CLS"), path, "CLS", &v->cls_id));
    UN_TRY(whole(json_object_get(meta, "SEP"), path, "SEP", &v->sep_id));
    UN_TRY(whole(json_object_get(meta, "MASK"), path, "MASK", &v->mask_id));
    UN_TRY(whole(json_array_get(range, 0), path, "v_range", &v->random_lo));
    UN_TRY(whole(json_array_get(range, 1), path, "v_range", &v->random_hi));
    v->vocab_size = v->random_hi; /* the range ends where the vocabulary does, but for the persons of vcr */
    for (int i = 0; i < 3 && !v->tokenizer[0]; ++i) {
        const char *name = json_string_value(json_object_get(meta, names[i]));
        if (name) snprintf(v->tokenizer, sizeof v->tokenizer, "%.63s", name);
    }
    if (!v->tokenizer[0]) return un_fail(UN_DATA, "%s: no name of a tokenizer (bert, toker)", path);
    return check_vocab(v, path);
}

static enum un_status read_meta(struct source_txt_db *s) {
    char path[UN_PATH_MAX], *text;
    size_t bytes;
    json_error_t error;
    UN_TRY(un_files_join(path, s->folder, "meta.json"));
    UN_TRY(un_files_read(path, META_BYTES_MAX, &text, &bytes));
    json_t *meta = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &error);
    un_free(text);
    if (!meta)
        return un_fail(UN_DATA, "%s: line %d, byte %d: %s (jansson: %s)", path, error.line, error.position,
                       un_json_fault(&error), error.text);
    enum un_status status = take_meta(&s->vocab, meta, path);
    json_decref(meta);
    return status;
}

/* ---- records ---- */

static enum un_status set_image(struct source_txt_db *s, const struct un_txt_value *value,
                                struct un_caption *caption) {
    const char *image = value->image;
    size_t n = value->image_bytes;
    if (!image) {
        if (!s->images.map.slots) UN_TRY(un_txt_side_read(&s->images, s->folder, "txt2img.json", true));
        int64_t at = un_idmap_find(&s->images.map, s->text_id);
        if (at < 0)
            return un_fail(UN_DATA, "%s: text %s has no image: no img_fname, and it is not in txt2img.json",
                           s->source.name, s->text_id);
        image = s->images.pool + s->images.text[at];
        n = strlen(image);
    }
    if (n == 0 || n > UN_ID_MAX || un_caption_text_fault(image, n)) {
        un_caption_reject(caption, n == 0          ? "no image id"
                                   : n > UN_ID_MAX ? "an id longer than 255 bytes"
                                                   : "an id that is not UTF-8");
        return UN_OK;
    }
    memcpy(s->image_id, image, n);
    s->image_id[n] = '\0';
    caption->image_id = s->image_id;
    return UN_OK;
}

static enum un_status check_length(struct source_txt_db *s, struct un_caption *caption) {
    if (!s->lengths.map.slots) return UN_OK;
    int64_t at = un_idmap_find(&s->lengths.map, s->text_id);
    if (at < 0) {
        un_caption_reject(caption, "not in id2len.json");
        return UN_OK;
    }
    ++s->measured;
    if (s->lengths.number[at] == caption->tokens) return UN_OK;
    return un_fail(UN_DATA, "%s: text %s has %lld tokens, id2len.json says %lld", s->source.name, s->text_id,
                   (long long)caption->tokens, (long long)s->lengths.number[at]);
}

static enum un_status take_record(struct source_txt_db *s, const struct un_lmdb_item *item,
                                  struct un_caption *caption) {
    struct un_txt_value value;
    char where[UN_PATH_MAX + UN_ID_MAX + 16];
    caption->line = ++s->count;
    if (item->key_bytes == 0 || item->key_bytes > UN_ID_MAX ||
        un_caption_text_fault((const char *)item->key, item->key_bytes))
        return un_fail(UN_DATA, "%s: record %lld: its key is no text id", s->source.name,
                       (long long)s->count);
    memcpy(s->text_id, item->key, item->key_bytes);
    s->text_id[item->key_bytes] = '\0';
    snprintf(where, sizeof where, "%s: text %s", s->source.name, s->text_id);
    UN_TRY(un_txt_value_read(s->reader, where, item->value, item->value_bytes, &value));
    caption->text_id = s->text_id;
    caption->token = value.token;
    caption->tokens = value.tokens;
    if (s->source.sentences && value.sentence) {
        caption->sentence = value.sentence;
        caption->sentence_bytes = value.sentence_bytes;
        const char *fault = un_caption_text_fault(value.sentence, value.sentence_bytes);
        if (fault) un_caption_reject(caption, fault);
    }
    UN_TRY(set_image(s, &value, caption));
    UN_TRY(un_txt_task_take(&s->task, where, &value, caption));
    return check_length(s, caption);
}

/* No record is missing that id2len.json has. */
static enum un_status check_end(const struct source_txt_db *s) {
    if (!s->lengths.map.slots || s->measured == s->lengths.n) return UN_OK;
    return un_fail(UN_DATA, "%s: id2len.json has %lld texts, data.mdb %lld of them", s->source.name,
                   (long long)s->lengths.n, (long long)s->measured);
}

static enum un_status next_record(struct un_text_source *source, struct un_caption *caption, bool *more) {
    struct source_txt_db *s = (struct source_txt_db *)source;
    struct un_lmdb_item item;
    *caption = (struct un_caption){0};
    UN_TRY(un_lmdb_cursor_next(s->cursor, &item, more));
    if (!*more) return check_end(s);
    source->bytes_done = source->bytes_total / un_lmdb_entries(s->db) * (s->count + 1);
    return take_record(s, &item, caption);
}

/* Has the first record a sentence? Then all must have one. And it tells the task. */
static enum un_status look_first(struct source_txt_db *s, const struct un_text_lmdb *how) {
    struct un_lmdb_item item;
    struct un_txt_value value;
    bool more;
    UN_TRY(un_lmdb_cursor_open(s->db, &s->cursor, true));
    UN_TRY(un_lmdb_cursor_next(s->cursor, &item, &more));
    if (!more) return un_fail(UN_DATA, "%s: no texts in it", s->source.name);
    UN_TRY(un_txt_value_read(s->reader, s->source.name, item.value, item.value_bytes, &value));
    s->source.sentences = value.sentence != NULL;
    UN_TRY(un_txt_task_open(&s->task, s->folder, &value, how));
    s->source.task = s->task.task;
    s->source.num_answers = s->task.num_answers;
    s->source.answer_names = s->task.names;
    if (s->task.task == UN_TASK_VCR) s->vocab.vocab_size += UN_VCR_PERSONS;
    un_lmdb_cursor_close(s->cursor);
    s->cursor = NULL;
    return un_lmdb_cursor_open(s->db, &s->cursor, true);
}

static enum un_status open_db(struct source_txt_db *s, const char *path, const struct un_text_lmdb *how) {
    char side[UN_PATH_MAX];
    struct stat info;
    un_text_source_name(&s->source, "lmdb", path);
    s->source.vocab = &s->vocab;
    if (snprintf(s->folder, sizeof s->folder, "%s", path) >= (int)sizeof s->folder)
        return un_fail(UN_USAGE, "%s: the name is too long", path);
    UN_TRY(read_meta(s));
    UN_TRY(un_lmdb_open(&s->db, path));
    if (stat(un_lmdb_path(s->db), &info) == 0) s->source.bytes_total = (int64_t)info.st_size;
    UN_TRY(un_txt_reader_open(&s->reader));
    UN_TRY(look_first(s, how));
    UN_TRY(un_files_join(side, path, "id2len.json"));
    if (s->task.task == UN_TASK_VCR) return UN_OK; /* its lengths count answers too */
    return access(side, F_OK) == 0 || errno != ENOENT
               ? un_txt_side_read(&s->lengths, path, "id2len.json", false)
               : UN_OK;
}

static void close_db(struct un_text_source *source) {
    struct source_txt_db *s = (struct source_txt_db *)source;
    un_lmdb_cursor_close(s->cursor);
    un_lmdb_close(s->db);
    un_txt_reader_close(s->reader);
    un_txt_task_close(&s->task);
    un_txt_side_close(&s->lengths);
    un_txt_side_close(&s->images);
    un_free(s);
}

enum un_status un_text_source_lmdb(struct un_text_source **source, const char *path,
                                   const struct un_text_lmdb *how) {
    static const struct un_text_source_ops ops = {next_record, close_db};
    struct source_txt_db *s = un_alloc(1, sizeof *s, "a txt_db");
    *source = NULL;
    if (!s) return UN_MEMORY;
    s->source.ops = &ops;
    enum un_status status = open_db(s, path, how);
    if (status != UN_OK)
        close_db(&s->source);
    else
        *source = &s->source;
    return status;
}

bool un_text_import_is_db(const char *path) {
    char meta[UN_PATH_MAX], data[UN_PATH_MAX];
    int n = snprintf(meta, sizeof meta, "%s/meta.json", path),
        m = snprintf(data, sizeof data, "%s/data.mdb", path);
    return n < (int)sizeof meta && m < (int)sizeof data && access(meta, F_OK) == 0 && access(data, F_OK) == 0;
}
