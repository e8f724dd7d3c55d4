/* A vocabulary in memory: pieces by id and the trie over them. */
#ifndef UN_IO_CONVERT_TOKEN_PRIVATE_H
#define UN_IO_CONVERT_TOKEN_PRIVATE_H

#include "io/convert/token/wordpiece.h"

/* Nodes of the trie; 0 is "no such node". A piece "##x" hangs at INNER as "x", every other one at FRONT. */
enum { UN_WORDPIECE_FRONT = 1, UN_WORDPIECE_INNER = 2 };

struct un_wordpiece_edge {
    uint32_t key; /* node << 8 | byte; 0: free (node 0 has no edges) */
    uint32_t to;
};
/* Pieces with letters of two cases, marks in brackets aside; of them, those with a capital. cased: one in fifty
 * has one, so that a few strays in a vocabulary of small letters do not count. */
struct un_wordpiece_letters {
    int64_t lettered, capital;
    bool cased;
};
/* Who decided on capital letters. */
enum un_wordpiece_why { UN_WORDPIECE_ASKED, UN_WORDPIECE_COUNTED, UN_WORDPIECE_TOLD };

struct un_wordpiece {
    char *text;   /* the vocabulary file, lines cut by zero bytes */
    char **piece; /* [n], into text */
    struct un_vocab vocab;
    bool cased;
    enum un_wordpiece_why why; /* it is cased or not */
    struct un_wordpiece_letters letters;
    struct un_wordpiece_edge *edges;
    uint32_t mask;   /* slots - 1 */
    int32_t *accept; /* [nodes] id of the piece that ends here, -1 */
    uint32_t nodes;
};

/* [CLS], [unused7]: never a word of a text. */
bool un_wordpiece_is_reserved(const char *piece);
struct un_wordpiece_letters un_wordpiece_count_letters(const struct un_wordpiece *w);

/* The node behind `byte`, or 0. */
static inline uint32_t un_wordpiece_edge(const struct un_wordpiece *w, uint32_t node, unsigned char byte) {
    uint32_t key = node << 8 | byte, at = (key * 2654435761u) >> 7 & w->mask;
    while (w->edges[at].key != key) {
        if (w->edges[at].key == 0) return 0;
        at = (at + 1) & w->mask;
    }
    return w->edges[at].to;
}

#endif
