/* libyaml's events into the tree of yaml.h.
 *
 * Law: a node is hung into the tree before it is filled, so that freeing the root frees all of a failed
 * reading. */
#include "runtime/config/yaml.h"
#include "runtime/memory.h"
#include <stdio.h>
#include <string.h>
#include <yaml.h>

/* A value that has a name (&name), to be copied where *name stands; known from its end on, so none holds itself. */
struct anchor {
    char *name;               /* owned */
    const struct un_yaml *at; /* in the tree */
};

struct reader {
    yaml_parser_t parser;
    const char *source;
    int64_t nodes;
    int depth;
    struct anchor *anchor; /* [anchors] */
    int64_t anchors, room;
    struct un_yaml *merged; /* roots, by their `next`: values of "<<", which may hold names, until the end */
};

static int from1(size_t mark) {
    return (int)mark + 1;
}

static enum un_status refuse(const struct reader *r, yaml_mark_t at, const char *what) {
    return un_fail(UN_USAGE, "%s:%d:%d: %s", r->source, from1(at.line), from1(at.column), what);
}

/* An event, owned by the caller. Whatever libyaml cannot read ends here. */
static enum un_status next_event(struct reader *r, yaml_event_t *event) {
    if (yaml_parser_parse(&r->parser, event)) return UN_OK;
    const yaml_parser_t *p = &r->parser;
    if (p->error == YAML_MEMORY_ERROR) return un_fail(UN_MEMORY, "%s: no memory to read YAML", r->source);
    const char *problem = p->problem == NULL ? "unreadable" : p->problem;
    if (p->error == YAML_READER_ERROR)
        return un_fail(UN_USAGE, "%s: not YAML: %s at byte %zu", r->source, problem, p->problem_offset);
    if (p->context == NULL)
        return un_fail(UN_USAGE, "%s:%d:%d: not YAML: %s", r->source, from1(p->problem_mark.line),
                       from1(p->problem_mark.column), problem);
    return un_fail(UN_USAGE, "%s:%d:%d: not YAML: %s, %s that starts at line %d", r->source,
                   from1(p->problem_mark.line), from1(p->problem_mark.column), problem, p->context,
                   from1(p->context_mark.line));
}

static bool is_end(const yaml_event_t *event) {
    return event->type == YAML_SEQUENCE_END_EVENT || event->type == YAML_MAPPING_END_EVENT;
}

static enum un_status refuse_tag(const struct reader *r, const yaml_event_t *event, const void *tag) {
    return tag == NULL ? UN_OK : refuse(r, event->start_mark, "tags (!name) are not supported");
}

static enum un_status read_scalar(const struct reader *r, struct un_yaml *node, const yaml_event_t *event) {
    UN_TRY(refuse_tag(r, event, event->data.scalar.tag));
    const char *text = (const char *)event->data.scalar.value;
    if (strlen(text) != event->data.scalar.length)
        return refuse(r, event->start_mark, "a zero byte inside a text");
    un_yaml_clear(node, UN_YAML_SCALAR);
    node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    node->text = un_strdup(text);
    return node->text == NULL ? UN_MEMORY : UN_OK;
}

static enum un_status read_children(struct reader *r, struct un_yaml *node);

/* ---- values with names ---- */

static int64_t count_nodes(const struct un_yaml *node) {
    int64_t n = 1;
    for (const struct un_yaml *child = node->first; child != NULL; child = child->next)
        n += count_nodes(child);
    return n;
}

/* A copy counts like what is written out, so that names of names cannot grow without bound. */
static enum un_status count_copy(struct reader *r, const struct un_yaml *from, yaml_mark_t at) {
    r->nodes += count_nodes(from);
    return r->nodes > UN_YAML_MAX_NODES ? refuse(r, at, "too many values for a configuration") : UN_OK;
}

static enum un_status add_anchor(struct reader *r, const yaml_char_t *name, const struct un_yaml *node) {
    if (name == NULL) return UN_OK;
    if (r->anchors == r->room) {
        void *list = r->anchor;
        UN_TRY(un_grow(&list, (size_t)r->room, (size_t)r->room + 16, sizeof *r->anchor, "names of values"));
        r->anchor = list;
        r->room += 16;
    }
    r->anchor[r->anchors].name = un_strdup((const char *)name);
    if (r->anchor[r->anchors].name == NULL) return UN_MEMORY;
    r->anchor[r->anchors++].at = node;
    return UN_OK;
}

/* The newest of the name, as YAML has it. */
static enum un_status read_alias(struct reader *r, struct un_yaml *node, const yaml_event_t *event) {
    const char *name = (const char *)event->data.alias.anchor;
    for (int64_t i = r->anchors - 1; i >= 0; --i) {
        if (strcmp(r->anchor[i].name, name) != 0) continue;
        UN_TRY(count_copy(r, r->anchor[i].at, event->start_mark));
        return un_yaml_copy(node, r->anchor[i].at);
    }
    return un_fail(UN_USAGE,
                   "%s:%d:%d: *%s: no value above has this name (&%s); a text with a star goes in quotes",
                   r->source, from1(event->start_mark.line), from1(event->start_mark.column), name, name);
}

static void forget_anchors(struct reader *r) {
    for (struct un_yaml *node = r->merged, *next; node != NULL; node = next) {
        next = node->next;
        un_yaml_free(node);
    }
    for (int64_t i = 0; i < r->anchors; ++i) un_free(r->anchor[i].name);
    un_free(r->anchor);
}

/* What `from` has and `node` has not. */
static enum un_status merge_one(struct reader *r, struct un_yaml *node, const struct un_yaml *from,
                                yaml_mark_t at) {
    if (from->kind != UN_YAML_MAPPING)
        return refuse(r, at, "<<: what is merged in is no mapping, nor a list of them");
    for (const struct un_yaml *item = from->first; item != NULL; item = item->next) {
        if (un_yaml_child(node, item->key) != NULL) continue;
        UN_TRY(count_copy(r, item, at));
        struct un_yaml *child = un_yaml_append(node, item->key);
        if (child == NULL) return UN_MEMORY;
        UN_TRY(un_yaml_copy(child, item));
    }
    return UN_OK;
}

/* The key "<<" of a mapping that has been read: what stands beside it counts before what it brings, of a list the earlier. */
static enum un_status merge(struct reader *r, struct un_yaml *node, yaml_mark_t at) {
    struct un_yaml *merged = un_yaml_child(node, "<<");
    if (merged == NULL) return UN_OK;
    un_yaml_take_out(node, merged);
    enum un_status status = UN_OK;
    if (merged->kind == UN_YAML_SEQUENCE)
        for (const struct un_yaml *item = merged->first; item != NULL && status == UN_OK; item = item->next)
            status = merge_one(r, node, item, at);
    else
        status = merge_one(r, node, merged, at);
    merged->next = r->merged;
    r->merged = merged;
    return status;
}

/* Fills `node` from the event that starts its value, and from all events up to its end. */
static enum un_status read_value(struct reader *r, struct un_yaml *node, const yaml_event_t *event) {
    node->source = r->source;
    node->line = from1(event->start_mark.line);
    node->column = from1(event->start_mark.column);
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        UN_TRY(read_scalar(r, node, event));
        return add_anchor(r, event->data.scalar.anchor, node);
    case YAML_SEQUENCE_START_EVENT:
        UN_TRY(refuse_tag(r, event, event->data.sequence_start.tag));
        un_yaml_clear(node, UN_YAML_SEQUENCE);
        UN_TRY(read_children(r, node));
        return add_anchor(r, event->data.sequence_start.anchor, node);
    case YAML_MAPPING_START_EVENT:
        UN_TRY(refuse_tag(r, event, event->data.mapping_start.tag));
        un_yaml_clear(node, UN_YAML_MAPPING);
        UN_TRY(read_children(r, node));
        UN_TRY(merge(r, node, event->start_mark));
        return add_anchor(r, event->data.mapping_start.anchor, node);
    case YAML_ALIAS_EVENT: return read_alias(r, node, event);
    default: return un_fail(UN_INTERNAL, "%s:%d: YAML event %d", r->source, node->line, (int)event->type);
    }
}

/* The key that `event` holds, as a new child. */
static enum un_status read_key(struct reader *r, struct un_yaml *node, const yaml_event_t *event,
                               struct un_yaml **child) {
    if (event->type != YAML_SCALAR_EVENT || event->data.scalar.length == 0)
        return refuse(r, event->start_mark, "a key must be a word");
    UN_TRY(refuse_tag(r, event, event->data.scalar.tag));
    if (event->data.scalar.anchor != NULL)
        return refuse(r, event->start_mark, "a key with a name (&name) of its own");
    const char *key = (const char *)event->data.scalar.value;
    if (strlen(key) != event->data.scalar.length)
        return refuse(r, event->start_mark, "a zero byte inside a key");
    const struct un_yaml *before = un_yaml_child(node, key);
    char path[UN_YAML_TEXT];
    if (before != NULL)
        return un_fail(UN_USAGE, "%s:%d:%d: %s: given twice, first at line %d", r->source,
                       from1(event->start_mark.line), from1(event->start_mark.column),
                       un_yaml_path(before, path), before->key_line);
    *child = un_yaml_append(node, key);
    if (*child == NULL) return UN_MEMORY;
    (*child)->key_line = from1(event->start_mark.line);
    (*child)->key_column = from1(event->start_mark.column);
    return UN_OK;
}

/* One child, whose first event (its key, in a mapping) is `event`. */
static enum un_status read_child(struct reader *r, struct un_yaml *node, const yaml_event_t *event) {
    if (++r->nodes > UN_YAML_MAX_NODES)
        return refuse(r, event->start_mark, "too many values for a configuration");
    struct un_yaml *child = NULL;
    if (node->kind == UN_YAML_SEQUENCE) {
        child = un_yaml_append(node, NULL);
        return child == NULL ? UN_MEMORY : read_value(r, child, event);
    }
    UN_TRY(read_key(r, node, event, &child));
    yaml_event_t value;
    UN_TRY(next_event(r, &value));
    enum un_status status = read_value(r, child, &value);
    yaml_event_delete(&value);
    return status;
}

static enum un_status read_children(struct reader *r, struct un_yaml *node) {
    char path[UN_YAML_TEXT];
    if (++r->depth > UN_YAML_MAX_DEPTH)
        return un_fail(UN_USAGE, "%s:%d:%d: %s: nested deeper than %d", r->source, node->line, node->column,
                       un_yaml_path(node, path), UN_YAML_MAX_DEPTH);
    for (bool more = true; more;) {
        yaml_event_t event;
        UN_TRY(next_event(r, &event));
        more = !is_end(&event);
        enum un_status status = more ? read_child(r, node, &event) : UN_OK;
        yaml_event_delete(&event);
        UN_TRY(status);
    }
    --r->depth;
    return UN_OK;
}

/* The only document: one value between its start and end, nothing after it. */
static enum un_status read_document(struct reader *r, struct un_yaml *root) {
    bool seen = false;
    for (;;) {
        yaml_event_t event;
        UN_TRY(next_event(r, &event));
        yaml_event_type_t type = event.type;
        enum un_status status = UN_OK;
        if (type == YAML_DOCUMENT_START_EVENT && seen)
            status = refuse(r, event.start_mark, "a second document (---); a configuration is one document");
        bool value = type == YAML_SCALAR_EVENT || type == YAML_SEQUENCE_START_EVENT ||
                     type == YAML_MAPPING_START_EVENT || type == YAML_ALIAS_EVENT;
        if (value) status = read_value(r, root, &event);
        seen |= value;
        yaml_event_delete(&event);
        UN_TRY(status);
        if (type == YAML_STREAM_END_EVENT) return UN_OK;
    }
}

enum un_status un_yaml_parse(struct un_yaml **root, const char *source, const char *text, size_t length) {
    *root = NULL;
    if (length > UN_YAML_MAX_BYTES)
        return un_fail(UN_USAGE, "%s: %zu bytes are too many for a configuration (at most %d)", source,
                       length, UN_YAML_MAX_BYTES);
    struct reader r = {.source = source};
    if (!yaml_parser_initialize(&r.parser)) return un_fail(UN_MEMORY, "%s: no memory to read YAML", source);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, length);
    enum un_status status = UN_MEMORY;
    struct un_yaml *node = un_alloc(1, sizeof *node, "YAML tree");
    if (node != NULL) {
        node->source = source;
        node->line = node->column = 1;
        node->text = un_strdup("");
        if (node->text != NULL) status = read_document(&r, node);
    }
    yaml_parser_delete(&r.parser);
    forget_anchors(&r);
    if (status == UN_OK)
        *root = node;
    else
        un_yaml_free(node);
    return status;
}
