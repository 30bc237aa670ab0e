# Tests, found by their place:
#
#   tests/unit/ROOM/test_X.c     unit/ROOM/X    mirrors src/ROOM
#   tests/{fault,cancel,wire}/test_X.c          KIND/X
#   tests/{fault,cancel}/test_KIND.c            KIND/S for each scenario S
#   tests/interop/X.sh           interop/X      with EDDY_BUILD in its
#                                               environment; exits 77 to skip
#   include/eddy/X.h             header/X.h     compiles alone, as C and as C++
#
# tests/support/*.c, and any other .c file beside a test, are linked into the
# tests of all kinds, or of that directory. A line in wrap.txt beside the tests
# names a function to link as --wrap, for tests that make calls fail. Those of
# unit/patch have libeddy-patch.so linked in.

pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)

# Seconds, after which a test hangs: nearly all of it is for busy machines.
set(EDDY_TEST_TIMEOUT 180)
set(EDDY_INTEROP_TIMEOUT 400)
# A forked child cannot join the threads of its parent: no leaks under TSan.
# What is used after a function's return is looked for by compilers since gcc 13
# only, unless asked to. What tests fetch from is here, whatever proxy the
# environment has.
set(EDDY_TEST_ENV "no_proxy=*"
  "EDDY_BUILD=${PROJECT_BINARY_DIR}" "EDDY_SOURCE=${PROJECT_SOURCE_DIR}"
  "ASAN_OPTIONS=strict_string_checks=1:detect_leaks=1:detect_stack_use_after_return=1"
  "UBSAN_OPTIONS=print_stacktrace=1" "TSAN_OPTIONS=halt_on_error=1:report_thread_leaks=0")

file(GLOB EDDY_TEST_SUPPORT CONFIGURE_DEPENDS tests/support/*.c)
if(EDDY_TEST_SUPPORT)
  add_library(eddy_test_support OBJECT ${EDDY_TEST_SUPPORT})
  target_include_directories(eddy_test_support PUBLIC tests/support)
  target_link_libraries(eddy_test_support PUBLIC eddy_static
    PkgConfig::CMOCKA)
endif()

function(eddy_add_run name) # COMMAND...
  add_test(NAME ${name} COMMAND ${ARGN}
    WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set_tests_properties(${name} PROPERTIES TIMEOUT ${EDDY_TEST_TIMEOUT}
    SKIP_RETURN_CODE 77 ENVIRONMENT "${EDDY_TEST_ENV}")
endfunction()

# Sets OUT to the library of what lies beside the tests of a directory, which
# all of them are linked with; to nothing if there is none.
function(eddy_helpers directory out)
  string(REPLACE "/" "-" library helpers-${directory})
  file(GLOB helpers CONFIGURE_DEPENDS tests/${directory}/*.c)
  list(FILTER helpers EXCLUDE REGEX "/test_[^/]*$")
  set(${out} "" PARENT_SCOPE)
  if(helpers)
    if(NOT TARGET ${library})
      add_library(${library} OBJECT ${helpers})
      target_link_libraries(${library} PRIVATE eddy_static PkgConfig::CMOCKA)
      if(TARGET eddy_test_support)
        target_include_directories(${library} PRIVATE tests/support)
      endif()
    endif()
    set(${out} ${library} PARENT_SCOPE)
  endif()
endfunction()

function(eddy_add_test source)
  file(RELATIVE_PATH path ${PROJECT_SOURCE_DIR}/tests ${source})
  get_filename_component(directory ${path} DIRECTORY)
  get_filename_component(program ${path} NAME_WE)
  string(REGEX REPLACE "^test_" "" subject ${program})
  set(name ${directory}/${subject})
  string(REPLACE "/" "-" target ${name})

  add_executable(${target} ${source})
  eddy_helpers(${directory} helpers)
  set_target_properties(${target} PROPERTIES OUTPUT_NAME ${program}
    RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests/${directory})
  target_link_libraries(${target} PRIVATE ${helpers} eddy_static
    PkgConfig::CMOCKA)
  if(TARGET eddy_test_support)
    target_link_libraries(${target} PRIVATE eddy_test_support)
  endif()
  if(directory STREQUAL "unit/patch")
    target_link_libraries(${target} PRIVATE -Wl,--no-as-needed eddy_patch)
  endif()
  if(EXISTS ${PROJECT_SOURCE_DIR}/tests/${directory}/wrap.txt)
    file(STRINGS tests/${directory}/wrap.txt wraps)
    list(TRANSFORM wraps PREPEND "-Wl,--wrap=")
    target_link_options(${target} PRIVATE ${wraps})
  endif()

  if(directory STREQUAL subject)
    foreach(scenario IN LISTS EDDY_SCENARIOS)
      eddy_add_run(${directory}/${scenario} ${target} ${scenario})
    endforeach()
  else()
    eddy_add_run(${name} ${target})
  endif()
endfunction()

# What the tests of fault and cancel disturb, each for itself, so that they run
# side by side.
file(STRINGS tests/support/scenarios.def EDDY_SCENARIOS REGEX "^SCENARIO\\(")
list(TRANSFORM EDDY_SCENARIOS REPLACE "SCENARIO\\((.*)\\)" "\\1")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
  tests/support/scenarios.def)

file(GLOB EDDY_TEST_SOURCES CONFIGURE_DEPENDS tests/unit/*/test_*.c
  tests/fault/test_*.c tests/cancel/test_*.c tests/wire/test_*.c)
foreach(source IN LISTS EDDY_TEST_SOURCES)
  eddy_add_test(${source})
endforeach()
# With holes between its segments, as only some layouts have them.
target_link_options(unit-core-elf PRIVATE -Wl,-z,max-page-size=65536)

# The portable switch, which no processor at hand would choose by itself.
set(source tests/unit/core/test_switch.c)
if(EXISTS ${PROJECT_SOURCE_DIR}/${source})
  add_executable(unit-core-switch-ucontext ${source} src/core/switch.c)
  target_compile_definitions(unit-core-switch-ucontext PRIVATE EDDY_UCONTEXT)
  target_link_libraries(unit-core-switch-ucontext PRIVATE eddy_flags
    PkgConfig::CMOCKA)
  add_test(NAME unit/core/switch-ucontext COMMAND unit-core-switch-ucontext)
  set_tests_properties(unit/core/switch-ucontext PROPERTIES
    TIMEOUT ${EDDY_TEST_TIMEOUT} ENVIRONMENT "${EDDY_TEST_ENV}")
endif()

# testssl.sh works for half a minute to ask what a sanitizer does not change:
# once is enough, where one watches the server.
file(GLOB EDDY_INTEROP CONFIGURE_DEPENDS tests/interop/*.sh)
if(NOT EDDY_SANITIZE)
  list(FILTER EDDY_INTEROP EXCLUDE REGEX "/testssl.sh$")
endif()
foreach(script IN LISTS EDDY_INTEROP)
  get_filename_component(subject ${script} NAME_WE)
  add_test(NAME interop/${subject} COMMAND bash ${script}
    WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set_tests_properties(interop/${subject} PROPERTIES
    TIMEOUT ${EDDY_INTEROP_TIMEOUT} SKIP_RETURN_CODE 77
    ENVIRONMENT "${EDDY_TEST_ENV}")
endforeach()

# A header's meaning does not change under a sanitizer: once is enough.
find_program(EDDY_CXX NAMES g++ c++ clang++)
if(EDDY_CXX AND NOT EDDY_SANITIZE)
  file(GLOB EDDY_HEADERS CONFIGURE_DEPENDS include/eddy/*.h)
  foreach(header IN LISTS EDDY_HEADERS)
    get_filename_component(subject ${header} NAME)
    # Included from a file of one line, as a user would.
    set(alone ${PROJECT_BINARY_DIR}/headers/${subject})
    file(CONFIGURE OUTPUT ${alone}.c CONTENT "#include <eddy/@subject@>\n"
      @ONLY)
    set(flags -fsyntax-only -Wall -Wextra -Werror
      -I ${PROJECT_SOURCE_DIR}/include ${alone}.c)
    add_test(NAME header/${subject}/c
      COMMAND ${CMAKE_C_COMPILER} -x c -std=c17 ${flags})
    add_test(NAME header/${subject}/c++
      COMMAND ${EDDY_CXX} -x c++ -std=c++17 ${flags})
  endforeach()
endif()

# The longest of them, the longest first. What is begun last is waited for alone,
# and in a clean clone ctest does not know yet how long each takes.
set(EDDY_LONGEST
  interop/testssl interop/tls_programs interop/tls_crowd interop/feed
  interop/serve_edges interop/waits interop/ws_abuse interop/serve
  interop/serve_system interop/demo interop/blocked interop/tls_browser
  interop/slow interop/tls_fetch python/stubs python/process
  interop/tls_failures python/servers fault/tls interop/tls_openssl
  interop/wsgi_life unit/app/room unit/ws/ws_connect)

# Those of the long ones that use less than a third of a processor.
set(EDDY_WAITING
  interop/feed interop/serve_edges interop/ws_abuse interop/slow interop/demo
  interop/tls_browser interop/patch interop/tls_server interop/tls_failures
  interop/top interop/completion interop/tls_openssl interop/admission
  interop/tutorial interop/dashboard unit/serve/admin unit/serve/admin_live
  unit/pg/pool unit/redis/cluster unit/redis/pubsub unit/support/servers
  fault/postgres)

# Of what `ctest -j` says there is a test takes two, and one that waits takes
# one, so that two of these run in the place of another.
function(eddy_plan_tests)
  get_property(names DIRECTORY PROPERTY TESTS)
  set_tests_properties(${names} PROPERTIES PROCESSORS 2)
  list(LENGTH EDDY_LONGEST cost)
  foreach(name IN LISTS EDDY_LONGEST)
    if(TEST ${name})
      set_tests_properties(${name} PROPERTIES COST ${cost})
    endif()
    math(EXPR cost "${cost} - 1")
  endforeach()
  foreach(name IN LISTS EDDY_WAITING)
    if(TEST ${name})
      set_tests_properties(${name} PROPERTIES PROCESSORS 1)
    endif()
  endforeach()
endfunction()
