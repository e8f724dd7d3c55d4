/* See starts.h. */
#include "io/run/starts.h"
#include "io/disk/calls.h"
#include "io/disk/text.h"
#include "runtime/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void put_line(struct un_text_out *out, const struct un_start *s) {
    char host[65] = "", when[32];
    time_t now = time(NULL);
    struct tm utc;
    if (gethostname(host, sizeof host - 1) != 0) strcpy(host, "unknown");
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
    un_text_put(out, "{\"start\":%" PRId64 ",\"step\":%" PRId64 ",\"time\":\"%s\",\"host\":", s->start,
                s->step, when);
    un_text_put_string(out, host);
    un_text_put(out, ",\"ranks\":%" PRId64 ",\"lanes\":%" PRId64 ",\"parameters\":%" PRId64 ",\"device\":",
                s->ranks, s->lanes, s->parameters);
    un_text_put_string(out, s->device);
    un_text_put(out, ",\"version\":");
    un_text_put_string(out, s->version);
    un_text_put(out, "}\n");
}

enum un_status un_starts_add(const struct un_owner *owner, const struct un_start *start) {
    char path[UN_PATH_MAX];
    struct un_text_out out = {0};
    UN_TRY(un_owner_check(owner));
    UN_TRY(un_files_join(path, owner->run_dir, "log/starts.jsonl"));
    int fd = un_calls_open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC);
    if (fd < 0) return un_fail(UN_IO, "%s: cannot open: %s", path, strerror(errno));
    put_line(&out, start);
    enum un_status status = out.failed ? UN_MEMORY : un_files_append(fd, path, out.text, out.used);
    un_free(out.text);
    close(fd);
    return status;
}
