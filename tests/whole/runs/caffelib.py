"""A region detector as a .caffemodel, written without the program's code, and the public tensors that follow from it."""
import numpy as np

RPN, BOX = "proposal_generator.rpn_head.", "roi_heads.box_predictor."
SIZES = dict(stem=4, middle=2, width=6, blocks=(2, 3, 1, 2), rpn=5, anchors=12, classes=7, attributes=4, embedding=3, hidden=6)
SIDES = ((23, 12), (16, 16), (11, 22))


def varint(n):
    out = b""
    while n > 127:
        out, n = out + bytes([n & 127 | 128]), n >> 7
    return out + bytes([n])


def field(number, body):
    return varint(number << 3 | 2) + varint(len(body)) + body


# fields that no reader knows: a varint, 64 bits, bytes, a group with a group in it, 32 bits
NOISE = (varint(900 << 3) + varint(1 << 63) + varint(901 << 3 | 1) + b"\1" * 8 + field(902, b"\xff" * 9)
         + varint(903 << 3 | 3) + varint(904 << 3 | 3) + varint(905 << 3) + b"\7" + varint(904 << 3 | 4) + varint(903 << 3 | 4)
         + varint(906 << 3 | 5) + b"\2" * 4)


def blob(values, forms=()):
    a = np.asarray(values, "<f4")
    if "loose" in forms:  # a tag before each value
        data = b"".join(varint(5 << 3 | 5) + v.tobytes() for v in a.ravel())
    elif "pieces" in forms:  # packed, in two pieces
        flat = a.ravel()
        data = field(5, flat[:1].tobytes()) + field(5, flat[1:].tobytes())
    else:
        data = field(5, a.tobytes())
    if "old" in forms:  # num, channels, height, width
        four = (1,) * (4 - a.ndim) + a.shape
        shape = b"".join(varint(k + 1 << 3) + varint(n) for k, n in enumerate(four))
    elif "loose" in forms:
        shape = field(7, b"".join(varint(1 << 3) + varint(n) for n in a.shape))
    else:
        shape = field(7, field(1, b"".join(varint(n) for n in a.shape)))
    noise = NOISE if "noise" in forms else b""
    return noise + data + noise + shape


def layer(name, blobs, forms=()):
    noise = NOISE if "noise" in forms else b""
    body = field(1, name.encode()) + noise + field(2, b"Some")
    return field(100, body + b"".join(field(7, blob(b, forms)) for b in blobs))


def net(layers, forms=()):
    """layers: [(name, [array])]"""
    out = field(1, b"made") + (NOISE + layer("data", []) + layer("prob", [np.ones(3)]) if "noise" in forms else b"")
    return out + b"".join(layer(name, blobs, forms) for name, blobs in layers)


def detector(rng, letters="25", **sizes):
    """([(layer, [array])], {public name: array}); blocks of stages in `letters` are a b c, of others a b1 b2."""
    s = {**SIZES, **sizes}
    layers, public = [], {}

    def draw(*shape):
        return rng.normal(size=shape).astype("<f4")

    def conv(name, names, out, into, side):
        count = np.float32(rng.choice([4, 3, 999.98236]))
        weight, mean, times, plus = draw(out, into, side, side), draw(out), draw(out), draw(out)
        variance = np.abs(draw(out))
        layers.extend([(names[0], [weight]), (names[1], [mean, variance, np.array([count])]), (names[2], [times, plus])])
        over = np.float32(1) / count
        public.update({name + ".weight": weight, name + ".norm.running_mean": mean * over,
                       name + ".norm.running_var": variance * over, name + ".norm.weight": times, name + ".norm.bias": plus})

    conv("backbone.stem.conv1", ("conv1", "bn_conv1", "scale_conv1"), s["stem"], 3, 7)
    into = s["stem"]
    for k, stage in enumerate("2345"):
        middle, out = s["middle"] << k, s["width"] << k
        for b in range(s["blocks"][k]):
            block = stage + (chr(97 + b) if stage in letters or b == 0 else f"b{b}")
            name = ("roi_heads.res5" if stage == "5" else "backbone.res" + stage) + f".{b}."
            for part, branch, shape in (("shortcut", "1", (out, into, 1)), ("conv1", "2a", (middle, into, 1)),
                                        ("conv2", "2b", (middle, middle, 3)), ("conv3", "2c", (out, middle, 1))):
                if part != "shortcut" or (b == 0 and into != out):
                    conv(name + part, [f"{front}{block}_branch{branch}" for front in ("res", "bn", "scale")], *shape)
            into = out

    def linear(name, at, rows, *columns):
        weight, bias = draw(rows, *columns), draw(rows)
        layers.append((at, [weight, bias]))
        return {name + ".weight": weight, name + ".bias": bias}

    coarse, a, k = s["width"] * 4, s["anchors"], s["classes"]
    public.update(linear(RPN + "conv", "rpn_conv/3x3", s["rpn"], coarse, 3, 3))
    public.update({n: v[a:] - v[:a] for n, v in linear(RPN + "objectness_logits", "rpn_cls_score", 2 * a, s["rpn"], 1, 1).items()})
    public.update(linear(RPN + "anchor_deltas", "rpn_bbox_pred", 4 * a, s["rpn"], 1, 1))
    public.update({n: np.roll(v, -1, 0) for n, v in linear(BOX + "cls_score", "cls_score", k + 1, into).items()})
    four = np.tile(np.float32([10, 10, 5, 5]), k)
    for n, v in linear(BOX + "bbox_pred", "bbox_pred", 4 * k + 4, into).items():
        public[n] = v[4:] * (four[:, None] if v.ndim == 2 else four)
    embedding = draw(k + 1, s["embedding"])
    layers.append(("cls_embedding", [embedding]))
    public[BOX + "cls_embedding.weight"] = np.roll(embedding, -1, 0)
    public.update(linear(BOX + "fc_attr", "fc_attr", s["hidden"], into + s["embedding"]))
    public.update({n: np.roll(v, -1, 0) for n, v in linear(BOX + "attr_score", "attr_score", s["attributes"] + 1, s["hidden"]).items()})
    scales = (4, 8, 16, 32) if a == 12 else [1 << i for i in range(a // 3)]
    public["proposal_generator.anchor_generator.cell_anchors.0"] = np.array(
        [[8 - w * z / 2, 8 - h * z / 2, 8 + w * z / 2, 8 + h * z / 2] for w, h in SIDES for z in scales], "<f4")
    return layers, public
