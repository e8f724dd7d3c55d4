"""A CUDA toolkit without the development files of cuBLASLt and NVTX: they are taken from the `nvidia` packages of Python that PyTorch
brings, or from where -DUN_CUDA_WHEELS says; the module of the card links with them and finds the library when it is opened. Made trees
of links to the toolkit that is here. The kernels are compiled to nothing: what is tested is how all is found. Skipped without an nvcc."""
import os
import pathlib
import re
import shutil
import subprocess
import sys

import runlib as R

PROBE = """cmake_minimum_required(VERSION 3.22)
project(probe C)
find_package(CUDAToolkit REQUIRED)
include(%s/ci/CudaLibraries.cmake)
message(STATUS "probe: cublaslt ${UN_CUBLASLT_FOUND} in ${UN_CUBLASLT_FOLDERS}")
message(STATUS "probe: nvtx ${UN_NVTX_FOUND}")
message(STATUS "probe: ${UN_CUBLASLT_LACKS}")
"""
# Where a machine may have a second set of the toolkit's files, beside the one of which others are made.
IGNORED = [f"{root}/{part}" for root in ("/usr/local", "/usr/local/cuda", "/opt/cuda")
           for part in ("include", "lib", "lib64", "lib/x86_64-linux-gnu", "targets/x86_64-linux/include", "targets/x86_64-linux/lib")]
# In place of nvcc where a kernel is compiled: an object without content.
LAUNCHER = """#!/bin/sh
out= deps=
for word; do
    case "$before" in -o) out=$word ;; -MF) deps=$word ;; esac
    before=$word
done
[ -z "$deps" ] || echo "$out:" >"$deps"
exec cc -c -x c /dev/null -o "$out"
"""


def cached(name):
    found = re.search(rf"^{name}:\w+=(.+)$", (R.BUILD / "CMakeCache.txt").read_text(), re.M)
    return found and pathlib.Path(found.group(1))


def without(to, real, dropped):
    """A folder of links to all that is in `real`, but what `dropped` names."""
    to.mkdir(parents=True)
    for entry in real.iterdir():
        if not re.match(dropped, entry.name):
            (to / entry.name).symlink_to(entry.resolve())


def top(nvcc):
    """The toolkit's folder as nvcc itself says it: what is in PATH may be a script that calls another."""
    said = subprocess.run([nvcc, "--dryrun", "-x", "cu", "/dev/null"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60).stdout
    return pathlib.Path(re.search(r"TOP=(.+)", said).group(1)).resolve()


def make_toolkit(to, nvcc):
    real = top(nvcc)
    lib = next(f for f in ("lib64", "lib") if list((real / f).glob("libcudart.so.*")))
    (to / "bin").mkdir(parents=True)
    for entry in (real / "bin").iterdir():  # nvcc looks for its parts beside itself
        if entry.name.startswith("nvcc"):
            shutil.copy2(entry, to / "bin")
        else:
            (to / "bin" / entry.name).symlink_to(entry)
    without(to / "include", real / "include", r"cublas|nvtx3|nvToolsExt")
    without(to / lib, real / lib, r"libcublas|libnvToolsExt")
    if (real / "nvvm").exists():
        (to / "nvvm").symlink_to(real / "nvvm")
    return real, lib


def make_wheels(to, real, lib, major, part):
    """As a wheel has them: the library by its full name alone."""
    (to / part / "lib").mkdir(parents=True)
    (to / part / "lib" / f"libcublasLt.so.{major}").symlink_to(next((real / lib).glob("libcublasLt.so.*")).resolve())
    (to / part / "include").mkdir()
    for entry in (real / "include").glob("cublas*"):
        (to / part / "include" / entry.name).symlink_to(entry)
    return to


def main():
    nvcc, found = cached("UN_NVCC"), cached("CUDA_cublasLt_LIBRARY")
    if not nvcc or not nvcc.exists() or not found or not found.exists():
        R.skip("no toolkit with cuBLASLt, of which to make others")
    with R.Folder() as folder:
        toolkit = folder / "toolkit"
        real, lib = make_toolkit(toolkit, nvcc)
        major = next((real / lib).glob("libcublasLt.so.*")).name.split(".so.")[1].split(".")[0]
        clean = {k: v for k, v in R.ENV.items() if k not in ("CPATH", "CUDA_PATH", "CUDACXX", "LIBRARY_PATH", "LD_LIBRARY_PATH", "PYTHONPATH")}
        clean["PATH"] = f"{toolkit}/bin:/usr/bin:/bin"
        python = folder / "python3"  # knows what PYTHONPATH says and no package of this machine
        python.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
        python.chmod(0o755)

        def cmake(source, build, *words, **keys):
            words = [f"-D{w}" for w in (*words, f"UN_WHEELS_PYTHON={python}", f"CMAKE_IGNORE_PATH={';'.join(IGNORED)}")]
            p = subprocess.run(["cmake", "-S", source, "-B", build, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               text=True, env=dict(clean, **keys), timeout=300)
            return p.returncode, re.sub(r"\s+", " ", p.stdout)

        (folder / "probe").mkdir()
        (folder / "probe/CMakeLists.txt").write_text(PROBE % R.ROOT)
        count = [0]

        def probe(words, **keys):
            count[0] += 1
            words = [f"CUDAToolkit_ROOT={toolkit}", *words]
            code, out = cmake(folder / "probe", folder / f"probe{count[0]}", *words, **keys)
            R.expect(code == 0, "the probe is configured" if code == 0 else out)
            return out

        out = probe([], PYTHONPATH="")
        R.expect("probe: cublaslt OFF" in out and "UN_CUDA_WHEELS" in out and "nvidia-cublas" in out, f"without both: said how to get it. {out}")
        R.expect("probe: nvtx OFF" in out and "no NVTX headers" in out, "without NVTX: said, no error")

        for part in (f"cu{major}", "cublas"):
            wheels = make_wheels(folder / f"site_{part}/nvidia", real, lib, major, part)
            out = probe([], PYTHONPATH=wheels.parent)
            R.expect(f"probe: cublaslt ON in {wheels}/{part}/lib;" in out, f"found in python3's packages, in nvidia/{part}")
            out = probe([f"UN_CUDA_WHEELS={wheels}"])
            R.expect(f"probe: cublaslt ON in {wheels}/{part}/lib;" in out, f"found where UN_CUDA_WHEELS says, in {part}")
        other = make_wheels(folder / "other/nvidia", real, lib, int(major) - 1, "cublas")
        R.expect("probe: cublaslt OFF" in probe([f"UN_CUDA_WHEELS={other}"]), "a library of another release of CUDA is not taken")

        (wheels / "nvtx/include").mkdir(parents=True)
        if (real / "include/nvtx3").exists():
            (wheels / "nvtx/include/nvtx3").symlink_to(real / "include/nvtx3")
            R.expect("probe: nvtx ON" in probe([f"UN_CUDA_WHEELS={wheels}"]), "the headers of NVTX are found in nvidia/nvtx")

        # The whole project: a clear end where nothing is, else a module that finds its library.
        base = ["UN_TESTS=OFF", "UN_MPI=OFF", "UN_NCCL=OFF", "UN_CUDA_ARCH=90", "CMAKE_EXPORT_COMPILE_COMMANDS=ON"]
        code, out = cmake(R.ROOT, folder / "none", "UN_CUDA=ON", *base, PYTHONPATH="")
        R.expect(code != 0 and "UN_CUDA=ON, but no cublasLt.h" in out, "UN_CUDA=ON without cuBLASLt ends with what is missing")
        launcher = folder / "launcher"
        launcher.write_text(LAUNCHER)
        launcher.chmod(0o755)
        wheels = folder / f"site_cu{major}/nvidia"
        build = folder / "build"
        code, out = cmake(R.ROOT, build, "UN_CUDA=AUTO", f"CMAKE_CUDA_COMPILER_LAUNCHER={launcher}", *base, PYTHONPATH=wheels.parent)
        R.expect(code == 0 and f"cuBLASLt: {wheels}" in out and "no NVTX headers" in out,
                 "the project is configured with the wheel, without NVTX" if code == 0 else out)
        commands = (build / "compile_commands.json").read_text()
        blas = next(c for c in commands.splitlines() if '"command"' in c and "blaslt.c" in c)
        R.expect(0 < blas.find(f"{toolkit}/include") < blas.find(f"{wheels}/cu{major}/include"), "the toolkit's headers come first")
        p = subprocess.run(["cmake", "--build", build, "--target", "un_cuda", "-j2"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           text=True, env=clean, timeout=600)
        R.expect(p.returncode == 0, "un_cuda links" if p.returncode == 0 else p.stdout[-3000:])
        loaded = subprocess.run(["ldd", build / "libun_cuda.so"], stdout=subprocess.PIPE, text=True, env=clean).stdout
        R.expect(f"libcublasLt.so.{major} => {wheels}/cu{major}/lib/" in loaded, "the module finds the wheel's library")
        R.expect(re.search(rf"libcudart.so.{major} => {toolkit}/", loaded), "and the toolkit's runtime")


main()
