# The Python module: build/PRESET/python is what a package would install.
#
# The half in C, _eddy.abi3.so, is written to the limited API: it is built once
# and goes with CPython 3.9 and later. It is linked to libeddy.so, which it finds
# beside itself in a wheel, and in the system otherwise; in a program that is
# Eddy itself (`eddy serve --wsgi`) it uses what is there. The other half is in
# Python, linked into the tree so that it can be edited in its place.
#
# Tests are python/tests/test_X.py, run as python/X.

pkg_check_modules(PYTHON python3>=3.9)
if(NOT PYTHON_FOUND)
  message(STATUS "no headers of Python (python3-dev): no module for it")
  return()
endif()
# The modules that tests and benchmarks talk to are those of the system's.
find_program(EDDY_PYTHON NAMES python3 HINTS /usr/bin NO_CMAKE_ENVIRONMENT_PATH
  NO_SYSTEM_ENVIRONMENT_PATH)
find_program(EDDY_PYTHON NAMES python3)

set(EDDY_PYTHON_TREE ${PROJECT_BINARY_DIR}/python)
file(GLOB EDDY_PYTHON_SOURCES CONFIGURE_DEPENDS python/src/*.c)
add_library(eddy_python MODULE ${EDDY_PYTHON_SOURCES})
target_include_directories(eddy_python SYSTEM PRIVATE ${PYTHON_INCLUDE_DIRS})
target_link_libraries(eddy_python PRIVATE $<BUILD_INTERFACE:eddy_flags>
  eddy_shared)
set_target_properties(eddy_python PROPERTIES PREFIX "" OUTPUT_NAME _eddy.abi3
  LIBRARY_OUTPUT_DIRECTORY ${EDDY_PYTHON_TREE}/eddy
  BUILD_RPATH "$ORIGIN;${PROJECT_BINARY_DIR}" INSTALL_RPATH "$ORIGIN")

file(GLOB_RECURSE files CONFIGURE_DEPENDS RELATIVE
  ${PROJECT_SOURCE_DIR}/python/eddy python/eddy/*.py python/eddy/*.pyi
  python/eddy/py.typed)
foreach(file IN LISTS files)
  get_filename_component(directory ${EDDY_PYTHON_TREE}/eddy/${file} DIRECTORY)
  file(MAKE_DIRECTORY ${directory})
  file(CREATE_LINK ${PROJECT_SOURCE_DIR}/python/eddy/${file}
    ${EDDY_PYTHON_TREE}/eddy/${file} SYMBOLIC)
endforeach()

# Debian's place; other systems have another.
set(EDDY_PYTHON_DIR lib/python3/dist-packages CACHE STRING
  "where the Python module is installed, below the prefix")
install(TARGETS eddy_python LIBRARY DESTINATION ${EDDY_PYTHON_DIR}/eddy
  COMPONENT python)
install(DIRECTORY python/eddy DESTINATION ${EDDY_PYTHON_DIR} COMPONENT python
  FILES_MATCHING PATTERN "*.py" PATTERN "*.pyi" PATTERN "py.typed"
  PATTERN "__pycache__" EXCLUDE)

if(NOT EDDY_TESTS)
  return()
endif()
set(environment ${EDDY_TEST_ENV} "PYTHONPATH=${EDDY_PYTHON_TREE}"
  "PYTHONDONTWRITEBYTECODE=1" "EDDY_PYTHON=${EDDY_PYTHON}")
if(EDDY_SANITIZE MATCHES "address")
  # The interpreter is not built with it, and leaves its own to the system.
  execute_process(COMMAND ${CMAKE_C_COMPILER} -print-file-name=libasan.so
    OUTPUT_VARIABLE libasan OUTPUT_STRIP_TRAILING_WHITESPACE)
  list(FILTER environment EXCLUDE REGEX "^ASAN_OPTIONS")
  list(APPEND environment "LD_PRELOAD=${libasan}" "PYTHONMALLOC=malloc"
    "ASAN_OPTIONS=detect_leaks=0")
endif()
if(EDDY_SANITIZE MATCHES "thread")
  # It allows no threads in the child of a process that has some: those tests
  # whose children make calls are left out.
  execute_process(COMMAND ${CMAKE_C_COMPILER} -print-file-name=libtsan.so
    OUTPUT_VARIABLE libtsan OUTPUT_STRIP_TRAILING_WHITESPACE)
  list(FILTER environment EXCLUDE REGEX "^TSAN_OPTIONS")
  list(APPEND environment "LD_PRELOAD=${libtsan}"
    "TSAN_OPTIONS=die_after_fork=0:report_thread_leaks=0")
endif()
file(GLOB tests CONFIGURE_DEPENDS python/tests/test_*.py)
if(EDDY_SANITIZE)
  # It looks at texts alone, and that takes longer here.
  list(FILTER tests EXCLUDE REGEX "/test_stubs.py$")
endif()
if(EDDY_SANITIZE MATCHES "thread")
  list(FILTER tests EXCLUDE REGEX "test_(process|servers)")
endif()
foreach(test IN LISTS tests)
  get_filename_component(subject ${test} NAME_WE)
  string(REGEX REPLACE "^test_" "" subject ${subject})
  add_test(NAME python/${subject} COMMAND ${EDDY_PYTHON} run.py test_${subject}
    WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}/python/tests)
  set_tests_properties(python/${subject} PROPERTIES
    TIMEOUT ${EDDY_INTEROP_TIMEOUT} SKIP_RETURN_CODE 77
    ENVIRONMENT "${environment}")
endforeach()
