/* libyaml's events into the tree of yaml.h.
 *
 * Law: a node is hung into the tree before it is filled, so that freeing the root frees all of a failed
 * reading. */
#include "runtime/config/yaml.h"
#include "runtime/memory.h"
#include <stdio.h>
#include <string.h>
#include <yaml.h>

struct reader {
    yaml_parser_t parser;
    const char *source;
    int64_t nodes;
    int depth;
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

static enum un_status refuse_names(const struct reader *r, const yaml_event_t *event, const void *anchor,
                                   const void *tag) {
    if (anchor != NULL)
        return refuse(r, event->start_mark,
                      "anchors (&name) are not supported; write the value where it is used");
    if (tag != NULL) return refuse(r, event->start_mark, "tags (!name) are not supported");
    return UN_OK;
}

static enum un_status read_scalar(const struct reader *r, struct un_yaml *node, const yaml_event_t *event) {
    UN_TRY(refuse_names(r, event, event->data.scalar.anchor, event->data.scalar.tag));
    const char *text = (const char *)event->data.scalar.value;
    if (strlen(text) != event->data.scalar.length)
        return refuse(r, event->start_mark, "a zero byte inside a text");
    un_yaml_clear(node, UN_YAML_SCALAR);
    node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    node->text = un_strdup(text);
    return node->text == NULL ? UN_MEMORY : UN_OK;
}

static enum un_status read_children(struct reader *r, struct un_yaml *node);

/* Fills `node` from the event that starts its value, and from all events up to its end. */
static enum un_status read_value(struct reader *r, struct un_yaml *node, const yaml_event_t *event) {
    node->source = r->source;
    node->line = from1(event->start_mark.line);
    node->column = from1(event->start_mark.column);
    switch (event->type) {
    case YAML_SCALAR_EVENT: return read_scalar(r, node, event);
    case YAML_SEQUENCE_START_EVENT:
        UN_TRY(refuse_names(r, event, event->data.sequence_start.anchor, event->data.sequence_start.tag));
        un_yaml_clear(node, UN_YAML_SEQUENCE);
        return read_children(r, node);
    case YAML_MAPPING_START_EVENT:
        UN_TRY(refuse_names(r, event, event->data.mapping_start.anchor, event->data.mapping_start.tag));
        un_yaml_clear(node, UN_YAML_MAPPING);
        return read_children(r, node);
    case YAML_ALIAS_EVENT:
        return refuse(r, event->start_mark,
                      "aliases (*name) are not supported; write a text with a star in quotes");
    default: return un_fail(UN_INTERNAL, "%s:%d: YAML event %d", r->source, node->line, (int)event->type);
    }
}

/* The key that `event` holds, as a new child. */
static enum un_status read_key(struct reader *r, struct un_yaml *node, const yaml_event_t *event,
                               struct un_yaml **child) {
    if (event->type != YAML_SCALAR_EVENT || event->data.scalar.length == 0)
        return refuse(r, event->start_mark, "a key must be a word");
    UN_TRY(refuse_names(r, event, event->data.scalar.anchor, event->data.scalar.tag));
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
    if (status == UN_OK)
        *root = node;
    else
        un_yaml_free(node);
    return status;
}
