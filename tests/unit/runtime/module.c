/* A module for test_plugin: one entry as it should be, one of another build. */
#include "runtime/plugin.h"

const void *un_test_module(uint64_t abi);
const void *un_test_of_another_build(uint64_t abi);

const void *un_test_module(uint64_t abi) {
    static const int table = 42;
    /* memory of the program: what a module is linked to take from it */
    un_free(un_alloc(1, 1, "memory of a module"));
    return abi == UN_PLUGIN_ABI ? &table : NULL;
}

const void *un_test_of_another_build(uint64_t abi) {
    return abi == UN_PLUGIN_ABI + 1 ? "" : NULL;
}
