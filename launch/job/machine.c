/* The kind of a machine (machine.h). */
#include "launch/job/machine.h"

#include "io/disk/digest.h"

#include <fcntl.h>
#include <gnu/libc-version.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void append(char text[UN_MACHINE_TEXT], const char *between, const char *word, size_t bytes) {
    size_t used = strlen(text);
    snprintf(text + used, UN_MACHINE_TEXT - used, "%s%.*s", used ? between : "", (int)bytes, word);
}

/* "model name : X": is the line's name `name`? Then where X begins. */
static const char *value_of(const char *line, size_t bytes, const char *name) {
    size_t length = strlen(name);
    if (bytes <= length || memcmp(line, name, length) != 0) return NULL;
    const char *at = line + length + strspn(line + length, " \t");
    return *at == ':' ? at + 1 + strspn(at + 1, " \t") : NULL;
}

/* Of all flags those that libraries choose kernels by; others come and go with the system's version. */
static const char *const chosen_by[] = {"sse4_2",      "avx",      "avx2",     "fma",      "avx512f",
                                        "avx512dq",    "avx512bw", "avx512vl", "avx512cd", "asimd",
                                        "avx512_bf16", "amx_tile", "sve",      "sve2",     NULL};
/* By these the C library's functions of one number. */
static const char *const numbers_by[] = {"avx2", "fma", "asimd", NULL};

static void append_flags(char text[UN_MACHINE_TEXT], const char *flags, const char *end,
                         const char *const *known) {
    const char *between = " (";
    while (flags < end) {
        size_t length = strcspn(flags, " \n");
        for (size_t i = 0; known[i]; ++i) {
            if (strlen(known[i]) != length || memcmp(flags, known[i], length) != 0) continue;
            append(text, between, flags, length);
            between = " ";
        }
        flags += length + (flags[length] == ' ');
        if (*flags == '\n' || *flags == '\0') break;
    }
    if (between[1] == '\0') append(text, ")", "", 0);
}

static void parse(char text[UN_MACHINE_TEXT], const char *cpuinfo, const char *const *names,
                  const char *const *known) {
    text[0] = '\0';
    while (*cpuinfo && *cpuinfo != '\n') {
        size_t bytes = strcspn(cpuinfo, "\n");
        const char *end = cpuinfo + bytes, *value;
        for (size_t i = 0; names[i]; ++i)
            if ((value = value_of(cpuinfo, bytes, names[i]))) append(text, " ", value, (size_t)(end - value));
        value = value_of(cpuinfo, bytes, "flags");
        if (!value) value = value_of(cpuinfo, bytes, "Features");
        if (value && !text[0]) append(text, "", "instructions", 12);
        if (value) append_flags(text, value, end, known);
        cpuinfo = *end ? end + 1 : end;
    }
    if (!text[0]) append(text, "", "unknown", 7);
}

void un_machine_parse(char text[UN_MACHINE_TEXT], const char *cpuinfo) {
    static const char *const names[] = {"vendor_id",       "cpu family",  "model",    "model name",
                                        "CPU implementer", "CPU variant", "CPU part", NULL};
    parse(text, cpuinfo, names, chosen_by);
}

void un_machine_instructions(char text[UN_MACHINE_TEXT], const char *cpuinfo) {
    static const char *const names[] = {NULL};
    parse(text, cpuinfo, names, numbers_by);
}

/* Products of an order of their own. */
static bool ordered(const struct un_device *device, enum un_type type) {
    return device->kind == UN_DEVICE_CPU && type == UN_BF16;
}

void un_machine_processor(char text[UN_MACHINE_TEXT], const struct un_device *device, enum un_type type) {
    char info[16384] = ""; /* the first processor; reading all of many is slow */
    size_t used = 0;
    int fd = open("/proc/cpuinfo", O_RDONLY | O_CLOEXEC);
    for (ssize_t got = 1; fd >= 0 && got > 0 && used < sizeof info - 1 && !strstr(info, "\n\n");) {
        got = read(fd, info + used, sizeof info - 1 - used);
        used += got > 0 ? (size_t)got : 0;
        info[used] = '\0';
    }
    if (fd >= 0) close(fd);
    if (ordered(device, type))
        un_machine_instructions(text, info);
    else
        un_machine_parse(text, info);
}

void un_machine_kernels(char text[UN_MACHINE_TEXT], const struct un_device *device, enum un_type type) {
    bool cpu = device->kind == UN_DEVICE_CPU;
    if (ordered(device, type)) {
        snprintf(text, UN_MACHINE_TEXT, "cpu, bf16 in blocks of 32");
        return;
    }
    const char *name = device->name;
    const char *own = cpu ? strstr(name, "thread") : strchr(name, ':');
    own = own && cpu ? strchr(own, ',') : own;
    own = own ? own : name;
    snprintf(text, UN_MACHINE_TEXT, "%s%.*s",
             own == name ? ""
             : cpu       ? "cpu"
                         : "card",
             cpu ? (int)strcspn(own, ";") : UN_MACHINE_TEXT, own); /* after the semicolon: of bf16 */
}

void un_machine_library(char text[UN_MACHINE_TEXT]) {
    snprintf(text, UN_MACHINE_TEXT, "glibc %s", gnu_get_libc_version());
}

void un_machine_build(char text[UN_MACHINE_TEXT]) {
    struct un_digest digest;
    char hex[UN_DIGEST_TEXT];
    int64_t bytes;
    if (un_digest_file("/proc/self/exe", &bytes, &digest) != UN_OK) {
        un_error_clear();
        snprintf(text, UN_MACHINE_TEXT, "version %s, a file that cannot be read", UN_VERSION);
        return;
    }
    un_digest_print(&digest, hex);
    snprintf(text, UN_MACHINE_TEXT, "version %s, %" PRId64 " bytes %.8s", UN_VERSION, bytes, hex);
}

void un_machine_kind(char text[UN_MACHINE_TEXT], const struct un_device *device, enum un_type type) {
    char part[UN_MACHINE_TEXT];
    un_machine_processor(text, device, type);
    un_machine_kernels(part, device, type);
    append(text, "; ", part, strlen(part));
    un_machine_library(part);
    append(text, "; ", part, strlen(part));
}

void un_machine_host(char text[65]) {
    if (gethostname(text, 64) != 0) strcpy(text, "?");
    text[64] = '\0';
}
