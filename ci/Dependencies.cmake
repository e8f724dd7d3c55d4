# Finds every library by name and gives it one imported target dep::<what>, so that rooms say only what they need.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

pkg_check_modules(YAML REQUIRED IMPORTED_TARGET yaml-0.1)
add_library(dep::yaml ALIAS PkgConfig::YAML)
pkg_check_modules(JSON REQUIRED IMPORTED_TARGET jansson)
add_library(dep::json ALIAS PkgConfig::JSON)
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash)
add_library(dep::xxhash ALIAS PkgConfig::XXHASH)

# For `uniter`: the formats that data come in, and Unicode.
pkg_check_modules(LMDB REQUIRED IMPORTED_TARGET lmdb)
add_library(dep::lmdb ALIAS PkgConfig::LMDB)
pkg_check_modules(LZ4 REQUIRED IMPORTED_TARGET liblz4)
add_library(dep::lz4 ALIAS PkgConfig::LZ4)
pkg_check_modules(ZIP REQUIRED IMPORTED_TARGET libzip)
add_library(dep::zip ALIAS PkgConfig::ZIP)
pkg_check_modules(UTF8PROC REQUIRED IMPORTED_TARGET libutf8proc)
add_library(dep::utf8proc ALIAS PkgConfig::UTF8PROC)

# The serial, thread-safe HDF5: Debian's plain `hdf5` may be the parallel build, which is not thread-safe.
pkg_search_module(HDF5 REQUIRED IMPORTED_TARGET hdf5-serial hdf5)
add_library(dep::hdf5 ALIAS PkgConfig::HDF5)

# OpenBLAS: the backend calls it from several threads, one tile each; any of its builds will do.
pkg_search_module(BLAS REQUIRED IMPORTED_TARGET openblas openblas64 openblas-serial)
add_library(dep::blas ALIAS PkgConfig::BLAS)

find_package(OpenMP REQUIRED COMPONENTS C)

if(UN_MPI)
    find_package(MPI REQUIRED COMPONENTS C)
endif()
