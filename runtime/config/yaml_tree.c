/* The tree of yaml.h without its parser: look up, change, copy, and print places for messages.
 *
 * Law: recursion goes as deep as the tree, which the parser bounds by UN_YAML_MAX_DEPTH. */
#include "runtime/config/yaml.h"
#include "runtime/memory.h"
#include <stdio.h>
#include <string.h>

static void free_node(struct un_yaml *node) {
    un_yaml_clear(node, UN_YAML_SCALAR);
    un_free(node->key);
    un_free(node);
}

void un_yaml_free(struct un_yaml *root) {
    if (root == NULL) return;
    UN_ASSERT(root->parent == NULL);
    free_node(root);
}

void un_yaml_clear(struct un_yaml *node, enum un_yaml_kind kind) {
    for (struct un_yaml *child = node->first, *next; child != NULL; child = next) {
        next = child->next;
        free_node(child);
    }
    un_free(node->text);
    node->text = NULL;
    node->first = node->last = NULL;
    node->n = 0;
    node->quoted = false;
    node->kind = kind;
}

struct un_yaml *un_yaml_child(const struct un_yaml *node, const char *key) {
    if (node->kind != UN_YAML_MAPPING) return NULL;
    struct un_yaml *child = node->first;
    while (child != NULL && strcmp(child->key, key) != 0) child = child->next;
    return child;
}

struct un_yaml *un_yaml_item(const struct un_yaml *node, int64_t index) {
    if (node->kind != UN_YAML_SEQUENCE || index < 0 || index >= node->n) return NULL;
    struct un_yaml *child = node->first;
    while (index-- > 0) child = child->next;
    return child;
}

struct un_yaml *un_yaml_append(struct un_yaml *parent, const char *key) {
    UN_ASSERT((parent->kind == UN_YAML_MAPPING && key != NULL) ||
              (parent->kind == UN_YAML_SEQUENCE && key == NULL));
    struct un_yaml *node = un_alloc(1, sizeof *node, "YAML tree");
    if (node == NULL) return NULL;
    node->source = parent->source;
    node->parent = parent;
    if (key != NULL && (node->key = un_strdup(key)) == NULL) {
        un_free(node);
        return NULL;
    }
    if (parent->last == NULL)
        parent->first = node;
    else
        parent->last->next = node;
    parent->last = node;
    ++parent->n;
    return node;
}

void un_yaml_take_out(struct un_yaml *parent, struct un_yaml *child) {
    struct un_yaml *before = NULL;
    for (struct un_yaml *item = parent->first; item != child; item = item->next) before = item;
    if (before == NULL)
        parent->first = child->next;
    else
        before->next = child->next;
    if (parent->last == child) parent->last = before;
    --parent->n;
    child->parent = child->next = NULL;
}

enum un_status un_yaml_copy(struct un_yaml *node, const struct un_yaml *from) {
    un_yaml_clear(node, from->kind);
    node->quoted = from->quoted;
    node->source = from->source;
    node->line = from->line;
    node->column = from->column;
    node->key_line = from->key_line;
    node->key_column = from->key_column;
    if (from->text != NULL && (node->text = un_strdup(from->text)) == NULL) return UN_MEMORY;
    for (const struct un_yaml *item = from->first; item != NULL; item = item->next) {
        struct un_yaml *child = un_yaml_append(node, item->key);
        if (child == NULL) return UN_MEMORY;
        UN_TRY(un_yaml_copy(child, item));
    }
    return UN_OK;
}

bool un_yaml_is_null(const struct un_yaml *node) {
    static const char *const word[] = {"", "~", "null", "Null", "NULL"};
    if (node->kind != UN_YAML_SCALAR || node->quoted) return false;
    for (size_t i = 0; node->text != NULL && i < sizeof word / sizeof *word; ++i)
        if (strcmp(node->text, word[i]) == 0) return true;
    return node->text == NULL;
}

/* Appends at most `limit` bytes of `text`, without control characters and without half a UTF-8 character. */
static void append_clean(char buffer[UN_YAML_TEXT], const char *text, size_t limit) {
    size_t used = strlen(buffer), length = strlen(text);
    bool cut = length > limit || length >= UN_YAML_TEXT - used - 4;
    if (length > limit) length = limit;
    if (length >= UN_YAML_TEXT - used - 4) length = UN_YAML_TEXT - used - 4;
    while (cut && length > 0 && ((unsigned char)text[length] & 0xC0) == 0x80) --length;
    for (size_t i = 0; i < length; ++i) {
        unsigned char c = (unsigned char)text[i];
        buffer[used++] = c < 0x20 || c == 0x7F ? '?' : text[i];
    }
    memcpy(buffer + used, cut ? "..." : "", cut ? 4 : 1);
}

static int64_t index_of(const struct un_yaml *node) {
    int64_t index = 0;
    for (const struct un_yaml *item = node->parent->first; item != node; item = item->next) ++index;
    return index;
}

static void append_path(const struct un_yaml *node, char buffer[UN_YAML_TEXT]) {
    if (node->parent == NULL || strlen(buffer) > UN_YAML_TEXT - 64) return;
    append_path(node->parent, buffer);
    if (strlen(buffer) > UN_YAML_TEXT - 64) return;
    char index[32];
    snprintf(index, sizeof index, "[%lld]", node->key == NULL ? (long long)index_of(node) : 0);
    if (node->key != NULL && buffer[0] != '\0') append_clean(buffer, ".", 1);
    append_clean(buffer, node->key != NULL ? node->key : index, 48);
}

const char *un_yaml_path(const struct un_yaml *node, char buffer[UN_YAML_TEXT]) {
    buffer[0] = '\0';
    append_path(node, buffer);
    return buffer;
}

static const char *print_where(const struct un_yaml *node, int line, int column, char buffer[UN_YAML_TEXT]) {
    char place[32] = "";
    if (line > 0) snprintf(place, sizeof place, ":%d:%d", line, column);
    buffer[0] = '\0';
    append_clean(buffer, node->source, UN_YAML_TEXT - 40);
    strcat(buffer, place);
    return buffer;
}

const char *un_yaml_key_where(const struct un_yaml *node, char buffer[UN_YAML_TEXT]) {
    if (node->key_line == 0) return un_yaml_where(node, buffer);
    return print_where(node, node->key_line, node->key_column, buffer);
}

const char *un_yaml_where(const struct un_yaml *node, char buffer[UN_YAML_TEXT]) {
    return print_where(node, node->line, node->column, buffer);
}

const char *un_yaml_show(const struct un_yaml *node, char buffer[UN_YAML_TEXT]) {
    buffer[0] = '\0';
    if (node->kind == UN_YAML_SEQUENCE) return strcpy(buffer, "a list");
    if (node->kind == UN_YAML_MAPPING) return strcpy(buffer, "a mapping");
    strcpy(buffer, "\"");
    append_clean(buffer, node->text == NULL ? "" : node->text, 80);
    return strcat(buffer, "\"");
}
