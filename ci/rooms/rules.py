"""The rules as tables. Patterns are of whole paths."""
import graphlib

# ---- who may include whom ------------------------------------------------------------------------------------

# Left may include right, and what right may. A wing is a folder.
WINGS = {
    "runtime": [],
    "runtime/config": ["runtime"],
    "runtime/cpu": ["runtime"],
    "runtime/cuda": ["runtime"],
    "runtime/device": ["runtime/cpu", "runtime/cuda"],  # opens the backends

    "model": ["runtime/config"],
    "model/net": ["model"],
    "model/detector": ["model"],
    "model/transport": ["runtime"],

    "comm": ["runtime/config"],

    "io/disk": ["runtime/config", "model", "comm"],
    "io/h5": ["io/disk"],
    "io/safetensors": ["io/disk"],
    "io/run": ["io/disk"],
    "io/data": ["io/h5"],
    "io/synth": ["io/h5", "io/run"],
    "io/inspect": ["io/data", "io/run"],
    "io/score": ["io/data"],
    "io/report": ["io/run"],
    "io/picture": ["io/disk"],
    "io/feed": ["io/data"],
    "io/checkpoint": ["io/feed", "io/run"],
    "io/weights": ["io/checkpoint", "io/safetensors"],

    "io/convert": ["runtime"],  # workers
    "io/convert/format": ["io/convert", "io/disk", "io/safetensors"],
    "io/convert/token": ["io/convert/format", "io/data", "io/run"],
    "io/convert/setup": ["io/disk"],
    "io/convert/text": ["io/convert/token"],
    "io/convert/task": ["io/convert/text"],
    "io/convert/image": ["io/convert/format", "io/data", "io/run"],
    "io/convert/pixels": ["io/convert", "io/disk"],
    "io/convert/world": ["io/convert/text", "io/convert/image", "io/synth"],
    "io/convert/select": ["io/convert/text", "io/convert/image"],

    "launch/process": ["comm", "io/run"],
    "launch/traffic": ["launch/process", "model/net", "io/feed"],
    "launch/settings": ["io/checkpoint"],
    "launch/job": ["launch/settings", "launch/traffic", "io/weights", "runtime/device"],
    "launch/train": ["launch/job", "io/score"],
    "launch/use": ["model/net", "model/transport", "io/weights", "io/picture", "io/convert/text", "runtime/device"],
    "launch/extract": ["launch/process", "model/detector", "io/weights", "io/convert/image", "io/convert/pixels",
                       "runtime/device"],
    "launch/tools": ["launch/settings", "launch/process", "launch/use", "launch/extract", "model/net", "model/detector", "io/weights", "io/inspect", "io/report",
                     "io/convert/world", "io/convert/select", "io/convert/task", "io/convert/setup", "io/convert/pixels"],
    "launch/manual": ["launch/tools"],
}

HIDDEN = {"runtime/cpu", "runtime/cuda"}  # only wings that name them see them: not passed on

# Single files that keep to wings of their own: no more than these, nothing beyond.
FILES = {
    "launch/uniter.c": ["runtime", "launch/process", "launch/tools"],
    "launch/uniter_manual.c": ["runtime", "io/disk", "launch/process", "launch/manual"],
    "launch/uniter_dist.c": ["runtime", "runtime/config", "comm", "launch/process", "launch/settings", "launch/job", "launch/train"],
}

# Wings that are files beside others: file -> wing.
SINGLE = {
    "runtime/device.c": "runtime/device",
    "runtime/restart.c": "runtime/device",
}

# Of these rooms others see a part: (from, to) -> headers.
PARTS = {
    ("io", "model"): ["batch.h", "dims.h", "objective.h"],
    ("io", "comm"): ["comm.h", "shard.h"],
}

PRIVATE = r".*(/|_)private\.(h|cuh)"  # only inside the wing; no public header shows one
FOREIGN = r"tests/cards/emu/include/.*"  # stand for headers of others: named as those are

# ---- where a thing may stand ---------------------------------------------------------------------------------

TESTS = r"tests/.*"
MPI = r"comm/comm_mpi\w*(\.c|_private\.h)"
NCCL = r"comm/comm_nccl\w*(\.c|_private\.h)"
CUDA = rf"runtime/cuda/.*|{NCCL}"
HDF5 = r"io/h5/(.*\.c|(\w+_)?private\.h)"  # what the others see of io/h5 names nothing of it
UTF8 = r"io/convert/(format|task|token|world)/.*"
JSON = r"io/(disk/json\.h|(run|report|checkpoint|safetensors|convert/format|convert/image|convert/task|convert/setup)/.*)"

# Headers of libraries: name, <header>, files that may include it, how to say where.
HEADERS = [
    ("mpi", r"mpi\.h", MPI, "comm/comm_mpi*.c"),
    ("nccl", r"nccl.*", NCCL, "comm/comm_nccl*.c"),
    ("cuda", r"(cuda|cublas|cudnn|curand|nv).*|cub/.*|cute/.*|cutlass/.*", CUDA, "runtime/cuda and comm/comm_nccl*.c"),
    ("hdf5", r"hdf5.*|H5.*", HDF5, "io/h5, its public headers excepted"),
    ("lmdb", r"lmdb\.h", r"io/convert/format/.*", "io/convert/format"),
    ("zip", r"zip\.h", r"io/convert/format/.*", "io/convert/format"),
    ("lz4", r"lz4.*", r"io/convert/text/.*", "io/convert/text"),
    ("jpeg", r"(jpeglib|jerror|jconfig|jmorecfg|turbojpeg)\.h", r"io/convert/pixels/.*\.c", "io/convert/pixels/*.c"),
    ("png", r"png\w*\.h", r"io/convert/pixels/.*\.c", "io/convert/pixels/*.c"),
    ("cairo", r"cairo.*", r"io/picture/.*(\.c|private\.h)", "io/picture, its public headers excepted"),
    ("utf8proc", r"utf8proc\.h", UTF8, "io/convert/{format,task,token,world}"),
    ("json", r"jansson\.h", JSON, "io/disk/json.h and io/{run,report,checkpoint,safetensors,convert/format,convert/image,convert/task,convert/setup}"),
    ("protobuf", r".*pb-c\.h|protobuf-c.*", r"io/run/events\w*\.c", "io/run/events*.c"),
    ("xxhash", r"xxhash\.h", r"io/.*", "io"),
    ("yaml", r"yaml\.h", r"runtime/config/yaml\w*\.c", "runtime/config/yaml*.c"),
    ("blas", r"cblas.*|openblas.*|omp\.h", r"runtime/cpu/.*", "runtime/cpu"),
    ("dl", r"dlfcn\.h", r"runtime/plugin\.c", "runtime/plugin.c"),
]


def call(names):
    """Calls, but not of a member (device->mem->free) nor the declaration of one."""
    return rf"(?<![\w.>*])(?:{names})\s*\("


MEMORY = ("malloc|calloc|realloc|reallocarray|free|strdup|strndup|aligned_alloc|posix_memalign|memalign|valloc|"
          "asprintf|vasprintf")

# Words in code: name, pattern, files that may use them, what to say.
WORDS = [
    ("mpi", r"\bP?MPI_\w+", MPI, "MPI_ belongs in comm/comm_mpi*.c"),
    ("nccl", r"\bnccl\w*", NCCL, "nccl belongs in comm/comm_nccl*.c"),
    ("cuda", r"\b(?:cuda|cublas|cublasLt|cudnn|curand|cu)[A-Z]\w*|\b(?:CUDA|CUBLAS|CU)_\w+", CUDA,
     "CUDA belongs in runtime/cuda and comm/comm_nccl*.c"),
    ("hdf5", r"\bH5[A-Z]\w*|\b(?:hid_t|hsize_t|herr_t)\b", HDF5, "HDF5 belongs in io/h5, its public headers excepted"),
    ("lmdb", r"\b(?:mdb|MDB)_\w+", r"io/convert/format/.*", "LMDB belongs in io/convert/format"),
    ("zip", r"\b(?:zip|ZIP)_\w+", r"io/convert/format/.*", "ZIP belongs in io/convert/format"),
    ("lz4", r"\bLZ4\w+", r"io/convert/text/.*", "LZ4 belongs in io/convert/text"),
    ("jpeg", r"\b(?:jpeg_\w+(?=\s*\()|JCS_\w+|JSAMP\w+|j_(?:de)?compress_ptr|j_common_ptr)", r"io/convert/pixels/.*\.c",
     "JPEG belongs in io/convert/pixels/*.c"),
    ("png", r"\b(?:png_\w+(?=\s*\()|png_(?:structp|infop|bytep)|PNG_\w+)", r"io/convert/pixels/.*\.c", "PNG belongs in io/convert/pixels/*.c"),
    ("cairo", r"\b(?:cairo_\w+|CAIRO_\w+)", r"io/picture/.*(\.c|private\.h)", "Cairo belongs in io/picture, its public headers excepted"),
    ("utf8proc", r"\b(?:utf8proc|UTF8PROC)_\w+", UTF8, "utf8proc belongs in io/convert/{format,task,token,world}"),
    ("memory", call(MEMORY) + r"|(?<=[(,=])\s*free\s*(?=[,);])", r"runtime/memory\.c", "memory comes from runtime/memory.h"),
    ("exit", call("exit|_exit|_Exit|quick_exit"), r"launch/process/(end|signals)\.c",
     "only launch/process/{end,signals}.c end the program"),
    ("abort", call("abort"), r"runtime/status\.c", "only UN_ASSERT aborts (runtime/status.c)"),
    ("random", call(r"rand|srand|rand_r|random|srandom|[dejlmn]rand48|srand48|arc4random\w*"), None,
     "random numbers come from runtime/rng.h"),
]

# ---- how long, how alone -------------------------------------------------------------------------------------

FUNCTION_LINES = [(r"tests/.*|runtime/cuda/.*", 100), (r".*", 40)]  # first match counts
FILE_LINES = 350
LONG = {  # longer files: why they are not split
}

LOCAL_TAGS = "wing"
OWN_TAGS = {  # tags that a header names and several .c files define, each for itself
    "un_event": "a handle: each backend has its own",
    "un_queue": "a handle: each backend has its own",
    "un_image_reader": "a handle: each kind of source has its own",
}

# Names of all rules; the self-test has an offending snippet for each.
RULES = ["place", "root", "wing", "program", "part", "private", "shown", "circle", "state", "#if", "braces", "function",
         "file", "long", "guard", "name", "macro", "target", "uses", "told", "sources",
         *(f"header {row[0]}" for row in HEADERS), *(f"word {row[0]}" for row in WORDS)]

# ---- wings ---------------------------------------------------------------------------------------------------


def reach(table):
    """Wing -> all it may include, itself among them. A table that runs in a circle raises graphlib.CycleError."""
    all_of = {}
    for wing in graphlib.TopologicalSorter(table).static_order():
        all_of[wing] = {wing, *table[wing]}.union(*(all_of[use] - HIDDEN for use in table[wing]))
    return all_of


REACH = reach(WINGS)
ROOMS = sorted({wing.split("/")[0] for wing in WINGS} | {"tests"})


def room(path):
    return path.split("/", 1)[0]


def wing(path):
    """The wing of a file: its folder, if that is one."""
    folder = path.rsplit("/", 1)[0]
    return SINGLE.get(path) or (folder if folder in WINGS else None)


def folder(wing):
    """The folder of a wing."""
    return wing.rsplit("/", 1)[0] if wing in SINGLE.values() else wing
