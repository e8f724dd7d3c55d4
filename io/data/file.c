/* Opens image and text files. What the schema demands is written down once, in the two open functions; see
 * DESIGN section 5 for the meaning of the fields. */
#include "io/data/file.h"
#include "runtime/memory.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

static enum un_status check_head(struct un_h5 *h5, const char *format) {
    char found[64];
    int64_t version;
    UN_TRY(un_h5_attr_text(h5, "", "format", found, sizeof found));
    if (strcmp(found, format) != 0)
        return un_fail(UN_DATA, "%s: format is \"%s\", not \"%s\"", un_h5_path(h5), found, format);
    UN_TRY(un_h5_attr_i64(h5, "", "version", &version));
    if (version != 1)
        return un_fail(UN_DATA, "%s: version %lld, this program reads 1", un_h5_path(h5), (long long)version);
    return UN_OK;
}

enum un_status un_data_kind(const char *path, bool *text) {
    struct un_h5 *h5;
    char format[64];
    UN_TRY(un_h5_open(&h5, path, true));
    enum un_status status = un_h5_attr_text(h5, "", "format", format, sizeof format);
    un_h5_close(h5);
    if (status != UN_OK) return status;
    *text = strcmp(format, "uniter-text") == 0;
    if (*text || strcmp(format, "uniter-images") == 0) return UN_OK;
    return un_fail(UN_DATA, "%s: format is \"%s\", neither \"uniter-images\" nor \"uniter-text\"", path,
                   format);
}

static enum un_status open_both(struct un_h5 **h5, int *fd, struct un_version *version, char **kept_path,
                                const char *path) {
    UN_TRY(un_h5_open(h5, path, true));
    *version = *un_h5_version(*h5);
    if (!(*kept_path = un_strdup(path))) return UN_MEMORY;
    *fd = open(path, O_RDONLY | O_CLOEXEC);
    return *fd < 0 ? un_fail(UN_IO, "%s: cannot open: %s", path, strerror(errno)) : UN_OK;
}

/* Columns that pread can fetch need HDF5 no more: one descriptor a file instead of two. */
static void close_unneeded(struct un_h5 **h5, bool needed) {
    if (needed) return;
    un_h5_close(*h5);
    *h5 = NULL;
}

static enum un_status open_image_columns(struct un_image_file *file) {
    const struct un_column_source source = {file->h5, file->path, file->fd};
    const struct un_field feature = {"feature", UN_H5_FLOAT, 2, UN_ANY, UN_ANY};
    UN_TRY(un_column_open(&file->feature, &source, &feature, UN_AS_STORED));
    file->regions = file->feature.rows;
    file->img_dim = file->feature.width;
    file->feature_type = file->feature.type;
    const struct un_field box = {"box", UN_H5_FLOAT, 2, file->regions, 6};
    const struct un_field confidence = {"confidence", UN_H5_FLOAT, 1, file->regions, 1};
    const struct un_field soft = {"soft_label", UN_H5_FLOAT, 2, file->regions, UN_ANY};
    UN_TRY(un_column_open(&file->box, &source, &box, UN_F32));
    UN_TRY(un_column_open(&file->confidence, &source, &confidence, UN_F32));
    if (un_h5_has_link(file->h5, "soft_label")) UN_TRY(un_column_open(&file->soft, &source, &soft, UN_F16));
    file->classes = file->soft.width;
    if (file->img_dim < 1 || (file->soft.present && file->classes < 2))
        return un_fail(UN_DATA, "%s: feature is %lld wide, soft_label %lld", file->path,
                       (long long)file->img_dim, (long long)file->classes);
    return UN_OK;
}

static enum un_status open_image_rows(struct un_image_file *file, const char *path) {
    UN_TRY(open_both(&file->h5, &file->fd, &file->version, &file->path, path));
    UN_TRY(check_head(file->h5, "uniter-images"));
    return open_image_columns(file);
}

static enum un_status open_images(struct un_image_file *file, const char *path) {
    UN_TRY(open_image_rows(file, path));
    const struct un_column_source source = {file->h5, file->path, file->fd};
    UN_TRY(un_column_ids(&source, "image_id", &file->images, &file->id_stride, &file->ids));
    UN_TRY(un_column_offsets(&source, "region_offset", file->images, "feature", file->regions,
                             &file->region_offset));
    for (int64_t i = 0; i < file->images; ++i)
        if (file->region_offset[i + 1] == file->region_offset[i])
            return un_fail(UN_DATA, "%s: image %s (row %lld) has no regions", path,
                           file->ids + i * file->id_stride, (long long)i);
    return UN_OK;
}

enum un_status un_image_file_open(struct un_image_file *file, const char *path) {
    *file = (struct un_image_file){.fd = -1};
    enum un_status status = open_images(file, path);
    if (status != UN_OK) un_image_file_close(file);
    return status;
}

enum un_status un_image_file_open_rows(struct un_image_file *file, const char *path) {
    *file = (struct un_image_file){.fd = -1};
    enum un_status status = open_image_rows(file, path);
    if (status != UN_OK) un_image_file_close(file);
    return status;
}

void un_image_file_drop_index(struct un_image_file *file) {
    un_free(file->region_offset);
    un_free(file->ids);
    file->region_offset = NULL;
    file->ids = NULL;
    un_column_close(&file->confidence);
    close_unneeded(&file->h5, file->feature.data || file->box.data || file->soft.data);
}

void un_image_file_set_tries(struct un_image_file *f, int tries) {
    un_h5_set_tries(f->h5, tries);
    f->feature.tries = f->box.tries = f->confidence.tries = f->soft.tries = tries;
}

void un_text_file_set_tries(struct un_text_file *f, int tries) {
    un_h5_set_tries(f->h5, tries);
    f->token.tries = f->align_token.tries = f->align_region.tries = tries;
    f->sentence.tries = f->sentence_offset.tries = tries;
    un_target_columns_set_tries(&f->targets, tries);
}

void un_image_file_close(struct un_image_file *file) {
    un_image_file_drop_index(file);
    un_column_close(&file->feature);
    un_column_close(&file->box);
    un_column_close(&file->confidence);
    un_column_close(&file->soft);
    un_h5_close(file->h5);
    if (file->fd >= 0) close(file->fd);
    un_free(file->path);
    *file = (struct un_image_file){.fd = -1};
}

static enum un_status read_vocab(struct un_h5 *h5, struct un_vocab *v) {
    const struct {
        const char *name;
        int64_t *value;
    } ids[] = {
        {"unk_id", &v->unk_id}, {"cls_id", &v->cls_id}, {"sep_id", &v->sep_id}, {"mask_id", &v->mask_id}};
    const char *path = un_h5_path(h5);
    bool letters;
    UN_TRY(un_h5_has_attr(h5, "", "letters", &letters));
    if (letters) UN_TRY(un_h5_attr_text(h5, "", "letters", v->letters, sizeof v->letters));
    UN_TRY(un_h5_attr_i64(h5, "", "vocab_size", &v->vocab_size));
    UN_TRY(un_h5_attr_i64(h5, "", "random_lo", &v->random_lo));
    UN_TRY(un_h5_attr_i64(h5, "", "random_hi", &v->random_hi));
    UN_TRY(un_h5_attr_text(h5, "", "tokenizer", v->tokenizer, sizeof v->tokenizer));
    if (v->vocab_size < 1 || v->vocab_size > INT_MAX)
        return un_fail(UN_DATA, "%s: vocab_size is %lld", path, (long long)v->vocab_size);
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; ++i) {
        UN_TRY(un_h5_attr_i64(h5, "", ids[i].name, ids[i].value));
        if (*ids[i].value < 0 || *ids[i].value >= v->vocab_size)
            return un_fail(UN_DATA, "%s: %s is %lld, outside [0, vocab_size %lld)", path, ids[i].name,
                           (long long)*ids[i].value, (long long)v->vocab_size);
    }
    if (v->random_lo < 0 || v->random_lo >= v->random_hi || v->random_hi > v->vocab_size)
        return un_fail(UN_DATA,
                       "%s: random_lo %lld and random_hi %lld are no range inside [0, vocab_size %lld)", path,
                       (long long)v->random_lo, (long long)v->random_hi, (long long)v->vocab_size);
    return UN_OK;
}

static enum un_status open_pairs(struct un_text_file *file) {
    const struct un_column_source source = {file->h5, file->path, file->fd};
    if (!un_h5_has_link(file->h5, "align_offset")) return UN_OK;
    const struct un_field token = {"align_token", UN_H5_INT, 1, UN_ANY, 1};
    UN_TRY(un_column_open(&file->align_token, &source, &token, UN_I32));
    const struct un_field region = {"align_region", UN_H5_INT, 1, file->align_token.rows, 1};
    UN_TRY(un_column_open(&file->align_region, &source, &region, UN_I32));
    file->aligned = true;
    return UN_OK;
}

static enum un_status open_alignment(struct un_text_file *file) {
    const struct un_column_source source = {file->h5, file->path, file->fd};
    UN_TRY(open_pairs(file));
    if (!file->aligned) return UN_OK;
    return un_column_offsets(&source, "align_offset", file->texts, "align_token", file->align_token.rows,
                             &file->align_offset);
}

/* rows: of the offsets. */
static enum un_status open_bytes(struct un_text_file *file, int64_t rows) {
    const struct un_column_source source = {file->h5, file->path, file->fd};
    if (!un_h5_has_link(file->h5, "sentence")) return UN_OK;
    const struct un_field bytes = {"sentence", UN_H5_INT, 1, UN_ANY, 1},
                          offset = {"sentence_offset", UN_H5_INT, 1, rows, 1};
    UN_TRY(un_column_open(&file->sentence, &source, &bytes, UN_U8));
    UN_TRY(un_column_open(&file->sentence_offset, &source, &offset, UN_I64));
    file->has_sentence = true;
    return UN_OK;
}

static enum un_status open_sentences(struct un_text_file *file) {
    int64_t *checked = NULL;
    const struct un_column_source source = {file->h5, file->path, file->fd};
    UN_TRY(open_bytes(file, file->texts + 1));
    if (!file->has_sentence) return UN_OK;
    enum un_status status =
        un_column_offsets(&source, "sentence_offset", file->texts, "sentence", file->sentence.rows, &checked);
    un_free(checked);
    return status;
}

static enum un_status open_words(struct un_text_file *file) {
    const struct un_column_source source = {file->h5, file->path, file->fd};
    const struct un_field token = {"token", UN_H5_INT, 1, UN_ANY, 1};
    return un_column_open(&file->token, &source, &token, UN_I32);
}

static enum un_status open_text_head(struct un_text_file *file, const char *path) {
    UN_TRY(open_both(&file->h5, &file->fd, &file->version, &file->path, path));
    UN_TRY(check_head(file->h5, "uniter-text"));
    return read_vocab(file->h5, &file->vocab);
}

static enum un_status open_texts(struct un_text_file *file, const char *path) {
    int64_t rows;
    UN_TRY(open_text_head(file, path));
    const struct un_column_source source = {file->h5, file->path, file->fd};
    UN_TRY(un_column_ids(&source, "text_id", &file->texts, &file->text_stride, &file->text_ids));
    UN_TRY(un_column_ids(&source, "image_id", &rows, &file->image_stride, &file->image_ids));
    if (rows != file->texts)
        return un_fail(UN_DATA, "%s: image_id has %lld rows, text_id %lld", path, (long long)rows,
                       (long long)file->texts);
    UN_TRY(open_words(file));
    UN_TRY(un_column_offsets(&source, "token_offset", file->texts, "token", file->token.rows,
                             &file->token_offset));
    UN_TRY(open_alignment(file));
    UN_TRY(open_sentences(file));
    return un_target_columns_open(file);
}

static enum un_status open_text_rows(struct un_text_file *file, const char *path) {
    UN_TRY(open_text_head(file, path));
    UN_TRY(open_words(file));
    UN_TRY(open_pairs(file));
    UN_TRY(open_bytes(file, UN_ANY));
    return un_target_columns_open_rows(file);
}

enum un_status un_text_file_open(struct un_text_file *file, const char *path) {
    *file = (struct un_text_file){.fd = -1};
    enum un_status status = open_texts(file, path);
    if (status != UN_OK) un_text_file_close(file);
    return status;
}

enum un_status un_text_file_open_rows(struct un_text_file *file, const char *path) {
    *file = (struct un_text_file){.fd = -1};
    enum un_status status = open_text_rows(file, path);
    if (status != UN_OK) un_text_file_close(file);
    return status;
}

void un_text_file_drop_index(struct un_text_file *file) {
    un_free(file->token_offset);
    un_free(file->align_offset);
    un_free(file->text_ids);
    un_free(file->image_ids);
    file->token_offset = file->align_offset = NULL;
    file->text_ids = file->image_ids = NULL;
    un_target_columns_drop_index(&file->targets);
    close_unneeded(&file->h5, file->token.data || file->align_token.data || file->align_region.data ||
                                  file->sentence.data || file->sentence_offset.data ||
                                  un_target_columns_need_h5(&file->targets));
}

void un_text_file_close(struct un_text_file *file) {
    un_text_file_drop_index(file);
    un_column_close(&file->token);
    un_column_close(&file->align_token);
    un_column_close(&file->align_region);
    un_column_close(&file->sentence);
    un_column_close(&file->sentence_offset);
    un_target_columns_close(&file->targets);
    un_h5_close(file->h5);
    if (file->fd >= 0) close(file->fd);
    un_free(file->path);
    *file = (struct un_text_file){.fd = -1};
}

enum un_status un_text_file_sentence(const struct un_text_file *file, int64_t row, char *sentence,
                                     size_t size) {
    int64_t offset[2];
    sentence[0] = '\0';
    if (!file->has_sentence) return UN_OK;
    UN_TRY(un_column_read(&file->sentence_offset, row, 2, offset));
    int64_t length = offset[1] - offset[0], room = (int64_t)size - 1;
    if (offset[0] < 0 || length < 0 ||
        offset[1] > file->sentence.rows) /* were in order when the file was opened */
        return un_fail(UN_IO, "%s: sentence_offset: row %lld has changed", file->path, (long long)row);
    bool cut = length > room;
    if (cut) length = room;
    UN_TRY(un_column_read(&file->sentence, offset[0], length, sentence));
    /* A cut character loses its continuation bytes (10xxxxxx) and its first byte. */
    if (cut && length > 0) {
        while (length > 0 && ((unsigned char)sentence[length - 1] & 0xC0) == 0x80) --length;
        if (length > 0 && (unsigned char)sentence[length - 1] >= 0xC0) --length;
    }
    sentence[length] = '\0';
    return UN_OK;
}
