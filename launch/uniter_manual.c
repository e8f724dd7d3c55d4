/* uniter_manual FORMATS.md FOLDER: man pages and completion, made while the project is built. Not installed. */
#include "io/disk/files.h"
#include "launch/manual/manual.h"
#include "launch/process/begin.h"
#include "launch/process/end.h"
#include "runtime/memory.h"

#include <string.h>

static enum un_status write_file(const char *folder, const char *name, void (*write)(FILE *out)) {
    char path[UN_PATH_MAX];
    UN_TRY(un_files_join(path, folder, name));
    FILE *out = fopen(path, "w");
    if (!out) return un_fail(UN_IO, "%s cannot be written", path);
    write(out);
    bool bad = ferror(out) != 0;
    if (fclose(out) != 0 || bad) return un_fail(UN_IO, "%s could not be written", path);
    return UN_OK;
}

static enum un_status write_formats(const char *folder, const char *source) {
    enum { MOST = 1 << 20 };
    char path[UN_PATH_MAX], *text = NULL;
    size_t bytes;
    UN_TRY(un_files_join(path, folder, "uniter-files.5"));
    UN_TRY(un_files_read(source, MOST, &text, &bytes));
    FILE *out = fopen(path, "w");
    enum un_status status = out ? UN_OK : un_fail(UN_IO, "%s cannot be written", path);
    if (out) {
        un_manual_page(out, "uniter-files", 5, "files that uniter and uniter_dist read and write", text);
        bool bad = ferror(out) != 0;
        if (fclose(out) != 0 || bad) status = un_fail(UN_IO, "%s could not be written", path);
    }
    un_free(text);
    return status;
}

static enum un_status run(int argc, char **argv) {
    static const struct {
        const char *name;
        void (*write)(FILE *out);
    } files[] = {
        {"uniter.1", un_manual_uniter},    {"uniter-data.1", un_manual_data},
        {"uniter_dist.1", un_manual_dist}, {"uniter-config.5", un_manual_config},
        {"uniter.bash", un_manual_bash},   {"_uniter", un_manual_zsh},
    };
    if (argc != 3) return un_fail(UN_USAGE, "usage: uniter_manual FORMATS.md FOLDER");
    for (size_t i = 0; i < sizeof files / sizeof *files; ++i)
        UN_TRY(write_file(argv[2], files[i].name, files[i].write));
    return write_formats(argv[2], argv[1]);
}

int main(int argc, char **argv) {
    un_begin();
    enum un_status status = run(argc, argv);
    un_say(status);
    un_end(status);
}
