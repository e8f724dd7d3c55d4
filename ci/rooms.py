#!/usr/bin/env python3
"""Checks the rules of the rooms over all C and CUDA sources that git knows or does not ignore.

  include   who may include whom; private headers stay in their room
  word      names of MPI, NCCL, CUDA and HDF5, memory, ends of the program and random numbers each have their place
  state     a mutable variable at file level says in a comment why it is one
  #if       no conditional compilation inside a function
  length    a function of more than 100 lines or a file of more than 700; a file of more than 350 only warns

Comments and strings are not looked at. Prints "file:line: message"; exit code 1 on any finding.
`rooms.py --self-test` feeds offending and innocent snippets through the same checks.
"""
import bisect
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
SUFFIXES = (".c", ".h", ".cu", ".cuh", ".cpp")
FUNCTION_LINES, FILE_LINES, FILE_LINES_WARN = 100, 700, 350

# ---- rules ---------------------------------------------------------------------------------------------------

# Files of a room -> headers they may include (both as patterns of the whole path). First match counts.
INCLUDES = [
    (r"tests/.*", r".*"),
    (r"runtime/cpu/.*", r"runtime/(cpu/)?[^/]+"),
    (r"runtime/cuda/.*", r"runtime/(cuda/)?[^/]+"),
    (r"runtime/.*", r"runtime/(config/)?[^/]+"),
    (r"model/.*", r"(runtime|model)/.+"),
    (r"comm/.*", r"runtime/(config/)?[^/]+|comm/[^/]+"),
    (r"io/.*", r"runtime/.+|io/.+|model/batch\.h|comm/(comm|shard)\.h"),
    (r"launch/.*", r"(runtime|model|comm|launch)/.+|io/.+"),
]
ROOMS = ("runtime", "model", "comm", "io", "launch", "tests")

# Libraries whose headers have a place: pattern of <header>, pattern of files, where that is.
SYSTEM = [
    (r"mpi\.h", r"comm/comm_mpi\.c", "comm/comm_mpi.c"),
    (r"nccl.*", r"comm/comm_nccl\.c", "comm/comm_nccl.c"),
    (r"(cuda|cublas|cudnn|curand|nv).*|cub/.*|cute/.*|cutlass/.*", r"runtime/cuda/.*|comm/comm_nccl\.c",
     "runtime/cuda and comm/comm_nccl.c"),
    (r"hdf5.*|H5.*", r"io/h5/(?!h5\.h|column\.h|row_sink\.h).*", "io/h5"),
    (r"yaml\.h", r"runtime/.*", "runtime"),
    (r"lmdb\.h|msgpack.*|lz4.*|zip\.h|utf8proc\.h", r"io/convert/.*", "io/convert"),
]

def call(names):
    """Calls, but not of a member (device->mem->free) nor the declaration of one."""
    return rf"(?<![\w.>*])(?:{names})\s*\("


# Words in code: pattern, pattern of the files that may use them, what to say.
WORDS = [
    (r"\bP?MPI_\w+", r"comm/comm_mpi\.c|tests/.*", "MPI_ belongs in comm/comm_mpi.c"),
    (r"\bnccl\w*", r"comm/comm_nccl\.c|tests/.*", "nccl belongs in comm/comm_nccl.c"),
    (r"\b(?:cuda|cublas|cublasLt|cudnn|curand|cu)[A-Z]\w*|\b(?:CUDA|CUBLAS|CU)_\w+",
     r"runtime/cuda/.*|comm/comm_nccl\.c|tests/.*", "CUDA belongs in runtime/cuda and comm/comm_nccl.c"),
    (r"\bH5[A-Z]\w*|\b(?:hid_t|hsize_t|herr_t)\b", r"io/h5/(?!h5\.h|column\.h|row_sink\.h).*|tests/.*",
     "HDF5 belongs in io/h5"),
    (call("malloc|calloc|realloc|reallocarray|free|strdup|strndup|aligned_alloc|posix_memalign|memalign|valloc|"
          "asprintf|vasprintf") + r"|(?<=[(,=])\s*free\s*(?=[,);])", r"runtime/memory\.c|tests/.*", "memory comes from runtime/memory.h"),
    (call("exit|_exit|_Exit|quick_exit"), r"launch/.*|tests/.*", "only launch ends the program"),
    (call("abort"), r"launch/.*|runtime/status\.c|tests/.*", "only launch ends the program"),
    (call("rand|srand|rand_r|random|srandom|[dejlmn]rand48|srand48|arc4random\\w*"), r"(?!)",
     "random numbers come from runtime/rng.h"),
]

# ---- reading C -----------------------------------------------------------------------------------------------

TOKEN = re.compile(r'//(?:\\\n|[^\n])*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def blank(text, keep=""):
    """Spaces for every character but line ends."""
    return keep + re.sub(r"[^\n]", " ", text)[len(keep):]


def without(text, comments=True, strings=True):
    """The text with comments and / or strings blanked, every line where it was."""
    def replace(match):
        token = match.group()
        is_comment = token[0] == "/"
        return blank(token) if (comments if is_comment else strings) else token
    return TOKEN.sub(replace, text)


class Lines:
    """Line numbers of offsets."""

    def __init__(self, text):
        self.starts = [0] + [m.end() for m in re.finditer("\n", text)]

    def __call__(self, offset):
        return bisect.bisect_right(self.starts, offset)


DIRECTIVE = re.compile(r"^[ \t]*#(?:\\\n|[^\n])*", re.M)
TYPE_BODY = re.compile(r"^\s*(?:typedef\s+|static\s+|const\s+)*(?:struct|union|enum)\b[^()=;]*$")
TRANSPARENT = re.compile(r"^\s*(?:extern\s*|(?:inline\s+)?namespace\b[^()=;]*)$")


def pieces(code):
    """Top-level pieces of blanked code: ("function", start, end) and ("statement", start, end), and the offset of
    braces that do not balance or None. What stands in `extern "C"` and in namespaces is top level too."""
    code = DIRECTIVE.sub(lambda m: blank(m.group()), code)
    found, stack, start, body = [], [], 0, None
    for match in re.finditer(r"[{};]", code):
        at, char = match.start(), match.group()
        depth = sum(1 for kind in stack if kind != "open")
        if char == "{":
            head = code[start:at]
            if depth == 0 and TRANSPARENT.match(head):
                stack.append("open")
                start = at + 1
            elif depth == 0 and "(" in head and "=" not in head and not TYPE_BODY.match(head):
                stack.append("function")
                body = start
            else:
                stack.append("other")
        elif char == "}":
            if not stack:
                return found, at
            kind = stack.pop()
            if kind == "function":
                found.append(("function", body, at + 1))
            if kind != "other":
                start = at + 1
        elif depth == 0:
            found.append(("statement", start, at + 1))
            start = at + 1
    return found, (len(code) - 1 if stack else None)


def trim(code, start):
    """The offset of the first character that is not a space."""
    match = re.compile(r"\S").search(code, start)
    return match.start() if match else start


def is_mutable(path, statement):
    """Does a top-level statement define a variable that can change? A header without `static` or a value declares
    functions by a typedef of theirs instead."""
    if path.endswith((".h", ".cuh")) and not re.match(r"\s*static\b", statement) and "=" not in statement:
        return False
    head = re.sub(r"__attribute__\s*\(\(.*?\)\)|_Alignas\s*\([^)]*\)", " ", statement, flags=re.S).rstrip("; \n")
    head = re.sub(r"\{.*\}", " ", head, flags=re.S).split("=", 1)[0].strip()
    if not head or re.match(r"(typedef|extern|template|using|_Static_assert|static_assert)\b", head):
        return False
    if re.match(r"(struct|union|enum)\s*\w*$", head):
        return False
    pointer = re.match(r"[^(]*\(\s*\*\s*(const\b)?", head)  # a pointer to a function: its first bracket holds the star
    if pointer:
        return pointer.group(1) is None
    if "(" in head:
        return False
    last = head.rsplit("*", 1)[-1]
    return not re.search(r"\b(const|constexpr|__constant__)\b", last)


# ---- checks --------------------------------------------------------------------------------------------------

def room(path):
    return path.split("/", 1)[0]


def check_include(path, header):
    """What is wrong with #include "header" in `path`, or None."""
    if room(path) == "tests":
        return None
    if room(header) not in ROOMS or "/" not in header:
        return f'"{header}": include paths start at the root of the repository'
    allowed = next((headers for files, headers in INCLUDES if re.fullmatch(files, path)), None)
    if allowed is None:
        return "this file stands in no room"
    if header.endswith("_private.h") and room(header) != room(path):
        return f'"{header}" is private to {room(header)}'
    return None if re.fullmatch(allowed, header) else f'{room(path)} may not include "{header}"'


def check_includes(path, text):
    for number, line in enumerate(without(text, strings=False).split("\n"), 1):
        own = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
        if own:
            problem = check_include(path, own.group(1))
            if problem:
                yield number, problem
        system = re.match(r"\s*#\s*include\s+<([^>]+)>", line)
        for header, files, place in SYSTEM if system else ():
            if re.fullmatch(header, system.group(1)) and not re.fullmatch(files + r"|tests/.*", path):
                yield number, f"<{system.group(1)}> belongs in {place}"


def check_words(path, code):
    line = Lines(code)
    code = re.sub(r"^[ \t]*#[ \t]*include[^\n]*", lambda m: blank(m.group()), code, flags=re.M)
    for pattern, files, message in WORDS:
        if re.fullmatch(files, path):
            continue
        for match in re.finditer(pattern, code):
            word = match.group().strip().rstrip("(").strip()
            yield line(match.start() + len(match.group()) - len(match.group().lstrip())), f"{word}: {message}"


def check_shape(path, text, code):
    """Lengths, conditional compilation inside functions, and variables at file level."""
    line, (found, unbalanced) = Lines(code), pieces(code)
    if unbalanced is not None:
        yield line(unbalanced), "braces do not balance: the rules inside functions cannot be checked"
    raw, last_excused = text.split("\n"), -1
    for kind, start, end in found:
        first, last = line(trim(code, start)), line(end - 1)
        if kind == "function":
            if last - first + 1 > FUNCTION_LINES:
                yield first, f"a function of {last - first + 1} lines; at most {FUNCTION_LINES}"
            for match in re.finditer(r"^[ \t]*#[ \t]*(?:if|ifdef|ifndef|elif)\b", code[start:end], re.M):
                offset = trim(code, start + match.start())
                if offset > code.index("{", trim(code, start)):
                    yield line(offset), "conditional compilation inside a function"
        elif room(path) != "tests" and is_mutable(path, blanked_directives(code[start:end])):
            first = line(trim(blanked_directives(code), start))
            before = raw[first - 2] if first > 1 else ""
            comment = "/*" in "".join(raw[first - 1:last]) or re.search(r"\*/\s*$|^\s*//", before)
            if comment or last_excused == first - 1:
                last_excused = last
            else:
                yield first, "a mutable variable at file level, and no comment that says why"
    length = text.count("\n")
    if length > FILE_LINES:
        yield length, f"a file of {length} lines; at most {FILE_LINES}"


def blanked_directives(code):
    return DIRECTIVE.sub(lambda m: blank(m.group()), code)


def check(path, text):
    """All findings of one file: (line, message)."""
    code = without(text)
    findings = [*check_includes(path, text), *check_words(path, code), *check_shape(path, text, code)]
    return sorted(findings)


# ---- self-test -----------------------------------------------------------------------------------------------

# Path, snippet, line and part of the message; None: nothing may be found.
SNIPPETS = [
    ("model/a.c", '#include "io/feed/plan.h"\n', 1, 'model may not include "io/feed/plan.h"'),
    ("model/a.c", '#include "comm/comm.h"\n', 1, 'model may not include "comm/comm.h"'),
    ("comm/a.c", '#include "model/batch.h"\n', 1, 'comm may not include "model/batch.h"'),
    ("io/a.c", '\n#include "model/dims.h"\n', 2, 'io may not include "model/dims.h"'),
    ("io/a.c", '#include "comm/comm_mpi.h"\n', 1, "io may not include"),
    ("runtime/a.c", '#include "model/batch.h"\n', 1, "runtime may not include"),
    ("runtime/a.c", '#include "runtime/cpu/pool.h"\n', 1, "runtime may not include"),
    ("runtime/cpu/a.c", '#include "runtime/cuda/check.cuh"\n', 1, "runtime may not include"),
    ("launch/a.c", '#include "runtime/cpu/pool.h"\n', 1, "launch may not include"),
    ("launch/a.c", '#include "tests/check.h"\n', 1, "launch may not include"),
    ("launch/a.c", '#include "io/h5/private.h"\n', 1, "is private to io"),
    ("io/a.c", '#include "plan.h"\n', 1, "include paths start at the root"),
    ("extra/a.c", '#include "runtime/status.h"\n', 1, "stands in no room"),
    ("io/a.c", '#include "model/batch.h"\n#include "comm/comm.h"\n#include "io/convert/source.h"\n', None, None),
    ("tests/a.c", '#include "io/h5/private.h"\n#include "harness.h"\n#include <hdf5.h>\n', None, None),
    ("runtime/cpu/a.c", '#include "runtime/ops.h"\n#include "runtime/cpu/pool.h"\n', None, None),
    ("model/a.c", '/* #include "io/feed/plan.h" */\n// #include "io/feed/plan.h"\n', None, None),
    ("launch/a.c", "#include <mpi.h>\n", 1, "<mpi.h> belongs in comm/comm_mpi.c"),
    ("io/a.c", "#include <hdf5.h>\n", 1, "<hdf5.h> belongs in io/h5"),
    ("model/a.c", "#include <cuda_runtime.h>\n", 1, "belongs in runtime/cuda"),
    ("comm/comm.c", "int f(void) {\n    return MPI_Init(0, 0);\n}\n", 2, "MPI_Init: MPI_ belongs"),
    ("comm/comm_mpi.c", "int f(void) { return MPI_Abort(MPI_COMM_WORLD, 1); }\n", None, None),
    ("launch/a.c", "int f(void) { return un_comm_mpi_open(); }\n", None, None),
    ("comm/comm_mpi.c", "int f(void) { return ncclSend(0); }\n", 1, "nccl belongs"),
    ("model/a.c", "int f(void) { return cudaMalloc(0); }\n", 1, "cudaMalloc: CUDA belongs"),
    ("model/a.c", "int f(void) { return cublasLtMatmul(0); }\n", 1, "CUDA belongs"),
    ("runtime/device.c", "int f(bool cuda) { return cuda || un_cuda_count() > 0; }\n", None, None),
    ("runtime/cuda/a.cu", "static int f() { return cudaMalloc(0); }\n", None, None),
    ("io/feed/plan.c", "int f(void) { return H5Fopen(0); }\n", 1, "H5Fopen: HDF5 belongs"),
    ("io/h5/h5.h", "hid_t un_h5_id(void);\n", 1, "hid_t: HDF5 belongs"),
    ("io/h5/read.c", "int f(void) { return H5Fopen(0); }\n", None, None),
    ("io/feed/plan.c", "int f(void) { return un_h5_open(0); } /* H5Fopen */\nchar *g(void) { return 0; }\n", None, None),
    ("io/a.c", "void *f(void) {\n    return malloc(3);\n}\n", 2, "malloc: memory comes"),
    ("io/a.c", "void f(void *p) { free (p); }\n", 1, "free: memory comes"),
    ("io/a.c", "char *f(void) { return strdup(0); }\n", 1, "strdup: memory comes"),
    ("io/a.c", "void f(void *p) { each(p, free); }\n", 1, "free: memory comes"),
    ("io/a.c", "void f(struct d *d) { d->mem->free(d, 0); un_free(d); }\nstruct t { void (*free)(void); };\n"
               "const struct t x = {.free = g};\n", None, None),
    ("io/a.c", 'void f(void) { un_fail(UN_IO, "free(x) \\" malloc(3) // exit(1)"); }\n', None, None),
    ("runtime/memory.c", "void f(void *p) { free(p); }\n", None, None),
    ("io/a.c", "void f(void) { exit(1); }\n", 1, "exit: only launch"),
    ("runtime/a.c", "void f(void) { _exit(1); }\n", 1, "_exit: only launch"),
    ("runtime/a.c", "void f(void) { abort(); }\n", 1, "abort: only launch"),
    ("runtime/status.c", "void f(void) { abort(); }\n", None, None),
    ("launch/main.c", "int main(void) { exit(0); }\n", None, None),
    ("io/a.c", "int f(void) { return rand() % 6; }\n", 1, "rand: random numbers"),
    ("tests/a.c", "double f(void) { return drand48(); }\n", 1, "drand48: random numbers"),
    ("io/a.c", "int f(void) { return un_rng(1).rand(2); }\n", None, None),
    ("io/a.c", "static int count;\n", 1, "mutable variable at file level"),
    ("io/a.c", "int f(void) { return 1; }\nstatic const char *name = 0;\n", 2, "mutable variable at file level"),
    ("io/a.c", "static void (*hook)(int);\n", 1, "mutable variable at file level"),
    ("io/a.c", "static struct { int a; } state[3] = {{1}};\n", 1, "mutable variable at file level"),
    ("io/a.h", "static int count;\n", 1, "mutable variable at file level"),
    ("io/a.h", "int count = 3;\n", 1, "mutable variable at file level"),
    ("io/a.h", "typedef void f(int);\nf g, h;\nvoid each(void (*put)(int), int n);\n", None, None),
    ("io/a.c", "static void each(void (*put)(int), int n);\n", None, None),
    ("io/a.c", "/* Mutable: why. */\nstatic int count;\nstatic int more;\n", None, None),
    ("io/a.c", "static int count; /* mutable: why */\n", None, None),
    ("io/a.c", "static const int a = 1;\nstatic const char *const b[] = {0};\nconst struct t c = {.f = g};\n"
               "struct s { int x; };\nenum { E = 3 };\ntypedef int i;\nextern const int d;\nint g(int x);\n"
               "struct p { int y; } __attribute__((packed));\nstatic void (*const h)(int) = g;\n", None, None),
    ("io/a.c", "int f(void) {\n#ifdef X\n    return 1;\n#else\n    return 2;\n#endif\n}\n", 2,
     "conditional compilation inside"),
    ("io/a.c", "#ifdef X\nint f(void) { return 1; }\n#else\nint f(void) { return 2; }\n#endif\n", None, None),
    ("io/a.h", '#ifdef __cplusplus\nextern "C" {\n#endif\nint f(void);\n#ifdef __cplusplus\n}\n#endif\n', None, None),
    ("io/a.c", "#define DO(x) \\\n    do { \\\n        x; \\\n    } while (0)\nint f(void) { DO(1); return 0; }\n", None,
     None),
    ("io/a.c", "int f(void) {\n" + "    g();\n" * 99 + "}\n", 1, "a function of 101 lines"),
    ("io/a.c", "int f(void) {\n" + "    g();\n" * 98 + "}\n", None, None),
    ("runtime/cuda/a.cu", "namespace {\n__global__ void f(int *x) {\n" + "    g();\n" * 99 + "}\n}\n", 2,
     "a function of 101 lines"),
    ("io/a.c", "int f(void);\n" * 701, 701, "a file of 701 lines"),
    ("io/a.c", "int f(void) {\n    if (x) {\n}\n", 3, "braces do not balance"),
]


def self_test():
    failed = 0
    for path, snippet, line, message in SNIPPETS:
        findings = check(path, snippet)
        if message is None:
            good = not findings
        else:
            good = len(findings) == 1 and findings[0][0] == line and message in findings[0][1]
        if not good:
            failed += 1
            print(f"self-test: {path}: expected {line}: {message}; found {findings} in\n{snippet[:300]}")
    print(f"rooms: self-test: {len(SNIPPETS) - failed} passed, {failed} failed")
    return 1 if failed else 0


# ---- main ----------------------------------------------------------------------------------------------------

def sources():
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, text=True,
                            capture_output=True, check=True).stdout.split("\n")
    return sorted(path for path in set(listed) if path.endswith(SUFFIXES) and (ROOT / path).is_file())


def main():
    paths, count = sources(), 0
    for path in paths:
        text = (ROOT / path).read_text(encoding="utf-8")
        for line, message in check(path, text):
            print(f"{path}:{line}: {message}")
            count += 1
        length = text.count("\n")
        if FILE_LINES >= length > FILE_LINES_WARN:
            print(f"{path}:{length}: warning: a file of {length} lines; most are under {FILE_LINES_WARN}")
    if count == 0:
        print(f"rooms: {len(paths)} files keep the rules")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(self_test() if sys.argv[1:] == ["--self-test"] else main())
