# Fuzzers: fuzz/fuzz_X.c becomes build/fuzz/fuzz_X. As a test each one replays
# fuzz/corpus/X and fuzz/regressions/X; ./dev fuzz lets it search.

# What tests use as well, and needs no test framework.
add_library(eddy_fuzz_support OBJECT tests/support/http_handlers.c
  tests/support/memory_stream.c tests/support/certs.c
  tests/support/tls_client.c tests/support/tree.c)
target_include_directories(eddy_fuzz_support PUBLIC tests/support)
target_link_libraries(eddy_fuzz_support PUBLIC eddy_static)

# All of them, and nothing that they do not need.
add_custom_target(fuzzers)

file(GLOB EDDY_FUZZERS CONFIGURE_DEPENDS fuzz/fuzz_*.c)
foreach(source IN LISTS EDDY_FUZZERS)
  get_filename_component(program ${source} NAME_WE)
  string(REGEX REPLACE "^fuzz_" "" subject ${program})
  add_executable(${program} ${source})
  target_link_libraries(${program} PRIVATE eddy_static eddy_fuzz_support)
  target_link_options(${program} PRIVATE -fsanitize=fuzzer)
  add_dependencies(fuzzers ${program})

  set(inputs)
  foreach(kind corpus regressions)
    if(IS_DIRECTORY ${PROJECT_SOURCE_DIR}/fuzz/${kind}/${subject})
      list(APPEND inputs ${PROJECT_SOURCE_DIR}/fuzz/${kind}/${subject})
    endif()
  endforeach()
  # -runs=0 replays directories; without one it tries the empty input only.
  add_test(NAME fuzz/${subject} COMMAND ${program} -runs=0 ${inputs})
  set_tests_properties(fuzz/${subject} PROPERTIES TIMEOUT 120
    ENVIRONMENT "UBSAN_OPTIONS=print_stacktrace=1")
endforeach()
