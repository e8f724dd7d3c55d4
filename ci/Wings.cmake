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

# un_protobuf(TARGET folder/name.proto): C for the messages of a .proto beside the sources, included in <> as the .proto's path with
# .pb-c.h; warnings of what protoc-c writes are its own.
function(un_protobuf target file)
    cmake_path(RELATIVE_PATH CMAKE_CURRENT_SOURCE_DIR BASE_DIRECTORY ${PROJECT_SOURCE_DIR} OUTPUT_VARIABLE room)
    cmake_path(REMOVE_EXTENSION file OUTPUT_VARIABLE stem)
    set(root ${CMAKE_CURRENT_BINARY_DIR}/protobuf)
    set(made ${root}/${room}/${stem}.pb-c)
    add_custom_command(OUTPUT ${made}.c ${made}.h DEPENDS ${file} VERBATIM
        COMMAND ${CMAKE_COMMAND} -E make_directory ${root}
        COMMAND ${UN_PROTOC_C} --proto_path=${PROJECT_SOURCE_DIR} --c_out=${root} ${room}/${file})
    target_sources(${target} PRIVATE ${made}.c ${made}.h)
    set_source_files_properties(${made}.c PROPERTIES COMPILE_OPTIONS -w SKIP_LINTING ON)
    target_include_directories(${target} SYSTEM PRIVATE ${root})
endfunction()

# un_embed(TARGET symbol file): a text file beside the sources as `const char symbol[]`, ended by a zero byte.
function(un_embed target symbol file)
    set(made ${CMAKE_CURRENT_BINARY_DIR}/${symbol}.c)
    set(from ${CMAKE_CURRENT_SOURCE_DIR}/${file})
    add_custom_command(OUTPUT ${made} DEPENDS ${from} ${PROJECT_SOURCE_DIR}/ci/Embed.cmake VERBATIM
        COMMAND ${CMAKE_COMMAND} -DIN=${from} -DOUT=${made} -DNAME=${symbol} -P ${PROJECT_SOURCE_DIR}/ci/Embed.cmake)
    target_sources(${target} PRIVATE ${made})
    set_source_files_properties(${made} PROPERTIES COMPILE_OPTIONS -w SKIP_LINTING ON)
endfunction()
