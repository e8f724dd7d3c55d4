"""A reader of TensorBoard's event files by their form alone: records with masked crc32c, protobuf wire format. Scalars, texts, histograms."""
import struct

TABLE = []
for byte in range(256):
    for _ in range(8):
        byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
    TABLE.append(byte)


def masked(data):
    crc = 0xFFFFFFFF
    for b in data:
        crc = TABLE[(crc ^ b) & 255] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def records(data):
    """The events of a file's bytes; ValueError where a record is torn or its sums are wrong."""
    at = 0
    while at < len(data):
        if len(data) - at < 16:
            raise ValueError("torn head")
        (size, head) = struct.unpack_from("<QI", data, at)
        event = data[at + 12:at + 12 + size]
        if head != masked(data[at:at + 8]) or len(event) < size or len(data) < at + 16 + size:
            raise ValueError(f"broken record at byte {at}")
        if struct.unpack_from("<I", data, at + 12 + size)[0] != masked(event):
            raise ValueError(f"wrong sum of the event at byte {at}")
        yield event
        at += 16 + size


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def fields(data):
    """(number, value) of a message: int, bytes, or the bytes of a fixed number."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        kind = key & 7
        if kind == 0:
            value, at = varint(data, at)
        else:
            if kind == 2:
                size, at = varint(data, at)
            else:
                size = {1: 8, 5: 4}[kind]
            value, at = data[at:at + size], at + size
        yield key >> 3, value


def read(paths):
    """scalars {tag: [(step, value)]}, texts {tag: str}, steps of session starts, in the order of the files."""
    scalars, texts, starts = {}, {}, []
    for path in sorted(paths):
        for event in records(path.read_bytes()):
            parts = dict(fields(event))
            step = parts.get(2, 0)
            if 7 in parts:
                starts.append(step)
            for number, value in fields(parts.get(5, b"")):
                one = dict(fields(value))
                tag = one[1].decode()
                if 2 in one:
                    scalars.setdefault(tag, []).append((step, struct.unpack("<f", one[2])[0]))
                elif 8 in one:
                    texts[tag] = dict(fields(one[8]))[8].decode()
    return scalars, texts, starts


def doubles(data):
    return list(struct.unpack(f"<{len(data) // 8}d", data))


def histograms(paths):
    """{tag: [(step, {"min", "max", "num", "sum", "squares", "limits", "counts"})]}, in the order of the files."""
    out = {}
    for path in sorted(paths):
        for event in records(path.read_bytes()):
            parts = dict(fields(event))
            for number, value in fields(parts.get(5, b"")):
                one = dict(fields(value))
                if 5 not in one:
                    continue
                h = dict(fields(one[5]))
                held = {name: doubles(h.get(n, bytes(8)))[0] for n, name in enumerate(("min", "max", "num", "sum", "squares"), 1)}
                held.update(limits=doubles(h[6]), counts=doubles(h[7]))
                out.setdefault(one[1].decode(), []).append((parts.get(2, 0), held))
    return out
