/* One pair of text and image through a trained network, with everything that is to be seen on the way: plans of transport,
 * attention, what masked words and regions are taken for. */
#ifndef UN_LAUNCH_USE_LOOK_H
#define UN_LAUNCH_USE_LOOK_H

#include "io/picture/picture.h"
#include "launch/use/names.h"
#include "launch/use/session.h"

struct un_use_look_keys {
    struct un_strings layer, head; /* numbers from 0, "last", "all" */
    struct un_strings word;        /* words of the text that are masked and shown; none: all */
    int64_t top;                   /* guesses of each, at most UN_PICTURE_GUESSES */
    bool guess;
};
struct un_use_look {
    struct un_picture picture; /* the result; without a photo */
    struct un_picture_unit *word, *region;
    struct un_picture_head *head;
    double *mass, *exact;  /* [words,regions] */
    float *cost;           /* [words,regions] */
    float *probability;    /* [heads chosen][tokens,tokens] */
    bool *layer, *at_head; /* which are chosen, of all */
    /* While it runs: */
    struct un_use_session *session;
    const struct un_use_names *names;
    const struct un_use_look_keys *keys;
    float *qkv, *lse; /* [layers chosen][tokens,3H], [tokens,A] */
    float *wide;      /* device: qkv as f32, where it is bf16 */
    float *score;     /* [vocabulary or classes] */
    int64_t seen;     /* layers */
};

/* The first pair of an opened session, whose networks it opens. Names are borrowed by the result. UN_USAGE: a layer, a head
 * or a word that is not there; the network lacks what ITM needs. A network without the head of masked words, or that of
 * regions, makes no guesses of them. Closed by the call below, also on failure; before the session. */
enum un_status un_use_look_open(struct un_use_look *look, struct un_use_session *session,
                                const struct un_use_names *names, const struct un_use_look_keys *keys);
void un_use_look_close(struct un_use_look *look);

/* Of this wing: probabilities [tokens,tokens] of a head from qkv [tokens,3H] and lse [tokens,A]; the largest |sum of a row - 1|. */
double un_use_attention(float *probability, const float *qkv, const float *lse, int64_t tokens, int64_t width,
                        int64_t heads, int64_t head);
/* Pattern and what it goes by, of the members up to `probability`. A head is called vertical where half of what tokens look at is
 * [CLS] or [SEP], diagonal where half is themselves and their neighbours (both from a third of each), block or reversed block
 * where three quarters of it stay on their side or go to the other, else heterogeneous. Names: UNITER, appendix. */
void un_use_attention_pattern(struct un_picture_head *head, int64_t words, int64_t regions);
/* What each word, each region is taken for when it alone is masked. */
enum un_status un_use_look_guess(struct un_use_look *look);

#endif
