/* Which sanitizers this file is compiled with. */
#ifndef UN_TESTS_CARDS_EMU_SANITIZER_H
#define UN_TESTS_CARDS_EMU_SANITIZER_H

#if defined(__SANITIZE_ADDRESS__)
#define UN_EMU_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define UN_EMU_ASAN 1
#endif
#endif
#ifndef UN_EMU_ASAN
#define UN_EMU_ASAN 0
#endif

#if UN_EMU_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, bytes)   ((void)(p), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(p, bytes) ((void)(p), (void)(bytes))
#endif

#endif
