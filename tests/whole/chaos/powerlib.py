"""What a disk may hold after a loss of power: a file system in memory that replays a record of calls (chaoslib.read_record).

What fsync has promised is there: the bytes of a file by fsync of the file, the names in a folder by fsync of the folder, nothing
else. Of the rest anything may be there: each name that was made, changed or removed since, and each block of 4096 bytes, for itself
and in any order. That is less than ext4 or XFS promise. A rename is one change; what O_DSYNC writes is there.
"""
import hashlib
import os

BLOCK = 4096
O_DSYNC, EXCHANGE = 0o10000, 2


class File:
    def __init__(self, data=b"", link=None):
        self.data, self.kept, self.link, self.sync = bytearray(data), bytearray(data), link, False
        self.least = len(data)  # the shortest it was since kept is what it was


class Dir:
    def __init__(self):
        self.names, self.kept, self.pending = {}, {}, []

    def change(self, **sets):
        """name -> file, folder, or None: it is gone; one change, whole or not at all."""
        self.pending.append(sets)
        apply(self.names, sets)


def apply(names, sets):
    for name, what in sets.items():
        if what is None:
            names.pop(name, None)
        else:
            names[name] = what


class Disk:
    def __init__(self, template=None):
        self.root, self.opened = Dir(), {}
        if template:
            self.load(self.root, template)

    def load(self, folder, path):
        for entry in os.scandir(path):
            if entry.is_symlink():
                what = File(link=os.readlink(entry.path))
            elif entry.is_dir():
                what = Dir()
                self.load(what, entry.path)
            else:
                with open(entry.path, "rb") as f:
                    what = File(f.read())
            folder.names[entry.name] = folder.kept[entry.name] = what

    def find(self, path):
        at = self.root
        for part in [] if path == "." else path.split("/"):
            if not isinstance(at, Dir) or part not in at.names:
                return None
            at = at.names[part]
        return at

    def parent(self, path):
        folder, _, name = path.rpartition("/")
        return self.find(folder or "."), name

    def apply(self, call):
        """A call that has succeeded; others change nothing."""
        if call.result < 0:
            return
        operation, (folder, name) = call.operation, self.parent(call.path)
        if operation == "temporary":
            self.opened[call.opened] = File()
        elif operation in ("create", "open", "look"):
            self.open(call, folder, name)
        elif operation in ("write", "pwrite"):
            self.write(self.opened[call.opened], call.at, call.data)
        elif operation in ("ftruncate", "truncate"):
            self.resize(self.find(call.path) if operation == "truncate" else self.opened[call.opened], call.at)
        elif operation in ("fsync", "fdatasync"):
            self.sync(self.opened.get(call.opened))
        elif operation == "rename":
            self.rename(call, folder, name)
        elif operation in ("unlink", "rmdir"):
            folder.change(**{name: None})
        elif operation == "mkdir" and name and name != ".":
            folder.change(**{name: Dir()})
        elif operation == "symlink":
            folder.change(**{name: File(link=call.other)})

    def open(self, call, folder, name):
        what = self.find(call.path)
        if what is None and call.operation == "create":
            what = File()
            folder.change(**{name: what})
        if isinstance(what, File):
            what.sync = what.sync or bool(call.at & O_DSYNC)
            if call.other == "trunc":
                self.resize(what, 0)
        self.opened[call.opened] = what

    def write(self, file, at, data):
        if len(file.data) < at:
            file.data.extend(bytes(at - len(file.data)))
        file.data[at:at + len(data)] = data
        if file.sync:
            self.sync(file)

    def resize(self, file, length):
        file.data = file.data[:length] + bytes(max(0, length - len(file.data)))
        file.least = min(file.least, length)

    def sync(self, what):
        if isinstance(what, Dir):
            what.kept, what.pending = dict(what.names), []
        elif what:
            what.kept, what.least = bytearray(what.data), len(what.data)

    def rename(self, call, folder, name):
        to, new = self.parent(call.other)
        assert to is folder, "renames stay in their folder"
        moved, there = folder.names[name], folder.names.get(new)
        folder.change(**{new: moved, name: there if call.at & EXCHANGE else None})

    # ---- what may be there ----

    def dirs(self):
        """All folders that some state may reach."""
        found, todo = [], [self.root]
        while todo:
            folder = todo.pop()
            if folder in found:
                continue
            found.append(folder)
            for names in [folder.names, folder.kept, *folder.pending]:
                todo += [x for x in names.values() if isinstance(x, Dir)]
        return found

    def states(self, rng, random_ones):
        """Trees {path: bytes, None for a folder, ("link", text)} that the disk may hold now."""
        changes = [(d, i) for d in self.dirs() for i in range(len(d.pending))]
        none, every = set(), {(id(d), i) for d, i in changes}
        yield self.tree(none, kept)
        yield self.tree(every, whole)
        yield self.tree(every, kept)
        yield self.tree(every, hollow)
        yield self.tree(none, whole)
        for d, i in changes:  # each by itself, and each alone missing
            one = {(id(d), i)}
            yield self.tree(one, kept)
            yield self.tree(one, whole)
            yield self.tree(every - one, kept)
            yield self.tree(every - one, whole)
        for _ in range(random_ones):
            some = {x for x in every if rng.random() < 0.5}
            yield self.tree(some, lambda f: torn(rng, f))

    def tree(self, chosen, content):
        out = {}

        def walk(folder, path):
            names = dict(folder.kept)
            for i, sets in enumerate(folder.pending):
                if (id(folder), i) in chosen:
                    apply(names, sets)
            for name, what in names.items():
                if isinstance(what, Dir):
                    out[path + name] = None
                    walk(what, f"{path}{name}/")
                else:
                    out[path + name] = ("link", what.link) if what.link is not None else content(what)
        walk(self.root, "")
        return out


def kept(file):
    return bytes(file.kept)


def whole(file):
    return bytes(file.data)


def hollow(file):
    """The length is there, the bytes are not: zeros behind what was kept."""
    n = len(file.data)
    return bytes(file.kept[:n]) + bytes(max(0, n - len(file.kept)))


def torn(rng, file):
    """Each block, old or new, and any length that is not below what was synced and never cut."""
    if file.data == file.kept:
        return bytes(file.data)
    n = rng.choice((len(file.data), len(file.kept), rng.randint(file.least, max(len(file.data), len(file.kept)))))
    out = bytearray(hollow(file)[:n].ljust(n, b"\0"))
    for at in range(0, n, BLOCK):
        if rng.random() < 0.5:
            block = file.data[at:min(at + BLOCK, n)]
            out[at:at + len(block)] = block
    return bytes(out)


def digest(tree, unlike=()):
    h = hashlib.sha256()
    for path in sorted(tree):
        if path in unlike:
            continue
        what = tree[path]
        h.update(repr((path, what if not isinstance(what, bytes) else hashlib.sha256(what).digest())).encode())
    return h.digest()


def build(tree, folder):
    """Onto the real disk; folder is there and empty."""
    for path in sorted(tree):
        what, at = tree[path], folder / path
        if what is None:
            at.mkdir()
        elif isinstance(what, tuple):
            at.symlink_to(what[1])
        else:
            at.write_bytes(what)
