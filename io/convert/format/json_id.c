/* Ids in JSON (json_items.h). */
#include "io/convert/format/json_items.h"

#include <stdio.h>

size_t un_json_id(const json_t *value, char *id, size_t size) {
    int n = 0;
    id[0] = '\0';
    if (json_is_integer(value))
        n = snprintf(id, size, "%lld", (long long)json_integer_value(value));
    else if (json_is_string(value))
        n = snprintf(id, size, "%s", json_string_value(value));
    return n > 0 ? (size_t)n : 0;
}
