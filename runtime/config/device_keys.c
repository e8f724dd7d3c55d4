#include "runtime/config/device_keys.h"
#include "runtime/config/keys.h"

const char *const un_device_names[] = {"auto", "cpu", "cuda", NULL};
const char *const un_kernel_names[] = {"auto", "plain", "avx2", "avx512", "avx512bf16", "amx", NULL};
static const char *const bind_names[] = {"auto", "none", NULL};

static const struct un_key device_keys[] = {
    UN_KEY_CHOICE(un_device_keys, device, "auto", un_device_names,
                  "where the network runs; auto takes a card when there is one"),
};
const struct un_key_table un_device_key_table = UN_KEY_TABLE("", un_device_keys, device_keys);

static const struct un_key cores_keys[] = {
    UN_KEY_INT(un_cores_keys, threads, "0", 0, 1024, "threads",
               "CPU threads of a rank; 0: allowed cores / ranks on the host"),
    UN_KEY_CHOICE(un_cores_keys, bind, "auto", bind_names,
                  "auto: ranks that share cores which no launcher divided among them divide these"),
    UN_KEY_CHOICE(un_cores_keys, kernel, "auto", un_kernel_names,
                  "who computes products of bf16 on the CPU; the same bits from all; auto: the best it has"),
};
const struct un_key_table un_cores_key_table = UN_KEY_TABLE("", un_cores_keys, cores_keys);
