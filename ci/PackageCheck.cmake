# Read by cpack before it packs: a package is for other machines than the one that built it.
if(CPACK_UN_ARCH STREQUAL "native")
    message(FATAL_ERROR "built for this machine's processor (UN_ARCH=native); for a package: cmake --preset package")
endif()
