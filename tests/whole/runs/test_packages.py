"""Configuring where packages are missing: it stops once, with Debian's names of all of them and the line that installs them. Without
cmocka: no tests where they are a matter of what is there (UN_TESTS=AUTO), an error where they were asked for. A libjpeg that is not
libjpeg-turbo is as good as none."""
import re
import shutil

import runlib as R

# (package, what pkg-config is asked for); of several any will do
MODULES = (("libyaml-dev", "yaml-0.1"), ("libjansson-dev", "jansson"), ("libxxhash-dev", "libxxhash"), ("libprotobuf-c-dev", "libprotobuf-c"),
           ("liblmdb-dev", "lmdb"), ("liblz4-dev", "liblz4"), ("libzip-dev", "libzip"), ("libutf8proc-dev", "libutf8proc"), ("libjpeg-dev", "libjpeg"),
           ("libpng-dev", "libpng"), ("libcairo2-dev", "cairo"), ("libhdf5-dev", "hdf5-serial"), ("libopenblas-dev", "openblas"))


def listed(out):
    """Packages that the error names; every one must be among those that packages.sh installs."""
    text = (R.ROOT / "ci/packages.sh").read_text()
    found = re.findall(r"^\s+(lib\S+-dev) \(", out, re.M)
    R.expect(all(re.search(rf"\b{name}\b", text) for name in found), f"packages.sh installs {len(found)} that are named")
    return found


def main():
    if not shutil.which("cmake"):
        R.skip("no cmake")
    with R.Folder() as folder:
        known = folder / "pkgconfig"
        known.mkdir()

        def configure(name, *words):
            words = ("-DUN_CUDA=OFF", "-DUN_EMU=OFF", *words)
            return R.run(["cmake", "-S", R.ROOT, "-B", folder / name, *words], PKG_CONFIG_LIBDIR=str(known), PKG_CONFIG_PATH="")

        code, out = configure("none", "-DCMAKE_DISABLE_FIND_PACKAGE_MPI=ON")
        R.expect(code != 0 and listed(out) == [name for name, _ in MODULES] + ["libopenmpi-dev"], "all that is missing is named at once")
        R.expect("./ci/packages.sh run" in out, "with the line that installs it")

        for _, module in MODULES:
            (known / f"{module}.pc").write_text(f"Name: {module}\nDescription: made up\nVersion: 9\n")
        code, out = configure("asked", "-DUN_MPI=OFF", "-DUN_TESTS=ON")
        R.expect(code != 0 and listed(out) == ["libcmocka-dev"] and "./ci/packages.sh test" in out, "UN_TESTS=ON without cmocka: an error")
        code, out = configure("auto", "-DUN_MPI=OFF", "-DUN_TESTS=AUTO")
        R.expect(code == 0 and "built without tests" in out, "UN_TESTS=AUTO without cmocka: said, and no tests")
        R.expect(not (folder / "auto/tests").exists(), "nothing of them is configured")
        (known / "lmdb.pc").unlink()
        code, out = configure("one", "-DUN_MPI=OFF", "-DUN_TESTS=OFF")
        R.expect(code != 0 and listed(out) == ["liblmdb-dev"], "one package alone")

        (folder / "plain").mkdir()
        (folder / "plain/jpeglib.h").write_text("typedef enum { JCS_UNKNOWN, JCS_GRAYSCALE, JCS_RGB } J_COLOR_SPACE;\n")
        (known / "libjpeg.pc").write_text(f"Name: libjpeg\nDescription: made up\nVersion: 9\nCflags: -I{folder}/plain\n")
        code, out = configure("plain", "-DUN_MPI=OFF", "-DUN_TESTS=OFF")
        R.expect(code != 0 and sorted(listed(out)) == ["libjpeg-dev", "liblmdb-dev"] and "libjpeg-turbo: the libjpeg that is here is another" in out,
                 "a plain libjpeg is refused")


main()
