/* Shared memory. Dynamic: exactly as many bytes as were launched, between red zones; what is behind them is
 * poisoned for AddressSanitizer, and in other builds unmapped memory and a pattern that is checked after each
 * block. Static: the variables of kernels are found in the program's own symbol table. All of it is filled
 * with NaNs before each block. Asynchronous copies into it. */
#include "tests/cards/emu/sanitizer.h"
#include "tests/cards/emu/state.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

unsigned char *un_emu_dynamic;

namespace {

/* ---- dynamic ---- */

enum { ROOM = 256 << 10, PAGE = 4096, ALIGN = 128, RED = 128, PATTERN = 0xA5, NAN_BYTE = 0xFF };

unsigned char *room; /* ROOM bytes between two pages that cannot be touched */
size_t dynamic_bytes;

/* ---- static ---- */

enum { MOST_VARIABLES = 4096 };
struct variable {
    unsigned char *start;
    size_t bytes;
};
struct variable variables[MOST_VARIABLES];
int variable_count = -1; /* not looked for yet */

/* A variable inside a function of C++ ... */
bool is_local_static(const char *name) {
    return !strncmp(name, "_ZZ", 3);
}
/* ... of a kernel file. Only symbols that are local to a file stand behind its name; others are of templates
 * and inline functions. */
bool is_kernel_file(const char *name) {
    const size_t n = strlen(name);
    return n > 3 && !strcmp(name + n - 3, ".cu");
}

int load_bias(struct dl_phdr_info *info, size_t, void *bias) {
    *(uintptr_t *)bias = info->dlpi_addr;
    return 1; /* the program itself comes first */
}

/* Shared memory has no initial values, so it stands in a section without bytes in the file (.bss). */
void add_symbols(const unsigned char *file, const Elf64_Shdr *sections, const Elf64_Shdr *table,
                 uintptr_t bias) {
    const Elf64_Sym *symbol = (const Elf64_Sym *)(file + table->sh_offset);
    const char *names = (const char *)file + sections[table->sh_link].sh_offset;
    bool kernels = false;
    for (size_t i = 0; i < table->sh_size / sizeof *symbol; ++i) {
        const Elf64_Sym *s = &symbol[i];
        if (ELF64_ST_TYPE(s->st_info) == STT_FILE) kernels = is_kernel_file(names + s->st_name);
        if (ELF64_ST_BIND(s->st_info) == STB_LOCAL && !kernels) continue;
        if (ELF64_ST_TYPE(s->st_info) != STT_OBJECT || s->st_shndx == SHN_UNDEF ||
            s->st_shndx >= SHN_LORESERVE)
            continue;
        if (sections[s->st_shndx].sh_type != SHT_NOBITS || !is_local_static(names + s->st_name)) continue;
        if (variable_count == MOST_VARIABLES) {
            fprintf(stderr, "emulator: more than %d static shared variables\n", (int)MOST_VARIABLES);
            abort();
        }
        variables[variable_count++] = {(unsigned char *)(bias + s->st_value), s->st_size};
    }
}

void find_variables() {
    struct stat stat;
    const int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    void *map = fd >= 0 && fstat(fd, &stat) == 0
                    ? mmap(nullptr, (size_t)stat.st_size, PROT_READ, MAP_PRIVATE, fd, 0)
                    : MAP_FAILED;
    if (map == MAP_FAILED) {
        perror("emulator: the program's own file");
        abort();
    }
    const unsigned char *file = (const unsigned char *)map;
    const Elf64_Ehdr *head = (const Elf64_Ehdr *)file;
    const Elf64_Shdr *sections = (const Elf64_Shdr *)(file + head->e_shoff);
    uintptr_t bias = 0;
    dl_iterate_phdr(load_bias, &bias);
    variable_count = 0;
    for (int i = 0; i < head->e_shnum; ++i)
        if (sections[i].sh_type == SHT_SYMTAB) add_symbols(file, sections, &sections[i], bias);
    munmap(map, (size_t)stat.st_size);
    close(fd);
}

bool inside(const unsigned char *p, size_t bytes, const unsigned char *start, size_t room_bytes) {
    return p >= start && bytes <= room_bytes && p - start <= (ptrdiff_t)(room_bytes - bytes);
}

unsigned char *room_end() {
    return room + ROOM;
}

} // namespace

void un_emu_shared_launch(size_t bytes) {
    if (!room) {
        void *map = mmap(nullptr, ROOM + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (map == MAP_FAILED || mprotect((char *)map + PAGE, ROOM, PROT_READ | PROT_WRITE) != 0) {
            perror("emulator: shared memory");
            abort();
        }
        room = (unsigned char *)map + PAGE;
    }
    if (variable_count < 0) find_variables();
    ASAN_UNPOISON_MEMORY_REGION(room - PAGE, ROOM + 2 * PAGE);
    dynamic_bytes = bytes;
    un_emu_dynamic =
        room_end() - (bytes + ALIGN - 1) / ALIGN * ALIGN; /* ends less than ALIGN before the end */
    memset(un_emu_dynamic - RED, PATTERN, RED);
    memset(un_emu_dynamic + bytes, PATTERN, (size_t)(room_end() - un_emu_dynamic) - bytes);
    ASAN_POISON_MEMORY_REGION(room - PAGE, (size_t)(un_emu_dynamic - room) + PAGE);
    ASAN_POISON_MEMORY_REGION(un_emu_dynamic + bytes, (size_t)(room_end() - un_emu_dynamic) - bytes + PAGE);
}

#if UN_EMU_ASAN
/* The size of a variable includes its red zone here; the compiler may not call memset, which would look. */
__attribute__((no_sanitize("address", "undefined"))) static void poison(unsigned char *p, size_t bytes) {
    typedef uint64_t word __attribute__((may_alias, aligned(1)));
    volatile word *words = (volatile word *)p;
    for (size_t i = 0; i < bytes / sizeof *words; ++i) words[i] = ~(uint64_t)0;
    volatile unsigned char *rest = p;
    for (size_t i = bytes / sizeof *words * sizeof *words; i < bytes; ++i) rest[i] = NAN_BYTE;
}
void un_emu_shared_check() { /* AddressSanitizer has seen every access */
}
#else
static void poison(unsigned char *p, size_t bytes) {
    memset(p, NAN_BYTE, bytes);
}
static bool is_pattern(const unsigned char *p, const unsigned char *end) {
    for (; p < end; ++p)
        if (*p != PATTERN) return false;
    return true;
}
void un_emu_shared_check() {
    if (!is_pattern(un_emu_dynamic - RED, un_emu_dynamic))
        un_emu_die("memory before the dynamic shared memory was overwritten");
    if (!is_pattern(un_emu_dynamic + dynamic_bytes, room_end()))
        un_emu_die("memory behind the %zu bytes of dynamic shared memory was overwritten", dynamic_bytes);
}
#endif

void un_emu_shared_start() {
    memset(un_emu_dynamic, NAN_BYTE, dynamic_bytes);
    for (int i = 0; i < variable_count; ++i) poison(variables[i].start, variables[i].bytes);
}

bool un_emu_is_shared(const void *p, size_t bytes) {
    const unsigned char *at = (const unsigned char *)p;
    if (inside(at, bytes, un_emu_dynamic, dynamic_bytes)) return true;
    for (int i = 0; i < variable_count; ++i)
        if (inside(at, bytes, variables[i].start, variables[i].bytes)) return true;
    return false;
}
