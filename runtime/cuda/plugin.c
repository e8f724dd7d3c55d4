/* The program's side of the CUDA backend: opens the module when a driver is there, once, and remembers what
 * came of it. The backend itself (device.c and all else in this folder) is the shared module libun_cuda.so,
 * because it needs libraries that a machine without a card does not have. */
#include "runtime/plugin.h"
#include "runtime/backends.h"
#include "runtime/cuda/cuda.h"

#include <pthread.h>
#include <stdio.h>

/* Mutable because they are found out once, at the first question; written under pthread_once. */
static const struct un_cuda_module *module;
static int cards;
static char reason[UN_ERROR_MAX]; /* why there is none */

static void keep_reason(void) {
    snprintf(reason, sizeof reason, "%s", un_error_get()->text);
    un_error_clear();
}

static void ask(void) {
    const char *lacks = un_plugin_lacks("libcuda.so.1");
    if (lacks != NULL) {
        snprintf(reason, sizeof reason, "the NVIDIA driver is missing (%s)", lacks);
        return;
    }
    module = un_plugin_open("libun_cuda.so", "un_cuda_module");
    cards = module == NULL ? 0 : module->count();
    if (cards > 0) return;
    if (un_error_get()->status != UN_OK)
        keep_reason();
    else
        snprintf(reason, sizeof reason, "the driver sees none, or none is visible to this process");
    /* a driver without a card that can be used is seldom meant */
    un_log(UN_LOG_INFO, "an NVIDIA driver is installed, but no card answers: %s", reason);
}

static void ask_once(void) {
    static pthread_once_t asked = PTHREAD_ONCE_INIT;
    struct un_error earlier = *un_error_get(); /* a count is no failure of the caller */
    un_error_clear();
    pthread_once(&asked, ask);
    un_error_clear();
    (void)un_error_adopt(&earlier);
}

int un_cuda_count(void) {
    ask_once();
    return cards;
}

enum un_status un_cuda_open(int ordinal, struct un_device **device) {
    *device = NULL;
    if (un_cuda_count() > 0) return module->open(ordinal, device);
    return un_fail(UN_USAGE, "device: cuda was asked for, but no card answers: %s; use device: cpu or auto",
                   reason);
}
