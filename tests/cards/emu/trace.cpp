/* See trace.h. Each op of the table is wrapped by a function of its type, which sees its matrices. */
#include "tests/cards/emu/trace.h"
#include "tests/cards/emu/block.h"

#include <map>
#include <string>

namespace {

struct counted {
    int64_t number, size; /* calls and bytes, or launches and blocks */
};

const un_ops *real;
un_ops wrapped;
const char *op_now; /* the outermost op that runs */
std::map<std::string, counted> counts;
std::string text;

void count(const std::string &what, int64_t size) {
    struct counted &c = counts[what];
    ++c.number;
    c.size += size;
}

template <class T> int64_t bytes_of(T) {
    return 0;
}
template <> int64_t bytes_of(struct un_mat m) {
    return m.data ? m.rows * m.cols * un_type_bytes(m.type) : 0;
}

int64_t bytes_of(const struct un_codes *codes) {
    return codes ? bytes_of(codes->to) : 0;
}
/* Codes of a product's result; its pre is not counted. */
int64_t bytes_of(const struct un_epilogue *e) {
    return e ? bytes_of(e->codes) : 0;
}

/* Of arrays, where they are all an op works on. */
template <class... A> int64_t array_bytes(A...) {
    return 0;
}
int64_t array_bytes(void *, size_t bytes) {
    return (int64_t)bytes;
}
int64_t array_bytes(float *, const float *, int64_t count) {
    return count * 12;
}
int64_t array_bytes(void *, enum un_type to, const void *, enum un_type from, int64_t count) {
    return count * (un_type_bytes(to) + un_type_bytes(from));
}

template <auto op> struct wrap;
template <class... A, void (*un_ops::*op)(struct un_queue *, A...)> struct wrap<op> {
    static inline const char *name;
    static void call(struct un_queue *q, A... argument) {
        const bool outer = !op_now;
        if (outer) {
            op_now = name;
            count(std::string("op\t") + name, (bytes_of(argument) + ... + array_bytes(argument...)));
        }
        (real->*op)(q, argument...);
        if (outer) op_now = nullptr;
    }
};

template <auto op> void put(const char *name) {
    wrap<op>::name = name;
    wrapped.*op = wrap<op>::call;
}
#define PUT(name) put<&un_ops::name>(#name)

void told(const char *kernel, dim3 grid, dim3 block) {
    (void)block;
    count(std::string("kernel\t") + (op_now ? op_now : "-") + "\t" + kernel,
          (int64_t)grid.x * grid.y * grid.z);
}

} // namespace

const struct un_ops *un_trace_begin(const struct un_ops *ops) {
    real = ops;
    wrapped = *ops;
    counts.clear();
    un_emu_launch_told = told;
    PUT(gemm), PUT(col_sum), PUT(linear_grad), PUT(gelu_bwd), PUT(tanh_bwd), PUT(relu_bwd), PUT(dropout);
    PUT(add_row), PUT(add), PUT(zero), PUT(cast), PUT(norm_fwd), PUT(norm_bwd), PUT(gather_rows);
    PUT(norm_scatter_fwd), PUT(norm_gather_bwd), PUT(quantize), PUT(gemm_fp8);
    PUT(gelu_bwd_fp8), PUT(norm_fwd_fp8), PUT(norm_bwd_fp8);
    PUT(attention_fwd_fp8), PUT(attention_bwd_fp8);
    PUT(scatter_rows), PUT(scatter_add_rows), PUT(segment_add_rows), PUT(embed_words), PUT(mask_features);
    PUT(attention_fwd), PUT(attention_bwd), PUT(cross_entropy), PUT(kl_divergence), PUT(squared_error);
    PUT(transport_fwd), PUT(transport_bwd);
    return &wrapped;
}

const char *un_trace_text(void) {
    text.clear();
    for (const auto &[what, c] : counts)
        text += what + "\t" + std::to_string(c.number) + "\t" + std::to_string(c.size) + "\n";
    return text.c_str();
}
