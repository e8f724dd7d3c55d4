/* What a command has open (session.h). */
#include "launch/use/session.h"

#include "runtime/device.h"

enum un_status un_use_session_open(struct un_use_session *s, const struct un_use_keys *keys,
                                   const char *weights) {
    *s = (struct un_use_session){.keys = keys};
    UN_TRY(un_use_weights_open(&s->weights, weights, keys->num_attention_heads));
    UN_TRY(un_device_open(un_device_names[keys->device], (int)keys->threads, 0, &s->device));
    return un_device_take_libraries(s->device);
}

enum un_status un_use_session_pairs(struct un_use_session *s, const char *const *names, int n, int task) {
    return un_use_pairs_open(&s->pairs, s->keys, names, n, &s->weights, s->device, task);
}

enum un_status un_use_session_network(struct un_use_session *s, int which, enum un_objective objective,
                                      bool body) {
    const struct un_use_network_setup setup = {.device = s->device,
                                               .weights = &s->weights,
                                               .heads = un_objective_bit(objective),
                                               .caps = s->pairs.caps,
                                               .precision = s->keys->precision,
                                               .without_head = body,
                                               .vectors = body};
    return un_use_network_open(&s->net[which], &setup);
}

void un_use_session_close(struct un_use_session *s) {
    for (int i = 0; i < UN_USE_NETWORKS; ++i) un_use_network_close(&s->net[i]);
    un_use_pairs_close(&s->pairs);
    un_use_weights_close(&s->weights);
    un_device_close(s->device);
    *s = (struct un_use_session){0};
}
