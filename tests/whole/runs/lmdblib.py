"""The authors' databases of images, made: LMDB folders of msgpack-numpy or of the bytes of an .npz."""
import io

import runlib as R

try:
    import lmdb
    import msgpack
    import numpy as np
except ImportError as error:
    R.skip(f"no python module: {error}")


def write_lmdb(folder, items):
    folder.mkdir(parents=True)
    env = lmdb.open(str(folder), map_size=1 << 28)
    with env.begin(write=True) as t:
        for key, value in items.items():
            t.put(key.encode(), value)
        t.put(b"__keys__", b"[]")
    env.close()


def packed(array, binary=True):
    key = (lambda k: k.encode()) if binary else (lambda k: k)
    return {key("nd"): True, key("type"): array.dtype.str, key("kind"): b"", key("shape"): list(array.shape),
            key("data"): np.ascontiguousarray(array).tobytes()}


def msgpacked(image, binary=True):
    names = {"features": "features", "norm_bb": "norm_bb", "conf": "conf", "soft_labels": "soft_label"}
    body = {names.get(k, k): packed(v, binary) for k, v in image.items()}
    return msgpack.packb(body, use_bin_type=True)


def npz_bytes(image, compressed=True):
    out = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(out, allow_pickle=True, **image)
    return out.getvalue()
