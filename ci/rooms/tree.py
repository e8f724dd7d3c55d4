"""All checks over all files."""
from . import rules
from .cmake import check_builds
from .code import without
from .file_checks import check_file
from .tree_checks import check_circles, check_long, check_names

SUFFIXES = (".c", ".h", ".cu", ".cuh", ".cpp")
BUILD_FILE = "CMakeLists.txt"


def check_tree(files, long=None):
    """`files`: path -> text, sources and build files. Sorted findings: (path, line, rule, message)."""
    raws = {path: text for path, text in files.items() if path.endswith(SUFFIXES)}
    texts = {path: without(raw, strings=False) for path, raw in raws.items()}
    codes = {path: without(raw) for path, raw in raws.items()}
    findings = [(path, *finding) for path in raws for finding in check_file(path, raws[path], texts[path], codes[path])]
    findings += check_circles(texts)
    findings += check_names(codes)
    findings += check_long(raws, rules.LONG if long is None else long)
    findings += check_builds(files, texts)
    assert all(rule in rules.RULES for _, _, rule, _ in findings)
    return sorted(findings)
