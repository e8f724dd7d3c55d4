/* Opens a backend by name. */
#include "runtime/device.h"

#include "runtime/backends.h"
#include "runtime/cores.h"

#include <string.h>

static enum un_status open_cuda(int ordinal, struct un_device **device) {
    int count = un_cuda_count();
    return un_cuda_open(count > 0 && ordinal > 0 ? ordinal % count : 0, device);
}

enum un_status un_device_open(const char *name, int threads, int ordinal, struct un_device **device) {
    *device = NULL;
    bool cpu = strcmp(name, "cpu") == 0, cuda = strcmp(name, "cuda") == 0, any = strcmp(name, "auto") == 0;
    if (!cpu && !cuda && !any) return un_fail(UN_USAGE, "device: \"%s\" is none of auto, cpu, cuda", name);
    if (cuda || (any && un_cuda_count() > 0)) return open_cuda(ordinal, device);
    return un_cpu_open(threads > 0 ? threads : un_cores_count(), device);
}

int un_device_count(enum un_device_kind kind) {
    return kind == UN_DEVICE_CUDA ? un_cuda_count() : 1;
}

enum un_status un_device_use_kernel(struct un_device *device, const char *name) {
    return device->mem->use_kernel ? device->mem->use_kernel(device, name) : UN_OK;
}

size_t un_device_library_bytes(const struct un_device *device) {
    return device->mem->library_bytes ? device->mem->library_bytes(device) : 0;
}

enum un_status un_device_take_libraries(struct un_device *device) {
    return device->mem->take_libraries ? device->mem->take_libraries(device) : UN_OK;
}

void un_device_close(struct un_device *device) {
    if (device != NULL) device->mem->close(device);
}
