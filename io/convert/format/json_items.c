/* JSON of any size (json_items.h): a block of the file and the item under way are in memory, no more.
 *
 * The outer brackets, keys, commas and colons are read by the rules; inside an item only strings, escapes and
 * brackets are followed until it ends, then jansson reads it strictly. An item that nobody asked for is
 * passed over without being kept. */
#include "io/convert/format/json_items.h"
#include "io/disk/json.h"
#include "runtime/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK = 1 << 18, FIRST_ROOM = 1 << 14, END = -1 };
enum place { BEFORE, IN_OBJECT, IN_ARRAY, DONE };

struct un_json_items {
    char *path;
    int fd;
    const char *const *keys;
    int n_keys;
    unsigned char *block; /* [BLOCK] */
    size_t at, filled;
    int64_t size, offset, line; /* offset of the block's first byte; lines from 1 */
    char *text;                 /* the item */
    size_t bytes, room;
    bool keep;
    enum place place;
    bool top_array; /* the array under way is the top itself */
    char key[UN_JSON_KEY_MAX + 1];
    int64_t index, members, number; /* elements and members begun, items of the key given out */
    json_t *value;
};

static enum un_status wrong(const struct un_json_items *j, const char *what) {
    return un_fail(UN_DATA, "%s: line %lld, byte %lld: %s", j->path, (long long)j->line,
                   (long long)(j->offset + (int64_t)j->at), what);
}

static enum un_status fill(struct un_json_items *j) {
    ssize_t n;
    j->offset += (int64_t)j->filled;
    j->at = j->filled = 0;
    do n = read(j->fd, j->block, BLOCK);
    while (n < 0 && errno == EINTR);
    if (n < 0) return un_fail(UN_IO, "%s: %s", j->path, strerror(errno));
    j->filled = (size_t)n;
    return UN_OK;
}

/* The next byte, which stays; END at the end. */
static enum un_status peek(struct un_json_items *j, int *c) {
    if (j->at == j->filled) UN_TRY(fill(j));
    *c = j->at < j->filled ? j->block[j->at] : END;
    return UN_OK;
}

/* Passes over white space to the next byte, which stays. */
static enum un_status peek_mark(struct un_json_items *j, int *c) {
    for (;;) {
        UN_TRY(peek(j, c));
        if (*c != ' ' && *c != '\t' && *c != '\r' && *c != '\n') return UN_OK;
        j->line += *c == '\n';
        ++j->at;
    }
}

static enum un_status keep_bytes(struct un_json_items *j, const unsigned char *bytes, size_t n) {
    if (j->bytes + n > UN_JSON_ITEM_MAX) return wrong(j, "an item larger than 64 MiB");
    if (!j->keep) {
        j->bytes += n;
        return UN_OK;
    }
    size_t room = j->room ? j->room : FIRST_ROOM;
    while (room < j->bytes + n) room *= 2;
    if (room > j->room) {
        UN_TRY(un_grow((void **)&j->text, j->room, room, 1, "an item of JSON"));
        j->room = room;
    }
    memcpy(j->text + j->bytes, bytes, n);
    j->bytes += n;
    return UN_OK;
}

/* Strings and brackets of the item under way. */
struct walk {
    bool string, escaped, ended;
    int depth;
    uint64_t braces; /* bit d: the bracket at depth d is { */
    const char *fault;
};
_Static_assert(UN_JSON_DEPTH_MAX <= 64, "a bit a depth");

static void open_bracket(struct walk *w, bool brace) {
    if (w->depth == UN_JSON_DEPTH_MAX) {
        w->fault = "brackets deeper than 64";
        return;
    }
    uint64_t bit = 1ull << w->depth++;
    w->braces = brace ? w->braces | bit : w->braces & ~bit;
}
static void close_bracket(struct walk *w, bool brace) {
    if (w->depth == 0) return;
    if (((w->braces >> --w->depth) & 1) != (uint64_t)brace) w->fault = "brackets that do not match";
    w->ended = w->depth == 0;
}

/* One byte inside a string; the last quote of an item that is a string ends it. */
static void step_string(struct walk *w, unsigned char c) {
    if (w->escaped)
        w->escaped = false;
    else if (c == '\\')
        w->escaped = true;
    else if (c == '"') {
        w->string = false;
        w->ended = w->depth == 0;
    }
}
static void step(struct walk *w, unsigned char c) {
    switch (c) {
    case '"': w->string = true; break;
    case '{':
    case '[': open_bracket(w, c == '{'); break;
    case '}':
    case ']': close_bracket(w, c == '}'); break;
    default: break;
    }
}

/* A value that begins at the next byte (no white space). */
static enum un_status read_value(struct un_json_items *j) {
    struct walk w = {0};
    bool plain = j->block[j->at] != '"' && j->block[j->at] != '{' && j->block[j->at] != '[';
    j->bytes = 0;
    for (;;) {
        int c;
        UN_TRY(peek(j, &c));
        if (c == END && plain) return UN_OK;
        if (c == END) return wrong(j, "the file is cut short here");
        size_t first = j->at;
        bool mark = false;
        for (; j->at < j->filled && !w.ended && !w.fault && !mark; ++j->at) {
            unsigned char byte = j->block[j->at];
            mark = plain && strchr(",]} \t\r\n", byte) != NULL && byte;
            if (mark) break;
            j->line += byte == '\n';
            if (w.string)
                step_string(&w, byte);
            else if (!plain)
                step(&w, byte);
        }
        if (w.fault) return wrong(j, w.fault);
        UN_TRY(keep_bytes(j, j->block + first, j->at - first));
        if (w.ended || mark) return UN_OK;
    }
}

static bool is_wanted(const struct un_json_items *j) {
    for (int i = 0; i < j->n_keys; ++i)
        if (strcmp(j->keys[i], j->key) == 0) return true;
    return j->n_keys == 0;
}

/* The string in j->text without quotes and escapes. */
static enum un_status copy_key(struct un_json_items *j) {
    memcpy(j->key, j->text + 1, j->bytes - 2);
    j->key[j->bytes - 2] = '\0';
    if (!memchr(j->key, '\\', j->bytes - 2)) return UN_OK;
    json_t *key = json_loadb(j->text, j->bytes, JSON_DECODE_ANY, NULL);
    if (!json_is_string(key)) {
        json_decref(key);
        return wrong(j, "a key that is no string");
    }
    memcpy(j->key, json_string_value(key), json_string_length(key) + 1); /* never longer than its escapes */
    json_decref(key);
    return UN_OK;
}

/* "key" and the colon; the next byte stays at the value. */
static enum un_status read_key(struct un_json_items *j) {
    int c;
    UN_TRY(peek_mark(j, &c));
    if (c != '"') return wrong(j, c == END ? "the file is cut short here" : "a key in quotes is wanted here");
    j->keep = true;
    UN_TRY(read_value(j));
    if (j->bytes - 2 > UN_JSON_KEY_MAX) return wrong(j, "a key longer than 255 bytes");
    UN_TRY(copy_key(j));
    UN_TRY(peek_mark(j, &c));
    if (c != ':') return wrong(j, c == END ? "the file is cut short here" : "a colon is wanted here");
    ++j->at;
    j->number = 0;
    return peek_mark(j, &c);
}

/* After a value inside brackets: a comma, or the bracket's end. first: nothing stands in it yet. */
static enum un_status read_comma(struct un_json_items *j, bool first, char close, bool *ended) {
    int c;
    UN_TRY(peek_mark(j, &c));
    *ended = c == close;
    if (c == END) return wrong(j, "the file is cut short here");
    if (*ended || (!first && c == ',')) {
        ++j->at;
        return UN_OK;
    }
    return first ? UN_OK
                 : wrong(j, close == ']' ? "a comma or ] is wanted here" : "a comma or } is wanted here");
}

static enum un_status parse_item(struct un_json_items *j, struct un_json_item *item, int64_t line) {
    json_error_t error;
    json_decref(j->value);
    j->value = json_loadb(j->text, j->bytes, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (!j->value) {
        int64_t at = j->offset + (int64_t)j->at - (int64_t)j->bytes + error.position;
        return un_fail(UN_DATA, "%s: line %lld, byte %lld: %s (jansson: %s)", j->path,
                       (long long)line + error.line - 1, (long long)at, un_json_fault(&error), error.text);
    }
    *item = (struct un_json_item){.key = j->key,
                                  .element = j->place == IN_ARRAY,
                                  .index = j->index - 1,
                                  .value = j->value,
                                  .line = line,
                                  .number = ++j->number};
    return UN_OK;
}

/* The value at the next byte; *given when it was asked for. */
static enum un_status take_value(struct un_json_items *j, struct un_json_item *item, bool *given) {
    int64_t line = j->line;
    int c;
    UN_TRY(peek_mark(j, &c));
    if (c == END) return wrong(j, "the file is cut short here");
    if (strchr(",:]}", c)) return wrong(j, "a value is wanted here");
    line = j->line;
    j->keep = is_wanted(j);
    UN_TRY(read_value(j));
    *given = j->keep;
    return j->keep ? parse_item(j, item, line) : UN_OK;
}

static enum un_status begin(struct un_json_items *j) {
    int c;
    UN_TRY(peek(j, &c));
    if (j->filled >= 3 && memcmp(j->block, "\xef\xbb\xbf", 3) == 0) j->at = 3;
    UN_TRY(peek_mark(j, &c));
    if (c != '{' && c != '[') return wrong(j, "no JSON: it begins with neither { nor [");
    ++j->at;
    j->top_array = c == '[';
    j->place = c == '[' ? IN_ARRAY : IN_OBJECT;
    return UN_OK;
}

static enum un_status next_member(struct un_json_items *j, struct un_json_item *item, bool *given) {
    bool ended;
    int c;
    UN_TRY(read_comma(j, j->members == 0, '}', &ended));
    if (ended) {
        j->place = DONE;
        return UN_OK;
    }
    ++j->members;
    UN_TRY(read_key(j));
    UN_TRY(peek(j, &c));
    if (c != '[' || !is_wanted(j)) return take_value(j, item, given);
    ++j->at;
    j->place = IN_ARRAY;
    j->index = 0;
    return UN_OK;
}

static enum un_status next_element(struct un_json_items *j, struct un_json_item *item, bool *given) {
    bool ended;
    UN_TRY(read_comma(j, j->index == 0, ']', &ended));
    if (ended) {
        j->place = j->top_array ? DONE : IN_OBJECT;
        return UN_OK;
    }
    ++j->index;
    return take_value(j, item, given);
}

enum un_status un_json_items_next(struct un_json_items *j, struct un_json_item *item, bool *more) {
    int c;
    bool given = false;
    *more = false;
    if (j->place == BEFORE) UN_TRY(begin(j));
    while (j->place != DONE && !given)
        UN_TRY(j->place == IN_OBJECT ? next_member(j, item, &given) : next_element(j, item, &given));
    *more = given;
    if (given) return UN_OK;
    UN_TRY(peek_mark(j, &c));
    return c == END ? UN_OK : wrong(j, "something follows the end of the JSON");
}

static enum un_status open_file(struct un_json_items *j, const char *path) {
    struct stat info;
    if (!(j->path = un_strdup(path))) return UN_MEMORY;
    j->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (j->fd < 0 || fstat(j->fd, &info) != 0) return un_fail(UN_IO, "%s: %s", path, strerror(errno));
    if (S_ISDIR(info.st_mode)) return un_fail(UN_DATA, "%s: is a folder, a file is wanted", path);
    if (S_ISREG(info.st_mode) && info.st_size == 0) return un_fail(UN_DATA, "%s: is empty", path);
    j->size = S_ISREG(info.st_mode) ? (int64_t)info.st_size : 0;
    j->block = un_alloc(BLOCK, 1, "a block of JSON");
    return j->block ? UN_OK : UN_MEMORY;
}

enum un_status un_json_items_open(struct un_json_items **items, const char *path, const char *const *keys,
                                  int n) {
    struct un_json_items *j = un_alloc(1, sizeof *j, "a JSON file");
    *items = NULL;
    if (!j) return UN_MEMORY;
    *j = (struct un_json_items){.fd = -1, .keys = keys, .n_keys = n, .line = 1};
    enum un_status status = open_file(j, path);
    if (status != UN_OK) {
        un_json_items_close(j);
        return status;
    }
    *items = j;
    return UN_OK;
}

void un_json_items_close(struct un_json_items *j) {
    if (!j) return;
    if (j->fd >= 0) close(j->fd);
    json_decref(j->value);
    un_free(j->path);
    un_free(j->block);
    un_free(j->text);
    un_free(j);
}

int64_t un_json_items_size(const struct un_json_items *j) {
    return j->size;
}
int64_t un_json_items_taken(const struct un_json_items *j) {
    return j->offset + (int64_t)j->at;
}
const char *un_json_items_path(const struct un_json_items *j) {
    return j->path;
}
