/* Finding and opening modules (plugin.h). The first file of that name decides: one that is there and does not
 * open is an error, not a reason to look further. */
#include "runtime/plugin.h"
#include "runtime/clock.h"
#include "runtime/cores.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What modules may take from the program: named here, so that every program has it, used by itself or not. */
static void (*const given[])(void) __attribute__((used)) = {
    (void (*)(void))un_alloc,      (void (*)(void))un_free,        (void (*)(void))un_format,
    (void (*)(void))un_fail_at,    (void (*)(void))un_error_adopt, (void (*)(void))un_log,
    (void (*)(void))un_arena_take, (void (*)(void))un_cores_count, (void (*)(void))un_clock,
};

enum { PATH_BYTES = 4096, FOLDERS = 3 };

/* The folder of the running program; "." when the system does not say. */
static void own_folder(char folder[PATH_BYTES]) {
    ssize_t length = readlink("/proc/self/exe", folder, PATH_BYTES - 1);
    folder[length > 0 ? length : 0] = '\0';
    char *slash = strrchr(folder, '/');
    if (slash == NULL)
        snprintf(folder, PATH_BYTES, ".");
    else
        *slash = '\0';
}

/* The k-th place where a module may lie; false: the name is too long. */
static bool place(char path[PATH_BYTES], const char *own, int k, const char *file) {
    int length = k == 0   ? snprintf(path, PATH_BYTES, "%s/%s", own, file)
                 : k == 1 ? snprintf(path, PATH_BYTES, "%s/../lib/uniter_dist/%s", own, file)
                          : snprintf(path, PATH_BYTES, "%s/%s", UN_PLUGIN_FOLDER, file);
    return length > 0 && length < PATH_BYTES;
}

static const void *open_at(const char *path, const char *entry) {
    void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (module == NULL) {
        const char *why = dlerror();
        un_fail(UN_USAGE, "the module %s does not open: %s", path, why == NULL ? "no reason given" : why);
        return NULL;
    }
    un_plugin_entry ask;
    void *symbol = dlsym(module, entry);
    if (symbol == NULL) {
        un_fail(UN_USAGE, "the module %s has no function %s", path, entry);
        return NULL;
    }
    memcpy(&ask, &symbol, sizeof ask); /* ISO C has no cast from an object's address to a function's */
    const void *table = ask(UN_PLUGIN_ABI);
    if (table == NULL)
        un_fail(UN_USAGE, "the module %s is of another build than this program: build or install both anew",
                path);
    return table;
}

const void *un_plugin_open(const char *file, const char *entry) {
    char own[PATH_BYTES], path[PATH_BYTES];
    own_folder(own);
    for (int k = 0; k < FOLDERS; ++k)
        if (place(path, own, k, file) && access(path, F_OK) == 0) return open_at(path, entry);
    un_fail(UN_USAGE, "the module %s is neither in %s nor in ../lib/uniter_dist from there", file, own);
    return NULL;
}

const char *un_plugin_lacks(const char *name) {
    if (dlopen(name, RTLD_NOW | RTLD_LOCAL) != NULL) return NULL;
    const char *why = dlerror();
    return why == NULL ? name : why;
}
