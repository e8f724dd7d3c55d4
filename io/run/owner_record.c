/* Reading and writing owner.json (owner_record.h). */
#include "io/run/owner_record.h"
#include "io/disk/calls.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int64_t un_owner_record_read(const char *path, char *text, size_t size) {
    int fd = un_calls_open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) return -1;
    size_t used = 0;
    while (used < size) {
        ssize_t got = read(fd, text + used, size - used);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) {
            int failed = errno;
            close(fd);
            errno = failed;
            return -1;
        }
        if (got == 0) break;
        used += (size_t)got;
    }
    close(fd);
    return (int64_t)used;
}

/* Names go into JSON and messages without escapes: any other character becomes '_'. */
static void copy_name(char out[65], const char *text) {
    size_t n = 0;
    for (; text && text[n] && text[n] != '\n' && n < 64; ++n) {
        char c = text[n];
        bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
                     c == '-' || c == '_';
        out[n] = c;
        if (!plain) out[n] = '_';
    }
    out[n] = '\0';
}

void un_owner_record_self(struct un_owner_record *r) {
    char text[128] = "";
    *r = (struct un_owner_record){.present = true, .pid = getpid()};
    if (gethostname(text, sizeof text - 1) == 0) copy_name(r->host, text);
    int64_t n = un_owner_record_read("/proc/sys/kernel/random/boot_id", text, sizeof text - 1);
    text[n > 0 ? n : 0] = '\0';
    copy_name(r->boot, text);
    copy_name(r->job, getenv("SLURM_JOB_ID"));
}

bool un_owner_record_print(char text[UN_OWNER_TEXT], const struct un_owner_record *r, const char *token,
                           int ranks) {
    char when[32] = "", restarts[65];
    time_t now = time(NULL);
    struct tm utc;
    if (gmtime_r(&now, &utc)) strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &utc);
    copy_name(restarts, getenv("SLURM_RESTART_COUNT"));
    int length =
        snprintf(text, UN_OWNER_TEXT,
                 "{\"start\":%" PRId64 ",\"token\":\"%s\",\"ended\":%s,\"host\":\"%s\",\"pid\":%" PRId64
                 ",\"boot\":\"%s\",\"job\":\"%s\",\"restarts\":\"%s\",\"ranks\":%d,\"at\":\"%s\"}\n",
                 r->start, token, r->ended ? "true" : "false", r->host, r->pid, r->boot, r->job, restarts,
                 ranks, when);
    return length > 0 && length < UN_OWNER_TEXT;
}

void un_owner_record_parse(struct un_owner_record *r, const char *text, size_t bytes) {
    json_error_t error;
    *r = (struct un_owner_record){0};
    json_t *json = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &error);
    const json_t *start = json_object_get(json, "start");
    if (json_is_integer(start) && json_integer_value(start) >= 1 && json_integer_value(start) < INT32_MAX) {
        r->present = true;
        r->start = json_integer_value(start);
        r->ended = json_is_true(json_object_get(json, "ended"));
        r->pid = json_integer_value(json_object_get(json, "pid"));
        copy_name(r->host, json_string_value(json_object_get(json, "host")));
        copy_name(r->boot, json_string_value(json_object_get(json, "boot")));
        copy_name(r->job, json_string_value(json_object_get(json, "job")));
    }
    json_decref(json);
}

void un_owner_record_name(const struct un_owner_record *r, char *text, size_t size) {
    if (!r->present)
        snprintf(text, size, "an unknown one");
    else
        snprintf(text, size, "start %" PRId64 ", host %s, pid %" PRId64 "%s%s", r->start, r->host, r->pid,
                 r->job[0] ? ", job " : "", r->job);
}
