/* The numbers of a picture as JSON. */
#include "io/picture/picture.h"

static void put_number(struct un_text_out *out, const char *key, double value) {
    un_text_put(out, ", \"%s\": ", key);
    un_text_put_number(out, value);
}

static void put_name(struct un_text_out *out, const char *key, const char *name) {
    un_text_put(out, "\"%s\": ", key);
    if (name[0])
        un_text_put_string(out, name);
    else
        un_text_put(out, "null");
}

static void put_unit(struct un_text_out *out, const struct un_picture_unit *unit, const float *box) {
    un_text_put(out, "{");
    put_name(out, "name", unit->name);
    if (unit->id >= 0) un_text_put(out, ", \"id\": %lld", (long long)unit->id);
    if (box)
        un_text_put(out, ", \"box\": [%.7g, %.7g, %.7g, %.7g]", (double)box[0], (double)box[1],
                    (double)box[2], (double)box[3]);
    if (unit->guesses) {
        if (unit->id >= 0) put_number(out, "probability", unit->truth);
        un_text_put(out, ", \"guesses\": [");
        for (int64_t g = 0; g < unit->guesses; ++g) {
            un_text_put(out, g ? ", {" : "{");
            put_name(out, "name", unit->guess[g].name);
            un_text_put(out, ", \"id\": %lld", (long long)unit->guess[g].id);
            put_number(out, "probability", unit->guess[g].probability);
            un_text_put(out, "}");
        }
        un_text_put(out, "]");
    }
    un_text_put(out, "}");
}

static void put_units(struct un_text_out *out, const char *key, const struct un_picture *p, bool regions) {
    int64_t n = regions ? p->regions : p->words;
    un_text_put(out, ",\n\"%s\": [", key);
    for (int64_t i = 0; i < n; ++i) {
        un_text_put(out, i ? ",\n " : "\n ");
        put_unit(out, regions ? &p->region[i] : &p->word[i], regions ? p->box + i * p->box_width : NULL);
    }
    un_text_put(out, "]");
}

static void put_plan(struct un_text_out *out, const char *key, const struct un_picture *p,
                     const struct un_picture_plan *plan) {
    un_text_put(out, ",\n\"%s\": {", key);
    put_name(out, "solver", plan->solver);
    put_number(out, "distance", plan->distance);
    put_number(out, "row_error", plan->row_error);
    put_number(out, "column_error", plan->column_error);
    un_text_put(out, ", \"entries\": %lld, \"mass\": [", (long long)plan->entries);
    for (int64_t w = 0; w < p->words; ++w) {
        un_text_put(out, w ? "],\n [" : "\n [");
        for (int64_t r = 0; r < p->regions; ++r) {
            if (r) un_text_put(out, ", ");
            un_text_put_number(out, plan->mass[w * p->regions + r]);
        }
    }
    un_text_put(out, "]]}");
}

static void put_floats(struct un_text_out *out, const float *value, int64_t rows, int64_t columns) {
    for (int64_t i = 0; i < rows; ++i) {
        un_text_put(out, i ? "],\n [" : "\n [");
        for (int64_t j = 0; j < columns; ++j) {
            if (j) un_text_put(out, ", ");
            un_text_put_number(out, (double)value[i * columns + j]);
        }
    }
    un_text_put(out, "]");
}

static void put_heads(struct un_text_out *out, const struct un_picture *p) {
    un_text_put(out, ",\n\"attention\": [");
    for (int64_t h = 0; h < p->heads; ++h) {
        const struct un_picture_head *head = &p->head[h];
        un_text_put(out, "%s{\"layer\": %lld, \"head\": %lld, \"pattern\": \"%s\"", h ? ",\n " : "\n ",
                    (long long)head->layer, (long long)head->head, head->pattern);
        put_number(out, "special", head->special);
        put_number(out, "near", head->near);
        put_number(out, "inside", head->inside);
        un_text_put(out, ", \"probabilities\": [");
        put_floats(out, head->probability, p->words + p->regions, p->words + p->regions);
        un_text_put(out, "]}");
    }
    un_text_put(out, "]");
}

void un_picture_json(struct un_text_out *out, const struct un_picture *p) {
    un_text_put(out, "{");
    put_name(out, "weights", p->weights);
    un_text_put(out, ", ");
    put_name(out, "text_id", p->text_id);
    un_text_put(out, ", ");
    put_name(out, "image_id", p->image_id);
    put_number(out, "match", p->match);
    put_number(out, "gap", p->solver.distance - p->exact.distance);
    put_number(out, "bound", p->bound);
    put_number(out, "attention_error", p->attention_error);
    put_units(out, "words", p, false);
    put_units(out, "regions", p, true);
    un_text_put(out, ",\n\"cost\": [");
    put_floats(out, p->cost, p->words, p->regions);
    un_text_put(out, "]");
    put_plan(out, "plan", p, &p->solver);
    put_plan(out, "exact", p, &p->exact);
    put_heads(out, p);
    un_text_put(out, "}\n");
}
