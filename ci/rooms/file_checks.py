"""What one file shows. Each check yields (line, rule, message)."""
import re

from . import rules
from .code import Lines, blank, blanked_directives, is_mutable, pieces, trim
from .rules import REACH, room, wing

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:"([^"\n]+)"|<([^>\n]+)>)', re.M)


def in_tests(path):
    return re.fullmatch(rules.TESTS, path) is not None


def includes(text):
    """(line, "header" or None, <header> or None) of a text without comments."""
    line = Lines(text)
    return [(line(match.start(0)), match[1], match[2]) for match in INCLUDE.finditer(text)]


def include_problem(path, header):
    """(rule, message) of what is wrong with #include "header" in `path`, or None."""
    own, other = wing(path), wing(header)
    if "/" not in header or room(header) not in rules.ROOMS:
        return "root", f'"{header}": include paths start at the root of the repository'
    if path in rules.FILES:
        if other not in rules.FILES[path]:
            return "program", f'{path} includes only {", ".join(rules.FILES[path])}, not "{header}"'
    elif other not in REACH[own]:
        return "wing", f'{own} may not include "{header}"'
    part = rules.PARTS.get((room(path), room(header)))
    if part and header not in [f"{room(header)}/{name}" for name in part]:
        return "part", f'{room(path)} may include of {room(header)} only {", ".join(part)}, not "{header}"'
    if re.fullmatch(rules.PRIVATE, header):
        if other != own:
            return "private", f'"{header}" is private to {other}'
        if path.endswith((".h", ".cuh")) and not re.fullmatch(rules.PRIVATE, path):
            return "shown", f'a public header shows "{header}"'
    return None


def check_includes(path, text, _):
    if in_tests(path):
        return
    if wing(path) is None and path not in rules.FILES:
        yield 1, "place", "this file stands in no wing"
        return
    for line, own, foreign in includes(text):
        problem = include_problem(path, own) if own else None
        if problem:
            yield line, *problem
        for name, header, files, place in rules.HEADERS if foreign else ():
            if re.fullmatch(header, foreign) and not re.fullmatch(files, path):
                yield line, f"header {name}", f"<{foreign}> belongs in {place}"


def check_words(path, _, code):
    line = Lines(code)
    code = re.sub(r"^[ \t]*#[ \t]*include[^\n]*", lambda m: blank(m.group()), code, flags=re.M)
    for name, pattern, files, message in rules.WORDS:
        if files and (in_tests(path) or re.fullmatch(files, path)):
            continue
        for match in re.finditer(pattern, code):
            word = match.group().strip().rstrip("(").strip()
            offset = match.start() + len(match.group()) - len(match.group().lstrip())
            yield line(offset), f"word {name}", f"{word}: {message}"


def check_guard(path, text, _):
    """The guard of a header is its path."""
    if not path.endswith((".h", ".cuh")) or re.fullmatch(rules.FOREIGN, path):
        return
    guard = "UN_" + re.sub(r"\W", "_", path).upper()
    first = re.search(r"\S[^\n]*", text)
    if first is None or not re.match(rf"#ifndef {guard}\n#define {guard}\n", text[first.start():]):
        yield Lines(text)(first.start()) if first else 1, "guard", f"a header begins with its guard {guard}"


def check_functions(path, _, code):
    """Lengths and conditional compilation."""
    line, (found, unbalanced) = Lines(code), pieces(code)
    if unbalanced is not None:
        yield line(unbalanced), "braces", "braces do not balance: the rules inside functions cannot be checked"
    most = next(lines for files, lines in rules.FUNCTION_LINES if re.fullmatch(files, path))
    for kind, start, end in found:
        if kind != "function":
            continue
        first, last = line(trim(code, start)), line(end - 1)
        if last - first + 1 > most:
            yield first, "function", f"a function of {last - first + 1} lines; at most {most}"
        for match in re.finditer(r"^[ \t]*#[ \t]*(?:if|ifdef|ifndef|elif)\b", code[start:end], re.M):
            offset = trim(code, start + match.start())
            if offset > code.index("{", trim(code, start)):
                yield line(offset), "#if", "conditional compilation inside a function"


def check_state(path, text, code, raw):
    """Variables at file level. `raw`: the text with its comments."""
    if in_tests(path):
        return
    line, lines, last_excused = Lines(code), raw.split("\n"), -1
    code = blanked_directives(code)
    for kind, start, end in pieces(code)[0]:
        if kind != "statement" or not is_mutable(path, code[start:end]):
            continue
        first, last = line(trim(code, start)), line(end - 1)
        before = lines[first - 2] if first > 1 else ""
        comment = "/*" in "".join(lines[first - 1:last]) or re.search(r"\*/\s*$|^\s*//", before)
        if comment or last_excused == first - 1:
            last_excused = last
        else:
            yield first, "state", "a mutable variable at file level, and no comment that says why"


def check_file(path, raw, text, code):
    """All findings of one file: `raw` as it is, `text` without comments, `code` without comments and strings."""
    yield from check_state(path, text, code, raw)
    for check in (check_includes, check_words, check_guard, check_functions):
        yield from check(path, text, code)
