/* Memory, planning and packing of a micro-batch (slot.h). */
#include "io/feed/slot.h"

/* ---- memory ---- */

static void *host_alloc(const struct un_loader_setup *setup, size_t bytes) {
    if (!setup->host_alloc) return un_alloc(bytes, 1, "micro-batches of the loader");
    void *memory = setup->host_alloc(setup->context, bytes);
    if (!memory) un_fail(UN_MEMORY, "loader: no pinned memory for a micro-batch of %zu bytes", bytes);
    return memory;
}

static void host_free(const struct un_loader_setup *setup, void *memory) {
    if (!memory) return;
    if (setup->host_free)
        setup->host_free(setup->context, memory);
    else
        un_free(memory);
}

static size_t batch_bytes(const struct un_loader_setup *setup) {
    struct un_batch batch;
    struct un_arena arena = {.name = "loader"};
    un_batch_carve(&batch, &setup->caps, &arena);
    return arena.used;
}

size_t un_slot_bytes(const struct un_loader_setup *setup) {
    size_t held = setup->lists ? (size_t)setup->caps.samples * sizeof(struct un_sequence)
                               : (size_t)un_plan_max_samples(setup->plan) * sizeof(struct un_sample);
    return sizeof(struct un_slot) + batch_bytes(setup) + held;
}

enum un_status un_slot_open(struct un_slot *slot, const struct un_loader_setup *setup) {
    struct un_arena arena = {.name = "loader", .size = batch_bytes(setup)};
    if (setup->lists)
        slot->chosen = un_alloc((size_t)setup->caps.samples, sizeof *slot->chosen, "chosen sequences");
    else
        slot->samples =
            un_alloc((size_t)un_plan_max_samples(setup->plan), sizeof *slot->samples, "planned samples");
    if (!slot->samples && !slot->chosen) return UN_MEMORY;
    slot->memory = host_alloc(setup, arena.size);
    if (!slot->memory) return UN_MEMORY;
    arena.base = slot->memory;
    un_batch_carve(&slot->batch, &setup->caps, &arena);
    return UN_OK;
}

void un_slot_close(struct un_slot *slot, const struct un_loader_setup *setup) {
    un_free(slot->samples);
    un_free(slot->chosen);
    host_free(setup, slot->memory);
}

/* ---- what it holds ---- */

enum un_status un_slot_plan(struct un_slot *slot, const struct un_loader_setup *setup,
                            struct un_lane_state *lane) {
    if (!setup->lists)
        return un_plan_next(setup->plan, (uint32_t)slot->step, slot->lane, lane, slot->samples,
                            &slot->n_samples);
    setup->lists->next(setup->lists->context, slot->chosen, setup->caps.samples, &slot->list);
    slot->n_samples = slot->list.n;
    return UN_OK;
}

/* ---- reading ---- */

static bool is_resident(const struct un_resident *resident, int dataset, int64_t image) {
    int32_t place = resident ? un_resident_find(resident, dataset, image) : -1;
    return place >= 0 && un_resident_has(resident, place);
}

static bool has_image(const struct un_sequence *sequence, int64_t image) {
    for (int i = 0; i < sequence->n_images; ++i)
        if (sequence->image[i] == image) return true;
    return false;
}

/* Each image once where a group has it in sequence after sequence. */
static void expect_sample(const struct un_loader_setup *setup, const struct un_sample *sample) {
    struct un_sequence sequence[UN_MAX_GROUP];
    int n = un_plan_sequences(setup->plan, sample, sequence);
    for (int s = 0; s < n; ++s)
        for (int i = 0; i < sequence[s].n_images; ++i) {
            int64_t image = sequence[s].image[i];
            if (s > 0 && has_image(&sequence[s - 1], image)) continue;
            if (is_resident(setup->resident, sample->dataset, image)) continue;
            un_dataset_expect(un_plan_dataset(setup->plan, sample->dataset), image);
        }
}

static void expect_chosen(const struct un_loader_setup *setup, const struct un_pack_list *list) {
    const struct un_dataset *d = un_plan_dataset(setup->plan, list->dataset);
    for (int64_t s = 0; s < list->n; ++s)
        for (int i = 0; i < list->sequence[s].n_images; ++i) un_dataset_expect(d, list->sequence[s].image[i]);
}

/* The features of all samples are on their way while the first ones are packed. */
static void expect(const struct un_loader_setup *setup, const struct un_slot *slot) {
    if (setup->lists)
        expect_chosen(setup, &slot->list);
    else
        for (int64_t i = 0; i < slot->n_samples; ++i) expect_sample(setup, &slot->samples[i]);
}

enum un_status un_slot_pack(struct un_slot *slot, const struct un_loader_setup *setup,
                            struct un_packer *packer) {
    expect(setup, slot);
    if (setup->lists)
        return un_pack_sequences(packer, &slot->batch, &slot->list, (uint32_t)slot->step,
                                 (uint32_t)slot->lane);
    return un_pack(packer, &slot->batch, slot->samples, slot->n_samples, (uint32_t)slot->step,
                   (uint32_t)slot->lane, setup->purpose);
}
