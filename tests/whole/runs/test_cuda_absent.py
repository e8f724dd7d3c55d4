"""The program with CUDA in it where no card can be used: no driver, a driver that is an empty file or a library of something
else, no module, a module that cannot be read or is none. `device: cuda` is an error that names what is missing; `device: auto`
trains on the CPU, with the same numbers each time. Skipped where the build has no CUDA or a card answers."""
import os
import re
import shutil
import subprocess

import runlib as R


def fake_driver(folder, text):
    """A folder whose libcuda.so.1 is made from C source, or is an empty file."""
    folder.mkdir()
    library = folder / "libcuda.so.1"
    if text is None:
        library.write_bytes(b"")
        return folder
    compiler = shutil.which("cc") or shutil.which("gcc")
    if not compiler:
        return None
    source = folder / "driver.c"
    source.write_text(text)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source], check=True)
    return folder


def main():
    module = R.BUILD / "libun_cuda.so"
    if not module.exists():
        R.skip("this build has no CUDA")
    with R.Folder() as folder:
        data = R.synth(folder / "data")
        config = R.write_config(folder / "c.yaml", data, folder / "run", steps=4, lanes=2)
        code, out = R.run([R.BUILD / "uniter_dist", "--cfg", config, "--check", "device=cuda"])
        if code == 0:
            R.skip("a card answers")

        # A program of its own, so that the module beside it can be taken away; where it was built it must not look, so
        # that name in it is overwritten by another of the same length.
        place = folder / "bin"
        place.mkdir()
        program = place / "uniter_dist"
        shutil.copy2(R.BUILD / "uniter_dist", program)
        built = bytes(R.BUILD) + b"\0"
        code = program.read_bytes()
        R.expect(built in code, "the program knows where it was built")
        program.write_bytes(code.replace(built, b"/" + b"x" * (len(built) - 2) + b"\0"))
        digests = set()

        def attempt(name, path, words, **environment):
            """One way of being without a card: cuda is refused with all the words, auto trains."""
            keys = dict(LD_LIBRARY_PATH=f"{path}:{os.environ.get('LD_LIBRARY_PATH', '')}") if path else {}
            keys.update(environment)
            code, out = R.run([program, "--cfg", config, "device=cuda"], **keys)
            lacking = [w for w in words if w not in out]
            R.expect(code == 64 and not lacking, f"{name}: device: cuda is refused" +
                     (f" (exit code {code}, not said: {lacking}):\n{out}" if code != 64 or lacking else ""))
            shutil.rmtree(folder / "run", ignore_errors=True)
            code, out = R.run([program, "--cfg", config, "device=auto"], **keys)
            R.expect(code == 0 and ", cpu, " in out, f"{name}: device: auto trains on the CPU" + ("" if code == 0 else f"\n{out}"))
            digests.add(re.search(r"parameters ([0-9a-f]{32})", out).group(1))
            shutil.rmtree(folder / "run")

        attempt("as it is here", None, ["no card answers", "device: cpu or auto"])
        attempt("an empty driver", fake_driver(folder / "empty", None), ["no card answers", "libcuda.so.1"])
        other = fake_driver(folder / "other", "int nothing_of_use;\n")
        if other:
            shutil.copy2(module, place / "libun_cuda.so")
            # with the CUDA libraries there: their word; without them: the linker's
            attempt("a driver without functions", other, ["no card answers"])
            (place / "libun_cuda.so").write_bytes(b"")
            attempt("an empty module", other, ["no card answers", "libun_cuda.so", "does not open"])
            (place / "libun_cuda.so").write_text("not a library\n" * 100)
            attempt("a module that is none", other, ["no card answers", "libun_cuda.so", "does not open"])
            (place / "libun_cuda.so").unlink()
            (place / "libun_cuda.so").mkdir()
            attempt("a module that cannot be read", other, ["no card answers", "libun_cuda.so", "does not open"])
            (place / "libun_cuda.so").rmdir()
            attempt("no module", other, ["no card answers", "libun_cuda.so", "is neither in"])
        R.expect(len(digests) == 1, "the same parameters every time")


main()
