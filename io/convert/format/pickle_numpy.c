/* NumPy's arrays in a pickle (pickle.h). An array is written as
 *   _reconstruct(ndarray, (0,), b'b')         then its state (1, shape, dtype, Fortran order?, bytes or a list of objects)
 *   dtype('f4', False, True)                  then its state (3, '<', None, None, None, -1, -1, 0)
 *   scalar(dtype, bytes)
 * Nothing is looked up or called: the six names are numbers here, what is made of them are values, and any other form is
 * refused. Source: NumPy's array_reduce, arraydescr_reduce and gentype_reduce. */
#include "io/convert/format/pickle_private.h"

#include <string.h>

enum { ARRAYS_MAX = 1 << 16, TEXT_MAX = 16 };

enum name { RECONSTRUCT, SCALAR, NDARRAY, DTYPE };
static const struct {
    const char *module, *name;
    enum name is;
} names[] = {
    {"numpy.core.multiarray", "_reconstruct", RECONSTRUCT},
    {"numpy._core.multiarray", "_reconstruct", RECONSTRUCT},
    {"numpy.core.multiarray", "scalar", SCALAR},
    {"numpy._core.multiarray", "scalar", SCALAR},
    {"numpy", "ndarray", NDARRAY},
    {"numpy", "dtype", DTYPE},
};

static bool is_word(const char *text, size_t n, const char *word) {
    return strlen(word) == n && memcmp(text, word, n) == 0;
}

static enum un_status put_name(struct un_pickle *p, const char *module, size_t m, const char *name,
                               size_t n) {
    struct un_pickle_value *v = NULL;
    for (size_t i = 0; i < sizeof names / sizeof *names; ++i) {
        if (!is_word(module, m, names[i].module) || !is_word(name, n, names[i].name)) continue;
        UN_TRY(un_pickle_make(p, UN_PICKLE_NAME, &v));
        v->is.number = names[i].is;
        return UN_OK;
    }
    return un_fail(UN_DATA, "%s: byte %zu: %.*s.%.*s is refused: only plain data and NumPy's arrays are read",
                   p->name, p->op, (int)(m < 60 ? m : 60), module, (int)(n < 60 ? n : 60), name);
}

static enum un_status name_of_lines(struct un_pickle *p) {
    const char *module = NULL, *name = NULL;
    size_t m = 0, n = 0;
    UN_TRY(un_pickle_line(p, &module, &m));
    UN_TRY(un_pickle_line(p, &name, &n));
    return put_name(p, module, m, name, n);
}

/* The top two values, neither of them a mark; they are taken off. */
static enum un_status take_two(struct un_pickle *p, struct un_pickle_value **below,
                               struct un_pickle_value **top) {
    if (p->depth < 2 || !p->stack[p->depth - 1] || !p->stack[p->depth - 2])
        return un_pickle_wrong(p, "too few values on the stack for this opcode");
    *top = p->stack[p->depth - 1];
    *below = p->stack[p->depth - 2];
    p->depth -= 2;
    return UN_OK;
}

static enum un_status name_of_texts(struct un_pickle *p) {
    struct un_pickle_value *module = NULL, *name = NULL;
    UN_TRY(take_two(p, &module, &name));
    if (module->kind != UN_PICKLE_TEXT || name->kind != UN_PICKLE_TEXT)
        return un_pickle_wrong(p, "a name that is no text");
    return put_name(p, module->is.text, module->n, name->is.text, name->n);
}

static bool is_name(const struct un_pickle_value *v, enum name name) {
    return v->kind == UN_PICKLE_NAME && v->is.number == (int64_t)name;
}
static bool is_flag(const struct un_pickle_value *v) {
    return (v->kind == UN_PICKLE_BOOL || v->kind == UN_PICKLE_INT) &&
           (v->is.number == 0 || v->is.number == 1);
}

/* A value with room for an array, without its values. */
static enum un_status make_array(struct un_pickle *p, enum un_pickle_kind kind,
                                 struct un_pickle_value **value) {
    struct un_pickle_value *v = NULL;
    if (++p->arrays > ARRAYS_MAX) return un_pickle_wrong(p, "more than 65536 arrays");
    UN_TRY(un_pickle_make(p, kind, &v));
    if (!(v->is.array = un_pickle_take(p, sizeof *v->is.array))) return UN_MEMORY;
    memset(v->is.array, 0, sizeof *v->is.array);
    v->depth = 1;
    *value = v;
    return UN_OK;
}

/* dtype('f4', False, True): its order of bytes follows as its state. Until then n is 0, and text holds "f4". */
static enum un_status make_type(struct un_pickle *p, const struct un_pickle_value *args) {
    const struct un_pickle_value *const *a = args->is.item;
    struct un_pickle_value *v = NULL;
    if (args->n != 3 || a[0]->kind != UN_PICKLE_TEXT || !is_flag(a[1]) || !is_flag(a[2]) || a[0]->n < 2 ||
        a[0]->n > TEXT_MAX)
        return un_pickle_wrong(p, "a dtype that is not as NumPy writes it");
    UN_TRY(make_array(p, UN_PICKLE_TYPE, &v));
    v->is.array->objects = a[0];
    return UN_OK;
}

static enum un_status make_scalar(struct un_pickle *p, const struct un_pickle_value *args) {
    const struct un_pickle_value *const *a = args->is.item;
    struct un_pickle_value *v = NULL;
    if (args->n != 2 || a[0]->kind != UN_PICKLE_TYPE || a[0]->n == 0 || a[1]->kind != UN_PICKLE_TEXT ||
        (a[0]->is.array->npy.item_bytes > 0 && a[0]->is.array->npy.item_bytes != a[1]->n))
        return un_pickle_wrong(p, "a scalar that is not as NumPy writes it");
    UN_TRY(make_array(p, UN_PICKLE_ARRAY, &v));
    v->n = 1; /* it has no state to come */
    v->is.array->npy = a[0]->is.array->npy;
    v->is.array->npy.items = 1;
    v->is.array->data = v->is.array->npy.item_bytes > 0 ? a[1]->is.text : NULL;
    return UN_OK;
}

static enum un_status reconstruct(struct un_pickle *p, const struct un_pickle_value *args) {
    const struct un_pickle_value *const *a = args->is.item;
    struct un_pickle_value *v = NULL;
    if (args->n != 3 || !is_name(a[0], NDARRAY) || a[1]->kind != UN_PICKLE_TUPLE ||
        a[2]->kind != UN_PICKLE_TEXT)
        return un_pickle_wrong(p, "an array that is not as NumPy writes it");
    return make_array(p, UN_PICKLE_ARRAY, &v);
}

static enum un_status reduce(struct un_pickle *p) {
    struct un_pickle_value *name = NULL, *args = NULL;
    UN_TRY(take_two(p, &name, &args));
    if (name->kind == UN_PICKLE_NAME && args->kind == UN_PICKLE_TUPLE) {
        if (name->is.number == RECONSTRUCT) return reconstruct(p, args);
        if (name->is.number == SCALAR) return make_scalar(p, args);
        if (name->is.number == DTYPE) return make_type(p, args);
    }
    return un_pickle_wrong(p, "REDUCE of something that makes no array: refused");
}

/* ---- states ---- */

/* '<' and "f4" to a type; of fields, dates and subarrays: none. */
static enum un_status set_type(struct un_pickle *p, struct un_pickle_value *type,
                               const struct un_pickle_value *state) {
    const struct un_pickle_value *const *s = state->is.item, *text = type->is.array->objects;
    char word[TEXT_MAX + 2];
    bool good = state->n == 8 && s[0]->kind == UN_PICKLE_INT && s[1]->kind == UN_PICKLE_TEXT && s[1]->n == 1;
    for (int i = 2; good && i < 5; ++i) good = s[i]->kind == UN_PICKLE_NONE;
    if (!good)
        return un_pickle_wrong(p, "a dtype with fields, a unit or a shape of its own, which is not read");
    bool object = text->is.text[0] == 'O';
    word[0] = object ? '|' : s[1]->is.text[0];
    memcpy(word + 1, text->is.text, text->n);
    if (!un_npy_type(&type->is.array->npy, word, object ? 2 : text->n + 1))
        return un_fail(UN_DATA, "%s: byte %zu: numbers of type %.*s, which are not read", p->name, p->op,
                       (int)text->n + 1, word);
    type->is.array->objects = NULL;
    type->n = 1;
    return UN_OK;
}

static bool take_shape(struct un_npy *npy, const struct un_pickle_value *shape) {
    if (shape->kind != UN_PICKLE_TUPLE || shape->n > UN_NPY_RANK) return false;
    npy->rank = (int)shape->n;
    for (int i = 0; i < npy->rank; ++i) {
        if (shape->is.item[i]->kind != UN_PICKLE_INT) return false;
        npy->dims[i] = shape->is.item[i]->is.number;
    }
    return un_npy_count(npy);
}

static enum un_status set_array(struct un_pickle *p, struct un_pickle_value *array,
                                const struct un_pickle_value *state) {
    const struct un_pickle_value *const *s = state->is.item;
    struct un_pickle_array *a = array->is.array;
    if (state->n != 5 || s[0]->kind != UN_PICKLE_INT || s[0]->is.number != 1 ||
        s[2]->kind != UN_PICKLE_TYPE || s[2]->n == 0 || !is_flag(s[3]))
        return un_pickle_wrong(p, "an array's state that is not as NumPy writes it");
    a->npy = s[2]->is.array->npy;
    if (!take_shape(&a->npy, s[1])) return un_pickle_wrong(p, "an array of no shape that is read");
    a->npy.fortran = s[3]->is.number == 1 && a->npy.rank > 1;
    array->n = 1;
    if (a->npy.type == UN_NPY_OBJECT) {
        if (s[4]->kind != UN_PICKLE_LIST || s[4]->n != a->npy.items)
            return un_pickle_wrong(p, "an array of objects without them");
        if (s[4]->depth + 1 > UN_PICKLE_DEPTH_MAX) return un_pickle_wrong(p, "containers deeper than 32");
        array->depth = (uint8_t)(s[4]->depth + 1);
        a->objects = s[4];
        return UN_OK;
    }
    if (s[4]->kind != UN_PICKLE_TEXT ||
        (a->npy.item_bytes > 0 && s[4]->n != a->npy.items * a->npy.item_bytes))
        return un_pickle_wrong(p, "an array of more or fewer bytes than its shape says");
    a->data = a->npy.item_bytes > 0 ? s[4]->is.text : NULL;
    return UN_OK;
}

/* The state of what stands below it, once, before it was used. */
static enum un_status build(struct un_pickle *p) {
    struct un_pickle_value *made = NULL, *state = NULL;
    UN_TRY(take_two(p, &made, &state));
    if ((made->kind != UN_PICKLE_TYPE && made->kind != UN_PICKLE_ARRAY) || state->kind != UN_PICKLE_TUPLE)
        return un_pickle_wrong(p, "BUILD of something that is no array: refused");
    if (made->n != 0 || made->closed) return un_pickle_wrong(p, "an array is changed after it was used");
    UN_TRY(un_pickle_push(p, made));
    return made->kind == UN_PICKLE_TYPE ? set_type(p, made, state) : set_array(p, made, state);
}

enum un_status un_pickle_numpy(struct un_pickle *p, unsigned char op, bool *mine) {
    *mine = p->numpy;
    if (!p->numpy) return UN_OK;
    switch (op) {
    case 'c': return name_of_lines(p);
    case 0x93: return name_of_texts(p);
    case 'R': return reduce(p);
    case 'b': return build(p);
    default: *mine = false; return UN_OK;
    }
}
