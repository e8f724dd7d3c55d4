/* The stack machine of a pickle and what its opcodes share. */
#ifndef UN_IO_CONVERT_FORMAT_PICKLE_PRIVATE_H
#define UN_IO_CONVERT_FORMAT_PICKLE_PRIVATE_H

#include "io/convert/format/pickle.h"

struct un_pickle_block; /* memory that is given back at once */

struct un_pickle {
    char *name;
    const unsigned char *bytes; /* [n], borrowed while it is read */
    size_t n, at, op;           /* op: offset of the opcode under way */
    struct un_pickle_block *block;
    struct un_pickle_value **stack; /* NULL: a mark */
    size_t depth, stack_room;
    struct un_pickle_value **memo; /* [memo_room], NULL: not put */
    size_t memo_room, memos;       /* memos: as many as MEMOIZE would number */
    int64_t values, arrays;        /* so far */
    bool numpy;                    /* its names are known */
    const struct un_pickle_value *top;
};

/* UN_DATA with file, opcode's offset and what is wrong. */
enum un_status un_pickle_wrong(const struct un_pickle *p, const char *what);
void *un_pickle_take(struct un_pickle *p, size_t bytes); /* NULL: UN_MEMORY is recorded */
enum un_status un_pickle_push(struct un_pickle *p, struct un_pickle_value *value);
enum un_status un_pickle_new(struct un_pickle *p, enum un_pickle_kind kind, struct un_pickle_value **value);
/* The same, pushed; `value` may be NULL. */
enum un_status un_pickle_make(struct un_pickle *p, enum un_pickle_kind kind, struct un_pickle_value **value);

/* n bytes of what follows the opcode. */
enum un_status un_pickle_bytes(struct un_pickle *p, uint64_t n, const unsigned char **bytes);
/* A little-endian number of 1, 2, 4 or 8 bytes. */
enum un_status un_pickle_little(struct un_pickle *p, int bytes, uint64_t *value);
/* The rest of the line; without its end. */
enum un_status un_pickle_line(struct un_pickle *p, const char **text, size_t *n);

/* The families of opcodes; *mine false: none of them, nothing was read. */
enum un_status un_pickle_number(struct un_pickle *p, unsigned char op, bool *mine);
enum un_status un_pickle_text(struct un_pickle *p, unsigned char op, bool *mine);
enum un_status un_pickle_container(struct un_pickle *p, unsigned char op, bool *mine);
enum un_status un_pickle_memo(struct un_pickle *p, unsigned char op, bool *mine);
enum un_status un_pickle_numpy(struct un_pickle *p, unsigned char op, bool *mine);
void un_pickle_block_free(struct un_pickle_block *block);

#endif
