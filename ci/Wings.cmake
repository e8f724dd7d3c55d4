# A wing: one folder's sources as a target un_<NAME>, with all it may include said by USES (ci/rooms.py checks the includes
# themselves).
#
#   un_wing(io_feed SOURCES plan.c mask.c USES io_data LIBS dep::json OPTIONS -O3)
#
# USES: wings whose headers it may include; they and what they use come along. LIBS: libraries of others, for its own code
# only. SOURCES are relative to the folder of the wing: that of the CMakeLists.txt, or FOLDER below it.
function(un_wing name)
    cmake_parse_arguments(W "" "FOLDER" "SOURCES;USES;LIBS" ${ARGN})
    if(W_FOLDER)
        list(TRANSFORM W_SOURCES PREPEND "${W_FOLDER}/")
    endif()
    list(TRANSFORM W_USES PREPEND "un_")
    add_library(un_${name} STATIC ${W_SOURCES})
    target_link_libraries(un_${name} PUBLIC un_flags ${W_USES} PRIVATE ${W_LIBS})
endfunction()
