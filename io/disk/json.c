#include "io/disk/json.h"

const char *un_json_fault(const json_error_t *error) {
    switch (json_error_code(error)) {
    case json_error_duplicate_key: return "not JSON: a key stands twice";
    case json_error_premature_end_of_input: return "not JSON: it ends in the middle";
    case json_error_end_of_input_expected: return "not JSON: more stands behind its end";
    case json_error_invalid_utf8: return "not JSON: a character that is not UTF-8";
    case json_error_null_character:
    case json_error_null_byte_in_key: return "not JSON: a zero character in a text";
    case json_error_stack_overflow: return "not JSON: too deep in brackets";
    case json_error_numeric_overflow: return "not JSON: a number that is too large";
    case json_error_out_of_memory: return "no memory to read it";
    default: return "not JSON";
    }
}
