# Spack recipe. In a checkout, with Spack 1.0 or later:
#     spack repo create uniter-repo uniter
#     mkdir uniter-repo/spack_repo/uniter/packages/uniter_dist
#     cp launch/recipes/spack/package.py uniter-repo/spack_repo/uniter/packages/uniter_dist/
#     spack repo add uniter-repo/spack_repo/uniter
#     spack dev-build uniter-dist@main        # builds this checkout
# Before 1.0 the folder is uniter-repo/packages/uniter-dist, and uniter-repo is added.
# Not built yet: looked at were names and variants of what it depends on, in Spack's packages of July 2026.
try:  # Spack 1.0 and later
    from spack_repo.builtin.build_systems.cmake import CMakePackage
except ImportError:
    pass
from spack.package import *


class UniterDist(CMakePackage):
    """UNITER vision-language pretraining as an HPC program in C: MPI ranks, HDF5 features, packed batches."""

    version("main", branch="main")

    variant("mpi", default=True, description="Many ranks")
    variant("cuda", default=False, description="The CUDA backend")
    variant("tests", default=False, description="Build the tests")

    depends_on("c", type="build")
    depends_on("cmake@3.22:", type="build")
    depends_on("pkgconfig", type="build")
    depends_on("mpi@3:", when="+mpi")
    depends_on("cxx", type="build", when="+cuda")
    depends_on("cxx", type="build", when="+tests")
    depends_on("cuda@12:", when="+cuda")
    # the serial build that threads may share
    depends_on("hdf5~mpi+threadsafe")
    # called from several threads at once, one tile each
    depends_on("openblas threads=openmp")
    depends_on("libyaml")
    depends_on("jansson")
    depends_on("xxhash")
    depends_on("lmdb")
    depends_on("lz4")
    depends_on("libzip")
    depends_on("utf8proc")
    # no other libjpeg: the pixels are its own
    depends_on("libjpeg-turbo")
    depends_on("libpng@1.6.32:")
    depends_on("cairo+png+pdf+svg+ft+fc")
    depends_on("protobuf-c") # the library, and protoc-c
    depends_on("cmocka", when="+tests")
    depends_on("random123", when="+tests")

    def cmake_args(self):
        # Spack's compiler wrapper names the processor itself
        return [
            self.define_from_variant("UN_MPI", "mpi"),
            self.define_from_variant("UN_TESTS", "tests"),
            self.define("UN_ARCH", ""),
            self.define("UN_CUDA", "ON" if "+cuda" in self.spec else "OFF"),
        ]
