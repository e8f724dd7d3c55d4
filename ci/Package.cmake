# `cpack` makes a .deb and a .tar.gz of what `cmake --install` installs: preset `package`, tried on clean machines by ci/package.sh.
set(CPACK_GENERATOR DEB TGZ)
set(CPACK_PACKAGE_NAME uniter-dist)
set(CPACK_PACKAGE_CONTACT "The uniter_dist authors <uniter-dist@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "UNITER vision-language pretraining on MPI ranks")
set(CPACK_PACKAGE_DESCRIPTION "Pretrains and fine-tunes UNITER on feature files of images and texts: packed micro-batches without
padding, the same numbers on any number of ranks, checkpoints that any number of ranks can resume.
uniter_dist trains; uniter imports data and weights, reports and answers.")
set(CPACK_RESOURCE_FILE_LICENSE ${PROJECT_SOURCE_DIR}/LICENSE)
set(CPACK_STRIP_FILES ON)
set(CPACK_PACKAGE_DIRECTORY ${PROJECT_BINARY_DIR}/packages)
set(CPACK_PROJECT_CONFIG_FILE ${PROJECT_SOURCE_DIR}/ci/PackageCheck.cmake)
set(CPACK_UN_ARCH "${UN_ARCH}")

# which release it was built on, so that a newer one's replaces it
set(un_release 1)
if(EXISTS /etc/os-release)
    file(STRINGS /etc/os-release codename REGEX "^VERSION_CODENAME=")
    string(REGEX REPLACE "^VERSION_CODENAME=\"?([a-z0-9]*).*" "1~\\1" un_release "${codename}")
endif()
set(CPACK_DEBIAN_PACKAGE_RELEASE ${un_release})
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON) # Depends
if(UN_MPI)
    set(CPACK_DEBIAN_PACKAGE_RECOMMENDS openmpi-bin)
endif()
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "python3") # pt_safetensors.py
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/uniter-dist RENAME copyright)
include(CPack)
