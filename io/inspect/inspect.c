/* What a data file holds, for people. Large files: values are taken from SAMPLE regions spread evenly, and it
 * is said. */
#include "io/inspect/inspect.h"
#include "io/data/file.h"
#include "io/inspect/histogram.h"
#include "io/inspect/private.h"
#include "runtime/half.h"
#include "runtime/memory.h"
#include <math.h>
#include <string.h>
#include <sys/stat.h>

enum { SAMPLE = 4096, CAPTIONS = 5 };

struct range {
    int64_t n;
    double low, high, sum, squares;
};
static void range_add(struct range *r, double x) {
    r->low = r->n == 0 || x < r->low ? x : r->low;
    r->high = r->n == 0 || x > r->high ? x : r->high;
    r->sum += x;
    r->squares += x * x;
    ++r->n;
}
static double range_mean(const struct range *r) {
    return r->n ? r->sum / (double)r->n : 0;
}
static double range_deviation(const struct range *r) {
    double mean = range_mean(r), variance = r->n ? r->squares / (double)r->n - mean * mean : 0;
    return variance > 0 ? sqrt(variance) : 0;
}

static void print_size(const char *path, const char *what, FILE *out) {
    struct stat st;
    double kib = stat(path, &st) == 0 ? (double)st.st_size / 1024 : 0;
    bool small = kib < 1024;
    fprintf(out, "%s\n  %s, version 1, %.1f %s\n\n", path, what, small ? kib : kib / 1024,
            small ? "KiB" : "MiB");
}

/* Lengths offset[i+1] - offset[i]: their range and a histogram. */
static void print_lengths(const char *title, const int64_t *offset, int64_t n, FILE *out) {
    struct range r = {0};
    for (int64_t i = 0; i < n; ++i) range_add(&r, (double)(offset[i + 1] - offset[i]));
    fprintf(out, "\n%s: %.0f to %.0f, mean %.1f\n", title, r.low, r.high, range_mean(&r));
    if (n == 0) return;
    struct un_histogram h = un_histogram_whole((int64_t)r.low, (int64_t)r.high);
    for (int64_t i = 0; i < n; ++i) un_histogram_add(&h, (double)(offset[i + 1] - offset[i]));
    un_histogram_print(&h, out);
}

struct region_ranges {
    struct range feature, area, confidence, peak;
    int64_t background; /* soft labels that peak at column 0 */
};

static void add_soft_label(struct region_ranges *r, const uint16_t *soft, int64_t classes) {
    int64_t best = 0;
    for (int64_t c = 1; c < classes; ++c)
        if (un_half_to(soft[c]) > un_half_to(soft[best])) best = c;
    range_add(&r->peak, (double)un_half_to(soft[best]));
    r->background += best == 0;
}

/* row: img_dim floats or halves, then 6 floats, then classes halves fit into it. */
static enum un_status add_region(const struct un_image_file *f, int64_t region, struct region_ranges *r,
                                 struct un_histogram *confidences, void *row) {
    const uint16_t *half = row;
    const float *value = row;
    UN_TRY(un_column_read(&f->feature, region, 1, row));
    for (int64_t c = 0; c < f->img_dim; ++c)
        range_add(&r->feature, (double)(f->feature_type == UN_F16 ? un_half_to(half[c]) : value[c]));
    UN_TRY(un_column_read(&f->box, region, 1, row));
    range_add(&r->area, (double)(value[4] * value[5]));
    UN_TRY(un_column_read(&f->confidence, region, 1, row));
    range_add(&r->confidence, (double)value[0]);
    un_histogram_add(confidences, (double)value[0]);
    if (!f->soft.present) return UN_OK;
    UN_TRY(un_column_read(&f->soft, region, 1, row));
    add_soft_label(r, row, f->classes);
    return UN_OK;
}

static void print_range(const char *what, const struct range *r, FILE *out) {
    fprintf(out, "  %-14s %10.4g to %-10.4g mean %-10.4g deviation %.4g\n", what, r->low, r->high,
            range_mean(r), range_deviation(r));
}

static enum un_status print_regions(const struct un_image_file *f, FILE *out) {
    struct region_ranges r = {0};
    struct un_histogram confidences = un_histogram_real(0, 1);
    int64_t n = f->regions < SAMPLE ? f->regions : SAMPLE;
    int64_t widest = f->img_dim > f->classes ? f->img_dim : f->classes;
    void *row = un_alloc((size_t)(widest > 6 ? widest : 6), 4, "a region");
    if (!row) return UN_MEMORY;
    enum un_status status = UN_OK;
    struct un_progress progress; /* rows from all over a large file */
    un_progress_open_work(&progress, n, 1, "region", true);
    for (int64_t i = 0; i < n && status == UN_OK; ++i) {
        status = add_region(f, (int64_t)((double)i * (double)f->regions / (double)n), &r, &confidences, row);
        un_progress_add(&progress, 1);
    }
    un_progress_clear(&progress);
    un_free(row);
    if (status != UN_OK) return status;
    fprintf(out, "\nvalues of %s%lld regions\n", n < f->regions ? "a sample of " : "all ", (long long)n);
    print_range("feature", &r.feature, out);
    print_range("box area", &r.area, out);
    print_range("confidence", &r.confidence, out);
    if (f->soft.present) {
        print_range("soft label max", &r.peak, out);
        fprintf(out, "  %-14s %10lld peak at the background\n", "soft labels", (long long)r.background);
    }
    fprintf(out, "\nconfidence\n");
    un_histogram_print(&confidences, out);
    return UN_OK;
}

static enum un_status inspect_images(const char *path, FILE *out) {
    struct un_image_file f;
    UN_TRY(un_image_file_open(&f, path));
    print_size(path, "uniter-images", out);
    fprintf(out, "  images         %10lld\n  regions        %10lld\n", (long long)f.images,
            (long long)f.regions);
    fprintf(out, "  feature        %10lld wide, %s\n", (long long)f.img_dim,
            f.feature_type == UN_F16 ? "f16" : "f32");
    if (f.soft.present)
        fprintf(out, "  soft labels    %10lld classes\n", (long long)f.classes);
    else
        fprintf(out, "  soft labels          none (mrc and mrckl cannot be trained)\n");
    for (int64_t i = 0; i < f.images && i < 2; ++i)
        fprintf(out, "  %s%s\n", i ? "               " : "first ids      ", f.ids + i * f.id_stride);
    print_lengths("regions of an image", f.region_offset, f.images, out);
    enum un_status status = print_regions(&f, out);
    un_image_file_close(&f);
    return status;
}

static enum un_status count_tokens(const struct un_text_file *f, int64_t *unknown, int64_t *distinct) {
    enum { BLOCK = 1 << 16 };
    enum un_status status = UN_OK;
    *unknown = *distinct = 0;
    int32_t *token = un_alloc(BLOCK, sizeof *token, "words");
    uint8_t *seen = un_alloc((size_t)f->vocab.vocab_size, 1, "the vocabulary");
    if (!token || !seen) UN_TRY_GOTO(UN_MEMORY, out);
    for (int64_t at = 0; at < f->token.rows; at += BLOCK) {
        int64_t n = f->token.rows - at < BLOCK ? f->token.rows - at : BLOCK;
        UN_TRY_GOTO(un_column_read(&f->token, at, n, token), out);
        for (int64_t i = 0; i < n; ++i) {
            if (token[i] < 0 || token[i] >= f->vocab.vocab_size) continue; /* a matter of un_verify */
            *unknown += token[i] == f->vocab.unk_id;
            *distinct += !seen[token[i]];
            seen[token[i]] = 1;
        }
    }
out:
    un_free(token);
    un_free(seen);
    return status;
}

static enum un_status print_captions(const struct un_text_file *f, FILE *out) {
    int64_t n = f->texts < CAPTIONS ? f->texts : CAPTIONS;
    char sentence[256];
    fprintf(out, "\n%s\n", f->has_sentence ? "some captions" : "some texts (the file holds no sentences)");
    for (int64_t i = 0; i < n; ++i) {
        int64_t row = (int64_t)((double)i * (double)f->texts / (double)n), at = f->token_offset[row];
        int64_t words = f->token_offset[row + 1] - at;
        int32_t token[12];
        fprintf(out, "  %s  ", f->text_ids + row * f->text_stride);
        UN_TRY(un_text_file_sentence(f, row, sentence, sizeof sentence));
        for (char *c = sentence; *c; ++c)
            *c = (unsigned char)*c < 0x20 || *c == 0x7F ? ' ' : *c; /* no control of the terminal */
        fputs(sentence, out);
        if (!f->has_sentence) UN_TRY(un_column_read(&f->token, at, words < 12 ? words : 12, token));
        for (int64_t k = 0; !f->has_sentence && k < words && k < 12; ++k) fprintf(out, "%d ", token[k]);
        fputc('\n', out);
    }
    return UN_OK;
}

static enum un_status report_texts(const struct un_text_file *f, FILE *out) {
    const struct un_vocab *v = &f->vocab;
    int64_t unknown, distinct, images = 0;
    UN_TRY(count_tokens(f, &unknown, &distinct));
    for (int64_t i = 0; i < f->texts; ++i) /* texts of an image usually stand together */
        images += i == 0 ||
                  strcmp(f->image_ids + i * f->image_stride, f->image_ids + (i - 1) * f->image_stride) != 0;
    print_size(f->path, "uniter-text", out);
    fprintf(out, "  texts          %10lld of about %lld images\n", (long long)f->texts, (long long)images);
    fprintf(out, "  words          %10lld, %lld different, %lld unknown\n", (long long)f->token.rows,
            (long long)distinct, (long long)unknown);
    fprintf(out, "  vocabulary     %10lld words, tokenizer %s\n", (long long)v->vocab_size, v->tokenizer);
    fprintf(out, "  special ids    [UNK] %lld [CLS] %lld [SEP] %lld [MASK] %lld, random words %lld..%lld\n",
            (long long)v->unk_id, (long long)v->cls_id, (long long)v->sep_id, (long long)v->mask_id,
            (long long)v->random_lo, (long long)v->random_hi - 1);
    if (f->aligned)
        fprintf(out, "  alignment      %10lld pairs of word and region\n", (long long)f->align_token.rows);
    if (f->targets.task != UN_TASK_NONE) {
        char asked[256];
        un_inspect_targets_say(f, asked, sizeof asked);
        fprintf(out, "  task           %s\n", asked);
    }
    print_lengths("words of a text", f->token_offset, f->texts, out);
    if (f->targets.answer_offset) print_lengths("answers of a text", f->targets.answer_offset, f->texts, out);
    if (f->targets.part_offset)
        print_lengths("words of an answer or rationale", f->targets.part_offset, UN_TEXT_PARTS * f->texts,
                      out);
    return print_captions(f, out);
}

static enum un_status inspect_texts(const char *path, FILE *out) {
    struct un_text_file f;
    UN_TRY(un_text_file_open(&f, path));
    enum un_status status = report_texts(&f, out);
    un_text_file_close(&f);
    return status;
}

enum un_status un_inspect(const char *path, FILE *out) {
    bool text;
    UN_TRY(un_data_kind(path, &text));
    return text ? inspect_texts(path, out) : inspect_images(path, out);
}
