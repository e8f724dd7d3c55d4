/* Groups of sequences by task (sequence.h). Source: UNITER section 4 and its released code. Token types: 0 words
 * and 1 regions; the right image of nlvr2 2; answers of vcr 2, rationales 3, and there a [SEP] between parts has
 * the type of the part after it, but in pretraining of the one before. */
#include "io/feed/sequence.h"

#include "io/feed/private.h"

enum { TYPE_WORDS = 0, TYPE_REGIONS = 1, TYPE_RIGHT = 2, TYPE_ANSWER = 2, TYPE_RATIONALE = 3 };

static void add_part(struct un_sequence *s, int part, uint8_t type) {
    s->part[s->n_parts] = (int8_t)part;
    s->word_type[s->n_parts] = s->sep_type[s->n_parts] = type;
    ++s->n_parts;
}

static void add_image(struct un_sequence *s, int64_t image, uint8_t type) {
    s->image[s->n_images] = image;
    s->region_type[s->n_images++] = type;
}

struct un_sequence un_sequence_pair(int64_t text, int64_t image) {
    struct un_sequence s = {.text = text};
    add_part(&s, UN_PART_TEXT, TYPE_WORDS);
    add_image(&s, image, TYPE_REGIONS);
    return s;
}

/* left, right: with which images. */
static struct un_sequence statement(const struct un_dataset *d, int64_t text, bool left, bool right) {
    struct un_sequence s = {.text = text};
    add_part(&s, UN_PART_TEXT, TYPE_WORDS);
    if (left) add_image(&s, un_dataset_text_image(d, text), TYPE_REGIONS);
    if (right) add_image(&s, un_dataset_text_second(d, text), TYPE_RIGHT);
    return s;
}

/* Question, answer and rationale, each left out if -1; annotated, then detected regions. */
static struct un_sequence question(const struct un_dataset *d, int64_t text, int answer, int rationale) {
    struct un_sequence s = {.text = text};
    int64_t detected = un_dataset_text_second(d, text);
    add_part(&s, UN_PART_TEXT, TYPE_WORDS);
    if (answer >= 0) add_part(&s, answer, TYPE_ANSWER);
    if (rationale >= 0) add_part(&s, UN_VCR_CHOICES + rationale, TYPE_RATIONALE);
    add_image(&s, un_dataset_text_image(d, text), TYPE_REGIONS);
    if (detected >= 0) add_image(&s, detected, TYPE_REGIONS);
    return s;
}

static void close_with_next(struct un_sequence *s) {
    for (int p = 0; p + 1 < s->n_parts; ++p) s->sep_type[p] = s->word_type[p + 1];
}

/* The four choices: answers if answer is -1, else rationales behind it. */
static int choices(const struct un_dataset *d, int64_t text, int answer, struct un_sequence *out) {
    for (int c = 0; c < UN_VCR_CHOICES; ++c) {
        out[c] = answer < 0 ? question(d, text, c, -1) : question(d, text, answer, c);
        close_with_next(&out[c]);
    }
    return UN_VCR_CHOICES;
}

static int all_choices(const struct un_dataset *d, int64_t text, struct un_sequence *out) {
    int n = 0;
    for (int answer = -1; answer < UN_VCR_CHOICES; ++answer) n += choices(d, text, answer, out + n);
    return n;
}

/* An unknown right answer, which only a valid set may have, is taken to be the first. */
static int asked_choices(const struct un_dataset *d, const struct un_sample *sample,
                         struct un_sequence *out) {
    int label = un_dataset_text_label(d, sample->text);
    return choices(d, sample->text, sample->variant == 0 ? -1 : label < 0 ? 0 : label, out);
}

static int ranked_pairs(const struct un_plan *plan, const struct un_sample *sample, struct un_sequence *out) {
    int k = (int)plan->how.negatives;
    out[0] = un_sequence_pair(sample->text, sample->image);
    for (int i = 0; i < k; ++i) {
        out[1 + i] = un_sequence_pair(sample->text, sample->other[i]);
        out[1 + k + i] = un_sequence_pair(sample->other[k + i], sample->image);
    }
    return 1 + 2 * k;
}

/* Of pretraining, and of tasks that ask about a text and its image. */
static int single(const struct un_dataset *d, const struct un_sample *sample, struct un_sequence *out) {
    *out = un_dataset_info(d)->task == UN_TASK_VCR
               ? question(d, sample->text, un_dataset_text_label(d, sample->text),
                          un_dataset_text_rationale(d, sample->text))
               : un_sequence_pair(sample->text, sample->image);
    return 1;
}

int un_plan_sequences(const struct un_plan *plan, const struct un_sample *sample,
                      struct un_sequence out[UN_MAX_GROUP]) {
    const struct un_dataset *d = plan->datasets[sample->dataset];
    switch (sample->objective) {
    case UN_NLVR2_TRIPLET: out[0] = statement(d, sample->text, true, true); return 1;
    case UN_NLVR2_PAIR:
    case UN_NLVR2_ATTN:
        out[0] = statement(d, sample->text, true, false);
        out[1] = statement(d, sample->text, false, true);
        return 2;
    case UN_VCR:
        return un_plan_evaluates(plan) ? all_choices(d, sample->text, out) : asked_choices(d, sample, out);
    case UN_ITM_HARD: return un_plan_mines(plan, UN_ITM_HARD) ? 0 : ranked_pairs(plan, sample, out);
    case UN_ITM_RANK: return ranked_pairs(plan, sample, out);
    default: return single(d, sample, out);
    }
}

int64_t un_sequence_part_words(const struct un_dataset *d, const struct un_sequence *sequence, int part) {
    const int8_t which = sequence->part[part];
    return which == UN_PART_TEXT ? un_dataset_text_length(d, sequence->text)
                                 : un_dataset_text_part_length(d, sequence->text, which);
}

int64_t un_sequence_words(const struct un_dataset *d, const struct un_sequence *sequence) {
    int64_t words = 1;
    for (int p = 0; p < sequence->n_parts; ++p) words += un_sequence_part_words(d, sequence, p) + 1;
    return words;
}

int64_t un_sequence_regions(const struct un_dataset *d, const struct un_sequence *sequence) {
    int64_t regions = 0;
    for (int i = 0; i < sequence->n_images; ++i) regions += un_dataset_image_regions(d, sequence->image[i]);
    return regions;
}

int32_t un_plan_choice(const struct un_plan *plan, const struct un_sample *sample, int index) {
    const struct un_dataset *d = plan->datasets[sample->dataset];
    int32_t answer = un_dataset_text_label(d, sample->text);
    int32_t rationale = un_dataset_text_rationale(d, sample->text);
    int choice = index % UN_VCR_CHOICES, block = index / UN_VCR_CHOICES;
    bool reasons = sample->variant == 1 || block > 0;
    if (block > 0 && block - 1 != answer) return -1;
    int32_t right = reasons && answer < 0 ? -1 : reasons ? rationale : answer;
    return right < 0 ? -1 : right == choice;
}
