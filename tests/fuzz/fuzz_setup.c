/* A training set-up of the authors: what comes of it is YAML, whatever its texts hold. */
#include "io/convert/setup/setup.h"
#include "runtime/config/config.h"
#include "runtime/memory.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

enum { MOST = 1 << 14 }; /* of the input: what comes of more may be too large for a configuration */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct un_text_out yaml = {0};
    struct un_setup_counts counts;
    struct un_config *config = NULL;
    uint64_t live = un_memory_counts().live_blocks;
    const struct un_setup_options options = {.cards = 3};
    if (size > MOST) return 0;
    enum un_status status = un_setup_convert(&yaml, &counts, "fuzz.json", (const char *)data, size, &options);
    if (status == UN_OK && un_config_parse(&config, "fuzz.yaml", yaml.text, NULL, 0) != UN_OK) abort();
    if (status != UN_OK && !un_error_get()->text[0]) abort();
    un_config_free(config);
    un_free(yaml.text);
    un_error_clear();
    if (un_memory_counts().live_blocks != live) abort();
    return 0;
}
