"""Offending and innocent snippets. ONE: path, text, line, rule and part of the message; a line of None: nothing may be
found. A header gets its guard around it, unless it has a line `#ifndef`. TREES: files, findings as (path, line, rule), LONG."""
from . import rules

ONE = [
    # ---- wings, rooms, programs
    ("extra/a.c", '#include "runtime/status.h"\n', 1, "place", "stands in no wing"),
    ("io/a.c", "int f(void);\n", 1, "place", "stands in no wing"),
    ("launch/other.c", "int f(void);\n", 1, "place", "stands in no wing"),
    ("io/feed/a.c", '#include "plan.h"\n', 1, "root", "include paths start at the root"),
    ("launch/tools/a.c", '#include "other/check.h"\n', 1, "root", "include paths start at the root"),
    ("io/disk/a.c", '\n#include "model/stats.h"\n', 2, "part", 'io may include of model only batch.h'),
    ("io/checkpoint/a.c", '#include "comm/comm_mpi.h"\n', 1, "part", "io may include of comm only"),
    ("io/feed/a.c", '#include "model/batch.h"\n#include "model/objective.h"\n#include "model/dims.h"\n#include "comm/comm.h"\n'
     '#include "comm/shard.h"\n', None, None, None),
    ("launch/uniter.c", '#include "launch/job/part.h"\n', 1, "program", "launch/uniter.c includes only"),
    ("launch/uniter.c", '#include "io/disk/files.h"\n', 1, "program", "launch/uniter.c includes only"),
    ("launch/uniter_dist.c", '#include "launch/traffic/backend.h"\n', 1, "program", "launch/uniter_dist.c includes only"),
    ("launch/uniter_dist.c", '#include "launch/train/train.h"\n#include "launch/job/part.h"\n'
     '#include "launch/process/end.h"\n', None, None, None),
    ("runtime/restart.c", '#include "runtime/cpu/cpu.h"\n', None, None, None),
    ("runtime/device.c", '#include "runtime/cpu/cpu.h"\n#include "runtime/cuda/cuda.h"\n', None, None, None),
    ("runtime/cpu/a.c", '#include "runtime/ops.h"\n#include "runtime/cpu/pool.h"\n', None, None, None),
    ("io/weights/a.c", '#include "io/disk/files.h"\n#include "io/data/dataset.h"\n#include "runtime/config/config.h"\n', None,
     None, None),
    ("io/convert/world/a.c", '#include "io/synth/draw.h"\n#include "io/convert/workers.h"\n#include "io/run/metrics.h"\n', None,
     None, None),
    ("launch/tools/a.c", '#include "io/report/page.h"\n#include "model/net/network.h"\n#include "launch/process/end.h"\n', None,
     None, None),
    ("launch/train/a.c", '#include "io/score/score.h"\n#include "launch/traffic/send.h"\n', None, None, None),
    ("model/a.c", '/* #include "io/feed/plan.h" */\n// #include "io/feed/plan.h"\n', None, None, None),
    # ---- private headers
    ("io/feed/a.c", '#include "io/h5/private.h"\n', 1, "private", "is private to io/h5"),
    ("io/weights/a.c", '#include "io/checkpoint/manifest_private.h"\n', 1, "private", "is private to io/checkpoint"),
    ("io/convert/text/a.c", '#include "io/convert/token/private.h"\n', 1, "private", "is private to io/convert/token"),
    ("io/h5/h5.h", '#include "io/h5/private.h"\n', 1, "shown", "a public header shows"),
    ("io/h5/a.c", '#include "io/h5/private.h"\n', None, None, None),
    ("io/h5/file_private.h", '#include "io/h5/private.h"\n', None, None, None),
    ("tests/a.c", '#include "io/h5/private.h"\n#include "harness.h"\n#include <hdf5.h>\n', None, None, None),
    # ---- libraries
    ("launch/train/a.c", "#include <mpi.h>\n", 1, "header mpi", "<mpi.h> belongs in comm/comm_mpi"),
    ("comm/comm_mpi.h", "#include <mpi.h>\n", 1, "header mpi", "<mpi.h> belongs in comm/comm_mpi"),
    ("comm/comm_mpi_wait.c", "#include <mpi.h>\n", None, None, None),
    ("comm/comm_mpi_private.h", "#include <mpi.h>\nMPI_Comm un_world(void);\n", None, None, None),
    ("comm/comm_nccl_private.h", "#include <nccl.h>\nncclComm_t un_ring(void);\n", None, None, None),
    ("comm/comm.c", "#include <nccl.h>\n", 1, "header nccl", "belongs in comm/comm_nccl"),
    ("model/a.c", "#include <cuda_runtime.h>\n", 1, "header cuda", "belongs in runtime/cuda"),
    ("runtime/cuda/a.cu", "#include <cuda_runtime.h>\n#include <cub/cub.cuh>\n", None, None, None),
    ("io/feed/a.c", "#include <hdf5.h>\n", 1, "header hdf5", "<hdf5.h> belongs in io/h5"),
    ("io/h5/h5.h", "#include <hdf5.h>\n", 1, "header hdf5", "public headers excepted"),
    ("io/h5/private.h", "#include <hdf5.h>\nhid_t un_h5_id(void);\n", None, None, None),
    ("io/convert/text/a.c", "#include <lmdb.h>\n", 1, "header lmdb", "belongs in io/convert/format"),
    ("io/convert/image/a.c", "#include <zip.h>\n", 1, "header zip", "belongs in io/convert/format"),
    ("io/convert/format/a.c", "#include <lz4frame.h>\n", 1, "header lz4", "belongs in io/convert/text"),
    ("io/picture/a.h", "#include <cairo.h>\n", 1, "header cairo", "belongs in io/picture"),
    ("io/picture/a.c", "#include <cairo-svg.h>\nint f(void) { return cairo_version(); }\n", None, None, None),
    ("launch/tools/a.c", "int f(void) { return cairo_version(); }\n", 1, "word cairo", "Cairo belongs"),
    ("io/convert/image/a.c", "#include <jpeglib.h>\n", 1, "header jpeg", "belongs in io/convert/pixels"),
    ("io/convert/pixels/a.h", "#include <png.h>\n", 1, "header png", "belongs in io/convert/pixels"),
    ("io/convert/pixels/a.c", "#include <jpeglib.h>\n#include <jerror.h>\n#include <png.h>\n", None, None, None),
    ("io/convert/text/a.c", "#include <utf8proc.h>\n", 1, "header utf8proc", "belongs in io/convert/{format"),
    ("io/data/a.c", "#include <jansson.h>\n", 1, "header json", "belongs in io/disk/json.h and io/{run"),
    ("io/disk/a.c", "#include <jansson.h>\n", 1, "header json", "belongs in io/disk/json.h"),
    ("io/disk/json.h", "#ifndef UN_IO_DISK_JSON_H\n#define UN_IO_DISK_JSON_H\n#include <jansson.h>\n#endif\n", None, None, None),
    ("io/run/a.c", "#include <jansson.h>\n#include <xxhash.h>\n", None, None, None),
    ("io/run/metrics.c", "#include <io/run/events.pb-c.h>\n", 1, "header protobuf", "belongs in io/run/events*.c"),
    ("io/run/events_records.c", "#include <io/run/events.pb-c.h>\n", None, None, None),
    ("model/a.c", "#include <xxhash.h>\n", 1, "header xxhash", "belongs in io"),
    ("runtime/config/bind.c", "#include <yaml.h>\n", 1, "header yaml", "belongs in runtime/config/yaml"),
    ("runtime/cores.c", "#include <omp.h>\n", 1, "header blas", "belongs in runtime/cpu"),
    ("runtime/device.c", "#include <dlfcn.h>\n", 1, "header dl", "belongs in runtime/plugin.c"),
    # ---- words
    ("comm/comm.c", "int f(void) {\n    return MPI_Init(0, 0);\n}\n", 2, "word mpi", "MPI_Init: MPI_ belongs"),
    ("comm/comm_mpi.c", "int f(void) { return MPI_Abort(MPI_COMM_WORLD, 1); }\n", None, None, None),
    ("launch/train/a.c", "int f(void) { return un_comm_mpi_open(); }\n", None, None, None),
    ("comm/comm_mpi.c", "int f(void) { return ncclSend(0); }\n", 1, "word nccl", "nccl belongs"),
    ("comm/comm_nccl_ring.c", "int f(void) { return ncclSend(cudaMalloc(0)); }\n", None, None, None),
    ("model/a.c", "int f(void) { return cudaMalloc(0); }\n", 1, "word cuda", "cudaMalloc: CUDA belongs"),
    ("model/a.c", "int f(void) { return cublasLtMatmul(0); }\n", 1, "word cuda", "CUDA belongs"),
    ("runtime/device.c", "int f(bool cuda) { return cuda || un_cuda_count() > 0; }\n", None, None, None),
    ("runtime/cuda/a.cu", "static int f() { return cudaMalloc(0); }\n", None, None, None),
    ("io/feed/plan.c", "int f(void) { return H5Fopen(0); }\n", 1, "word hdf5", "H5Fopen: HDF5 belongs"),
    ("io/h5/column.h", "hid_t un_h5_id(void);\n", 1, "word hdf5", "hid_t: HDF5 belongs"),
    ("io/h5/read.c", "int f(void) { return H5Fopen(0); }\n", None, None, None),
    ("io/feed/plan.c", "int f(void) { return un_h5_open(0); } /* H5Fopen */\nchar *g(void) { return 0; }\n", None, None, None),
    ("io/convert/image/a.c", "int f(void) { return mdb_get(0); }\n", 1, "word lmdb", "LMDB belongs"),
    ("io/convert/image/a.c", "int f(void) { return zip_open(0); }\n", 1, "word zip", "ZIP belongs"),
    ("io/convert/image/a.c", "int f(void) { return LZ4F_decompress(0); }\n", 1, "word lz4", "LZ4 belongs"),
    ("launch/extract/a.c", "int f(void) { return jpeg_read_header(0); }\n", 1, "word jpeg", "JPEG belongs"),
    ("io/convert/image/a.c", "int f(void) { return png_read_info(0); }\n", 1, "word png", "PNG belongs"),
    ("io/convert/pixels/a.c", "int f(void) { return png_read_info(jpeg_read_header(0)); }\n", None, None, None),
    ("io/data/a.c", "int f(void) { return utf8proc_iterate(0); }\n", 1, "word utf8proc", "utf8proc belongs"),
    ("io/convert/format/a.c", "int f(void) { return mdb_get(zip_open(utf8proc_iterate(0))); }\n", None, None, None),
    ("io/convert/text/a.c", "int f(void) { return LZ4F_decompress(0); }\n", None, None, None),
    ("io/feed/a.c", "void *f(void) {\n    return malloc(3);\n}\n", 2, "word memory", "malloc: memory comes"),
    ("io/feed/a.c", "void f(void *p) { free (p); }\n", 1, "word memory", "free: memory comes"),
    ("io/feed/a.c", "char *f(void) { return strdup(0); }\n", 1, "word memory", "strdup: memory comes"),
    ("io/feed/a.c", "void f(void *p) { each(p, free); }\n", 1, "word memory", "free: memory comes"),
    ("io/feed/a.c", "void f(struct d *d) { d->mem->free(d, 0); un_free(d); }\nstruct t { void (*free)(void); };\n"
     "const struct t x = {.free = g};\n", None, None, None),
    ("io/feed/a.c", 'void f(void) { un_fail(UN_IO, "free(x) \\" malloc(3) // exit(1)"); }\n', None, None, None),
    ("runtime/memory.c", "void f(void *p) { free(p); }\n", None, None, None),
    ("launch/uniter.c", "int main(void) { exit(0); }\n", 1, "word exit", "exit: only launch/process"),
    ("launch/process/beat.c", "void f(void) { _exit(1); }\n", 1, "word exit", "_exit: only launch/process"),
    ("launch/process/end.c", "void f(void) { exit(1); }\n", None, None, None),
    ("launch/process/end.c", "void f(void) { abort(); }\n", 1, "word abort", "abort: only UN_ASSERT"),
    ("runtime/status.c", "void f(void) { abort(); }\n", None, None, None),
    ("launch/uniter_dist.c", "void f(struct c *c) { c->ops->abort(c, 1); }\n", None, None, None),
    ("io/feed/a.c", "int f(void) { return rand() % 6; }\n", 1, "word random", "rand: random numbers"),
    ("tests/a.c", "double f(void) { return drand48(); }\n", 1, "word random", "drand48: random numbers"),
    ("io/feed/a.c", "int f(void) { return un_rng(1).rand(2); }\n", None, None, None),
    # ---- variables at file level
    ("io/feed/a.c", "static int count;\n", 1, "state", "mutable variable at file level"),
    ("io/feed/a.c", "int f(void) { return 1; }\nstatic const char *name = 0;\n", 2, "state", "mutable variable"),
    ("io/feed/a.c", "static void (*hook)(int);\n", 1, "state", "mutable variable at file level"),
    ("io/feed/a.c", "static struct { int a; } state[3] = {{1}};\n", 1, "state", "mutable variable at file level"),
    ("io/feed/a.h", "static int count;\n", 1, "state", "mutable variable at file level"),
    ("io/feed/a.h", "int count = 3;\n", 1, "state", "mutable variable at file level"),
    ("io/feed/a.h", "typedef void f(int);\nf g, h;\nvoid each(void (*put)(int), int n);\n", None, None, None),
    ("io/feed/a.c", "static void each(void (*put)(int), int n);\n", None, None, None),
    ("io/feed/a.c", "/* Mutable: why. */\nstatic int count;\nstatic int more;\n", None, None, None),
    ("io/feed/a.c", "static int count; /* mutable: why */\n", None, None, None),
    ("io/feed/a.c", "static const int a = 1;\nstatic const char *const b[] = {0};\nconst struct t c = {.f = g};\n"
     "struct s { int x; };\nenum { E = 3 };\ntypedef int i;\nextern const int d;\nint g(int x);\n"
     "struct p { int y; } __attribute__((packed));\nstatic void (*const h)(int) = g;\n", None, None, None),
    ("tests/a.c", "static int count;\n", None, None, None),
    # ---- conditional compilation, braces, lengths
    ("io/feed/a.c", "int f(void) {\n#ifdef X\n    return 1;\n#else\n    return 2;\n#endif\n}\n", 2, "#if",
     "conditional compilation inside"),
    ("io/feed/a.c", "#ifdef X\nint f(void) { return 1; }\n#else\nint f(void) { return 2; }\n#endif\n", None, None, None),
    ("io/feed/a.h", '#ifdef __cplusplus\nextern "C" {\n#endif\nint f(void);\n#ifdef __cplusplus\n}\n#endif\n', None, None, None),
    ("io/feed/a.c", "#define DO(x) \\\n    do { \\\n        x; \\\n    } while (0)\nint f(void) { DO(1); return 0; }\n", None,
     None, None),
    ("io/feed/a.c", "int f(void) {\n    if (x) {\n}\n", 3, "braces", "braces do not balance"),
    ("io/feed/a.c", "int f(void) {\n" + "    g();\n" * 39 + "}\n", 1, "function", "a function of 41 lines; at most 40"),
    ("io/feed/a.c", "int f(void) {\n" + "    g();\n" * 38 + "}\n", None, None, None),
    ("runtime/cuda/a.cu", "namespace {\n__global__ void f(int *x) {\n" + "    g();\n" * 99 + "}\n}\n", 2, "function",
     "a function of 101 lines; at most 100"),
    ("tests/a.c", "int f(void) {\n" + "    g();\n" * 99 + "}\n", 1, "function", "a function of 101 lines; at most 100"),
    ("tests/a.c", "int f(void) {\n" + "    g();\n" * 98 + "}\n", None, None, None),
    ("io/feed/a.c", "int f(void);\n" * 351, 351, "file", "a file of 351 lines"),
    ("io/feed/a.c", "int f(void);\n" * 350, None, None, None),
    # ---- guards
    ("io/feed/plan.h", "#ifndef UN_PLAN_H\n#define UN_PLAN_H\n#endif\n", 1, "guard", "its guard UN_IO_FEED_PLAN_H"),
    ("io/feed/plan.h", "\n#ifndef UN_IO_FEED_PLAN_H\n#define UN_IO_FEED_PLANH\n#endif\n", 2, "guard", "UN_IO_FEED_PLAN_H"),
    ("io/feed/plan.h", "#pragma once\n#ifndef UN_IO_FEED_PLAN_H\n#endif\n", 1, "guard", "UN_IO_FEED_PLAN_H"),
    ("runtime/cuda/tile.cuh", "#ifndef UN_TILE_CUH\n", 1, "guard", "its guard UN_RUNTIME_CUDA_TILE_CUH"),
    ("tests/support/draw.h", "#ifndef UN_DRAW_H\n", 1, "guard", "its guard UN_TESTS_SUPPORT_DRAW_H"),
    ("tests/cards/emu/include/cuda.h", "#ifndef CUDA_H\n#define CUDA_H\n#endif\n", None, None, None),
    ("io/feed/plan.h", "/* What it is. */\n\n#ifndef UN_IO_FEED_PLAN_H\n#define UN_IO_FEED_PLAN_H\n#endif\n", None, None, None),
]

# Wings that must not see each other, whatever the table says: (file, header).
ONE += [(path, f'#include "{header}"\n', 1, "wing", f'may not include "{header}"') for path, header in [
    ("runtime/a.c", "model/batch.h"), ("runtime/a.c", "runtime/cpu/pool.h"), ("runtime/a.c", "runtime/config/config.h"),
    ("runtime/device.c", "model/batch.h"), ("runtime/cpu/a.c", "runtime/cuda/queue.h"), ("runtime/cuda/a.c", "runtime/cpu/pool.h"),
    ("runtime/config/a.c", "runtime/cpu/cpu.h"), ("model/a.c", "model/net/network.h"), ("model/a.c", "model/detector/detector.h"),
    ("model/a.c", "io/feed/plan.h"), ("model/a.c", "comm/comm.h"), ("model/net/a.c", "model/detector/detector.h"),
    ("model/net/a.c", "runtime/cpu/pool.h"), ("model/detector/a.c", "model/net/network.h"), ("comm/a.c", "model/batch.h"),
    ("comm/a.c", "io/disk/files.h"), ("io/disk/a.c", "model/net/network.h"), ("io/disk/a.c", "io/h5/h5.h"),
    ("io/h5/a.c", "io/data/file.h"), ("io/run/a.c", "io/h5/h5.h"), ("io/data/a.c", "io/run/metrics.h"),
    ("io/data/a.c", "io/feed/plan.h"), ("io/synth/a.c", "io/data/file.h"), ("io/inspect/a.c", "io/feed/plan.h"),
    ("io/feed/a.c", "io/checkpoint/checkpoint.h"), ("io/feed/a.c", "io/run/metrics.h"), ("io/checkpoint/a.c", "io/weights/weights.h"),
    ("io/checkpoint/a.c", "io/report/page.h"), ("io/weights/a.c", "io/score/score.h"), ("io/report/a.c", "io/score/score.h"),
    ("io/weights/a.c", "launch/process/end.h"), ("io/convert/a.c", "io/disk/files.h"), ("io/convert/format/a.c", "io/data/file.h"),
    ("io/convert/token/a.c", "io/convert/text/sink.h"), ("io/convert/image/a.c", "io/convert/text/sink.h"),
    ("io/convert/text/a.c", "io/feed/plan.h"), ("io/convert/world/a.c", "io/checkpoint/checkpoint.h"),
    ("io/convert/select/a.c", "io/weights/weights.h"), ("io/convert/select/a.c", "io/inspect/inspect.h"),
    ("launch/process/a.c", "launch/tools/tools.h"), ("launch/process/a.c", "model/net/network.h"),
    ("launch/traffic/a.c", "launch/job/job.h"), ("launch/job/a.c", "launch/train/train.h"), ("launch/tools/a.c", "launch/job/job.h"),
    ("launch/tools/a.c", "launch/train/train.h"), ("launch/tools/a.c", "launch/traffic/send.h"),
    ("launch/train/a.c", "launch/tools/tools.h"), ("launch/train/a.c", "runtime/cpu/pool.h"), ("launch/job/a.c", "runtime/cuda/cuda.h"), ("launch/tools/a.c", "tests/check.h"),
]]


def header(path, body):
    guard = "UN_" + path.upper().replace("/", "_").replace(".", "_")
    return f"#ifndef {guard}\n#define {guard}\n{body}#endif\n"


def headers(**includes):
    """Headers io/feed/NAME.h that include others of their folder."""
    return {f"io/feed/{name}.h": header(f"io/feed/{name}.h", "".join(f'#include "io/feed/{use}.h"\n' for use in uses.split()))
            for name, uses in includes.items()}


TREES = [
    (headers(a="b", b="c", c="a", d="a"), [("io/feed/a.h", 3, "circle")], {}),
    (headers(a="a"), [("io/feed/a.h", 3, "circle")], {}),
    (headers(a="b c", b="d", c="d", d=""), [], {}),
    ({"io/feed/a.c": "struct un_thing { int x; };\n", "launch/job/a.c": "\nunion un_thing { int y; };\n"},
     [("launch/job/a.c", 2, "name")], {}),
    ({"io/feed/a.c": "struct un_thing {\n    enum kind { ONE } kind;\n};\n", "model/a.h": header("model/a.h", "enum kind { TWO };\n")},
     [("model/a.h", 3, "name")], {}),
    ({"io/feed/a.c": "enum { A };\nstruct un_thing;\nstruct { int x; } f(struct un_thing *x);\n", "io/data/a.c": "enum { A };\n"
      "struct un_thing { int x; };\n", "tests/a.c": "struct un_thing { int x; };\n"}, [], {}),
    *(({"runtime/cpu/a.c": f"struct {tag} {{ int x; }};\n", "runtime/cuda/a.c": f"struct {tag} {{ int y; }};\n"}, [], {})
      for tag in ("un_queue", "un_event", "un_image_reader")),
    ({"io/feed/a.c": "#define KEY(x) x\n", "io/data/b.c": "#  define KEY(y) y\n"}, [("io/feed/a.c", 1, "macro")], {}),
    ({"io/feed/a.c": "#define SIZE 3\nstatic const int a = KEY(1);\n", "io/data/a.c": "#define SIZE 3\n", "tests/a.c":
      "#define KEY(x) x\n", "tests/b.c": "#define KEY(x) x\n"}, [], {}),
    ({"io/feed/a.c": "int f(void);\n" * 351}, [], {"io/feed/a.c": "one table"}),
    ({"io/feed/a.c": "int f(void);\n" * 350}, [("io/feed/a.c", 1, "long")], {"io/feed/a.c": "one table"}),
    ({"io/feed/a.c": "int f(void);\n"}, [("io/feed/b.c", 1, "long")], {"io/feed/b.c": "one table"}),
]

# ---- build files
FEED = "un_wing(io_feed FOLDER feed USES {} SOURCES a.c {}) # b.c\n"
GROUP = "add_library(un_all INTERFACE)\ntarget_link_libraries(un_all INTERFACE un_io_data un_{})\n"
A, B = {"io/feed/a.c": "int f(void);\n"}, {"io/feed/b.c": "int g(void);\n"}
TREES += [
    ({"io/CMakeLists.txt": FEED.format("io_data", "b.c"), **A, **B}, [], {}),
    ({"io/CMakeLists.txt": FEED.format("io_data", ""), **A, **B}, [("io/feed/b.c", 1, "sources")], {}),
    ({"io/CMakeLists.txt": "if(X)\nset(more b.c)\nelse()\nset(more c.c)\nendif()\n" + FEED.format("io_data", "${more}"), **A, **B}, [],
     {}),
    ({"io/feed/CMakeLists.txt": "un_wing(io_feed SOURCES a.c)\ntarget_sources(x PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/b.c)\n", **A,
      **B}, [], {}),
    ({"launch/CMakeLists.txt": "foreach(program uniter other)\n add_executable(${program} ${program}.c)\nendforeach()\n",
      "launch/uniter.c": "int main(void);\n", "tests/a.c": "int f(void);\n"}, [], {}),
    ({"io/CMakeLists.txt": "\n" + FEED.format("runtime io_checkpoint", ""), **A}, [("io/CMakeLists.txt", 2, "uses")], {}),
    ({"io/CMakeLists.txt": FEED.format("all", "") + GROUP.format("io_run"), **A}, [("io/CMakeLists.txt", 1, "uses")], {}),
    ({"io/CMakeLists.txt": FEED.format("all", "") + GROUP.format("io_h5"), **A}, [], {}),
    ({"io/CMakeLists.txt": FEED.format("nothing", ""), **A}, [("io/CMakeLists.txt", 1, "uses")], {}),
    ({"io/CMakeLists.txt": "un_wing(io_data FOLDER feed SOURCES a.c)\n", **A}, [("io/CMakeLists.txt", 1, "target")], {}),
    ({"io/convert/CMakeLists.txt": "un_wing(convert_workers USES runtime SOURCES workers.c)\n"
      "un_wing(convert_text\n    FOLDER text USES convert_token io_data SOURCES a.c)\n", "io/convert/workers.c": "int f(void);\n",
      "io/convert/text/a.c": "int f(void);\n"}, [], {}),
    ({"io/CMakeLists.txt": FEED.format("io_data", "") + "un_wing(io_data FOLDER data)\nun_wing(io_h5 FOLDER h5)\n",
      "io/feed/a.c": '#include "io/data/file.h"\n\n#include "io/h5/h5.h"\n'}, [("io/feed/a.c", 3, "told")], {}),
    ({"io/CMakeLists.txt": FEED.format("io_data", "") + "un_wing(io_data FOLDER data USES io_h5)\nun_wing(io_h5 FOLDER h5)\n",
      "io/feed/a.c": '#include "io/data/file.h"\n#include "io/h5/h5.h"\n#include "io/feed/plan.h"\n'}, [], {}),
    ({"CMakeLists.txt": "un_wing(runtime FOLDER runtime SOURCES a.c config/a.c)\nun_wing(model FOLDER model SOURCES a.c)\n",
      "runtime/config/a.c": '#include "runtime/memory.h"\n', "model/a.c": '#include "runtime/config/config.h"\n',
      "runtime/a.c": "int f(void);\n"}, [("model/a.c", 1, "told")], {}),
    ({"runtime/CMakeLists.txt": "un_wing(runtime SOURCES a.c)\nun_wing(runtime_cpu FOLDER cpu USES runtime SOURCES a.c)\n"
      "un_wing(runtime_device USES runtime_cpu SOURCES device.c)\n", "runtime/a.c": "int f(void);\n",
      "runtime/cpu/a.c": "int f(void);\n", "runtime/device.c": '#include "runtime/cpu/cpu.h"\n'}, [], {}),
    ({"runtime/CMakeLists.txt": "un_wing(runtime_device SOURCES device.c)\nun_wing(runtime_cpu FOLDER cpu USES runtime_device)\n",
      "runtime/device.c": '#include "runtime/cpu/cpu.h"\n'}, [("runtime/CMakeLists.txt", 2, "uses"), ("runtime/device.c", 1, "told")],
     {}),
]

assert all(rule is None or rule in rules.RULES for _, _, _, rule, _ in ONE)
