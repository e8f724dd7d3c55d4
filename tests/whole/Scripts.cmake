# un_script_test(KIND name ...): KIND_name runs test_name.py of this folder with the build folder. PYTHON system: the system's
# interpreter, for scripts that need its packages (numpy, h5py, ...); they skip when one is missing.
# How they stand beside others: CORES 2 where several ranks compute, DEADLINES where seconds count (those never two at a time),
# ALONE where nothing may run beside it. COST: about its seconds, where many; long ones begin first.
find_program(UN_SYSTEM_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH)

function(un_script_test kind name)
    cmake_parse_arguments(T "DEADLINES;ALONE" "PYTHON;CORES;COST;TIMEOUT" "LABELS" ${ARGN})
    set(python ${Python3_EXECUTABLE})
    if(T_PYTHON STREQUAL "system" AND UN_SYSTEM_PYTHON)
        set(python ${UN_SYSTEM_PYTHON})
    endif()
    set(beside "")
    if(T_CORES)
        list(APPEND beside PROCESSORS ${T_CORES})
    endif()
    if(T_DEADLINES)
        list(APPEND beside RESOURCE_LOCK deadlines)
    endif()
    if(T_COST)
        list(APPEND beside COST ${T_COST})
    endif()
    add_test(NAME ${kind}_${name} COMMAND ${python} ${CMAKE_CURRENT_SOURCE_DIR}/test_${name}.py ${PROJECT_BINARY_DIR})
    set_tests_properties(${kind}_${name} PROPERTIES TIMEOUT ${T_TIMEOUT} LABELS "${kind};${T_LABELS}" SKIP_RETURN_CODE 77
        RUN_SERIAL ${T_ALONE} ${beside})
endfunction()
