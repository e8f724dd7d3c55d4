/* A rank's line in RUN/log/beats: where it stands, written every few seconds by its watchdog, read by the
 * watchdogs of others when they wait too long, and by people (`cat RUN/log/beats`). */
#ifndef UN_LAUNCH_PROCESS_BEAT_H
#define UN_LAUNCH_PROCESS_BEAT_H

#include "comm/pulse.h"
#include "io/run/owner.h"

enum { UN_BEAT_WORD = 32 };
/* Phase of a rank that its watchdog has ended; the others then need not say why. */
#define UN_BEAT_ENDED "ended"
/* Phase before the ranks know each other. */
#define UN_BEAT_UNKNOWN "start of MPI"

struct un_beat {
    bool present; /* a line of this run */
    int rank;
    int64_t pid, step;
    uint64_t count;    /* of lines written: a rank whose count stands still shows no life */
    double phase_time; /* seconds since the phase began */
    char host[65], phase[UN_BEAT_WORD];
    uint64_t begun[UN_PULSE_COUNT]; /* number of the last collective of each line */
    bool under_way[UN_PULSE_COUNT];
    char what[UN_PULSE_COUNT][UN_BEAT_WORD]; /* its name */
};

/* One line of exactly UN_BEAT_BYTES, its end included. */
void un_beat_print(char line[UN_BEAT_BYTES], const struct un_beat *beat, const char *token);
/* present == false: no line of the run with this token, or of another rank. */
void un_beat_parse(struct un_beat *beat, const char line[UN_BEAT_BYTES], const char *token, int rank);

/* What a rank that waited too long knows. */
struct un_verdict {
    const struct un_beat *mine;
    const struct un_beat *early, *final; /* [size] all ranks some time ago and now; NULL: could not be read */
    int size;
    int line; /* whose collective lasts the longest; -1: none is under way */
    double collective_time, phase_time, timeout;
};
/* Says what lasts too long, and which ranks did not arrive. */
void un_beat_verdict(const struct un_verdict *v, char *text, size_t size);

#endif
