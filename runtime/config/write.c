/* The effective configuration as YAML that can be read back, each value with its origin as a comment.
 *
 * Law: values are written as they were given, quoted where they must be. Lists and mappings of scalars alone
 * stand on one line; sections and lists of mappings are indented by two. */
#include "runtime/config/private.h"
#include <errno.h>
#include <string.h>

/* May the text stand without quotes and be read back as the same text? Narrow on purpose. */
static bool is_plain(const char *text) {
    static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./+-";
    if (text[0] == '\0' || strspn(text, safe) != strlen(text)) return false;
    return text[0] != '-' || strspn(text + 1, "0123456789.") > 0;
}

/* The code point at *text, which is valid UTF-8; moves on. */
static unsigned long next_point(const unsigned char **text) {
    const unsigned char *c = *text;
    int more = c[0] < 0x80 ? 0 : c[0] < 0xE0 ? 1 : c[0] < 0xF0 ? 2 : 3;
    unsigned long point = more == 0 ? c[0] : c[0] & (0x3Fu >> more);
    for (int i = 1; i <= more && c[i] != 0; ++i) point = point << 6 | (c[i] & 0x3Fu);
    int length = 0;
    while (length <= more && c[length] != 0) ++length;
    *text += length;
    return point;
}

/* Characters that YAML does not allow as they are, or takes for a line's end. */
static bool must_escape(unsigned long point) {
    return point < 0x20 || (point >= 0x7F && point < 0xA0) || point == 0x2028 || point == 0x2029 ||
           point == 0xFEFF || point == 0xFFFE || point == 0xFFFF;
}

static void write_quoted(FILE *out, const char *text) {
    fputc('"', out);
    for (const unsigned char *c = (const unsigned char *)text; *c != 0;) {
        const unsigned char *start = c;
        unsigned long point = next_point(&c);
        if (must_escape(point))
            fprintf(out, point < 0x100 ? "\\x%02lX" : "\\u%04lX", point);
        else {
            if (*start == '"' || *start == '\\') fputc('\\', out);
            fwrite(start, 1, (size_t)(c - start), out);
        }
    }
    fputc('"', out);
}

static void write_text(FILE *out, const char *text, bool quoted) {
    if (!quoted && is_plain(text))
        fputs(text, out);
    else
        write_quoted(out, text);
}

/* A value on one line: scalars, lists and mappings of scalars. */
static void write_flow(FILE *out, const struct un_yaml *node) {
    if (node->kind == UN_YAML_SCALAR) {
        write_text(out, node->text == NULL ? "" : node->text, node->quoted);
        return;
    }
    bool mapping = node->kind == UN_YAML_MAPPING;
    fputc(mapping ? '{' : '[', out);
    for (const struct un_yaml *child = node->first; child != NULL; child = child->next) {
        if (child != node->first) fputs(", ", out);
        if (mapping) write_text(out, child->key, false);
        if (mapping) fputs(": ", out);
        write_flow(out, child);
    }
    fputc(mapping ? '}' : ']', out);
}

/* Source and line; control characters and bytes beyond ASCII are replaced, so that the comment stays YAML. */
static void write_source(FILE *out, const struct un_yaml *node) {
    for (const char *c = node->source; *c != '\0'; ++c) fputc(*c < 0x20 || *c > 0x7E ? '?' : *c, out);
    if (node->line > 0) fprintf(out, ":%d", node->line);
}

/* "# big.yaml:12"; a value whose parts come from elsewhere names that too, once. */
static void write_origin(FILE *out, const struct un_yaml *node) {
    fputs("  # ", out);
    write_source(out, node);
    for (const struct un_yaml *child = node->first; child != NULL; child = child->next)
        if (strcmp(child->source, node->source) != 0) {
            fputs(", ", out);
            write_source(out, child);
            break;
        }
    fputc('\n', out);
}

static void write_mapping(FILE *out, const struct un_yaml *node, int indent, bool item);

/* After the key: a value of a key (marked as bound in this tree), a section, or a list of mappings. */
static void write_value(FILE *out, const struct un_yaml *node, int indent) {
    if (node->bound || node->n == 0) {
        fputc(' ', out);
        write_flow(out, node);
        write_origin(out, node);
        return;
    }
    fputc('\n', out);
    if (node->kind == UN_YAML_MAPPING)
        write_mapping(out, node, indent + 2, false);
    else
        for (const struct un_yaml *child = node->first; child != NULL; child = child->next)
            write_mapping(out, child, indent + 4, true);
}

/* The keys of a mapping, one a line; as an item of a list its first line begins with a dash. */
static void write_mapping(FILE *out, const struct un_yaml *node, int indent, bool item) {
    for (const struct un_yaml *child = node->first; child != NULL; child = child->next) {
        bool dash = item && child == node->first;
        fprintf(out, "%*s%s", dash ? indent - 2 : indent, "", dash ? "- " : "");
        write_text(out, child->key, false);
        fputc(':', out);
        write_value(out, child, indent);
    }
}

enum un_status un_config_write(const struct un_config *config, FILE *out) {
    fputs("# The configuration in effect; behind each value stands where it comes from.\n", out);
    errno = 0;
    write_mapping(out, config->effective, 0, false);
    if (fflush(out) != 0 || ferror(out))
        return un_fail(UN_IO, "%s: cannot write the configuration in effect: %s", config->name,
                       strerror(errno));
    return UN_OK;
}
