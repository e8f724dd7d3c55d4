/* Memory of the emulated card: between guards that are checked when it is freed. */
#ifndef UN_TESTS_CARDS_EMU_MEMORY_H
#define UN_TESTS_CARDS_EMU_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

/* Zero-filled, UN_ALIGN-aligned; NULL (error recorded) when there is no memory. */
void *un_emu_memory_alloc(size_t bytes, const char *what);
void un_emu_memory_free(void *ptr);

/* Between these, hidden memory (device.h) can be touched. They nest. */
void un_emu_memory_show(void);
void un_emu_memory_hide(void);

#endif
