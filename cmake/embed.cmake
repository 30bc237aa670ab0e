# Files that travel inside the command: the page of `eddy demo`, and the docs it
# links to. Makes a C table of them, struct demo_file of src/cli/demo.h, when the
# build is configured, and has it configured again when one of them changes.
#
# The page is sent as it is but for
#
#     <!-- quote: FILE#REGION -->
#
# which becomes what stands between [REGION] and [/REGION] in that file, so that
# the code it shows is the code that runs.

# Sets OUT to the text of a region, fit for HTML.
function(eddy_quote file region out)
  file(READ ${PROJECT_SOURCE_DIR}/${file} text)
  set(first "/* [${region}] */\n")
  string(FIND "${text}" "${first}" begin)
  string(FIND "${text}" "/* [/${region}] */" end)
  if(begin LESS 0 OR end LESS begin)
    message(FATAL_ERROR "${file} does not mark [${region}] ... [/${region}]")
  endif()
  string(LENGTH "${first}" skip)
  math(EXPR begin "${begin} + ${skip}")
  math(EXPR length "${end} - ${begin}")
  string(SUBSTRING "${text}" ${begin} ${length} text)
  string(STRIP "${text}" text)
  string(REPLACE "&" "&amp;" text "${text}")
  string(REPLACE "<" "&lt;" text "${text}")
  string(REPLACE ">" "&gt;" text "${text}")
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
    ${PROJECT_SOURCE_DIR}/${file})
  set(${out} "${text}" PARENT_SCOPE)
endfunction()

# Writes PAGE with its quotes filled in to RESULT, and sets LINKS to the places
# in docs/ it links to.
function(eddy_make_page page result links)
  file(READ ${page} text)
  string(REGEX MATCHALL "<!-- quote: [^ ]+ -->" quotes "${text}")
  foreach(quote IN LISTS quotes)
    string(REGEX MATCH "quote: ([^#]+)#([a-z-]+) " unused "${quote}")
    eddy_quote(${CMAKE_MATCH_1} ${CMAKE_MATCH_2} code)
    string(REPLACE "${quote}" "${code}" text "${text}")
  endforeach()
  file(WRITE ${result} "${text}")

  string(REGEX MATCHALL "href=\"/docs/[^\"#]+" found "${text}")
  list(TRANSFORM found REPLACE "href=\"/" "")
  list(REMOVE_DUPLICATES found)
  set(${links} ${found} PARENT_SCOPE)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${page})
endfunction()

# Appends a row of the table to EDDY_ROWS, and its bytes to EDDY_ARRAYS.
macro(eddy_embed path type file)
  string(MAKE_C_IDENTIFIER "file${path}" name)
  file(READ ${file} hex HEX)
  string(REGEX REPLACE "(................................)" "\\1\n" hex "${hex}")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," hex "${hex}")
  string(APPEND EDDY_ARRAYS "static const unsigned char ${name}[] = {\n${hex}};\n")
  string(APPEND EDDY_ROWS
    "    {\"${path}\", \"${type}\", ${name}, sizeof ${name}},\n")
endmacro()

function(eddy_demo_files result)
  set(page ${PROJECT_BINARY_DIR}/demo.html)
  eddy_make_page(${PROJECT_SOURCE_DIR}/src/cli/demo.html ${page} links)
  eddy_embed(/ "text/html; charset=utf-8" ${page})
  foreach(link IN LISTS links)
    eddy_embed(/${link} "text/plain; charset=utf-8" ${PROJECT_SOURCE_DIR}/${link})
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
      ${PROJECT_SOURCE_DIR}/${link})
  endforeach()
  # Written only when it differs, so that nothing is compiled in vain.
  file(CONFIGURE OUTPUT ${result} @ONLY CONTENT
"/* demo_files.c - made from src/cli/demo.html and docs/ by cmake/embed.cmake. */
#include \"cli/demo.h\"

@EDDY_ARRAYS@
const struct demo_file demo_files[] = {
@EDDY_ROWS@    {0},
};
")
endfunction()

# The page of an example: RESULT becomes a C file that defines EXAMPLE_page, the
# bytes of PAGE, and EXAMPLE_page_len.
function(eddy_example_page example page result)
  eddy_embed(/${example} "" ${page})
  string(REPLACE "static const unsigned char ${name}["
    "const unsigned char ${example}_page[" EDDY_ARRAYS "${EDDY_ARRAYS}")
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${page})
  cmake_path(GET page FILENAME file)
  file(CONFIGURE OUTPUT ${result} @ONLY CONTENT
"/* Made from ${file} by cmake/embed.cmake. */
#include \"page.h\"

@EDDY_ARRAYS@
const size_t ${example}_page_len = sizeof ${example}_page;
")
endfunction()
