"""Reading C without a compiler: comments and strings blanked, top-level pieces, lines."""
import bisect
import re

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
    code = blanked_directives(code)
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


def blanked_directives(code):
    return DIRECTIVE.sub(lambda m: blank(m.group()), code)


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
