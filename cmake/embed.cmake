# Files that travel inside programs: the pages of examples, that of the console,
# and, inside the command, those of `eddy demo` and the docs they link to. C is made of them when
# the build is configured, which it is again when one of them changes.
#
# A page of the demo is sent as it is but for
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

# Sets OUT to the bytes of a file, as C has them in an array.
function(eddy_bytes_of file out)
  file(READ ${file} hex HEX)
  string(REGEX REPLACE "(................................)" "\\1\n" hex "${hex}")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," hex "${hex}")
  set(${out} "${hex}" PARENT_SCOPE)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
endfunction()

# Makes a C file of the pages of a directory, such as an example, and sets OUT to
# its path, or to nothing if there are none: examples/feed/page.css becomes
#
#     const struct ed_bytes feed_page_css
function(eddy_embed_pages name directory out)
  file(GLOB pages CONFIGURE_DEPENDS ${directory}/*.html ${directory}/*.css
    ${directory}/*.js)
  set(text)
  foreach(page IN LISTS pages)
    get_filename_component(file ${page} NAME)
    string(MAKE_C_IDENTIFIER "${name}_${file}" symbol)
    eddy_bytes_of(${page} hex)
    string(APPEND text "static const unsigned char ${symbol}_bytes[] = {\n"
      "${hex}};\nextern const struct ed_bytes ${symbol};\n"
      "const struct ed_bytes ${symbol} = {\n"
      "    (const char *)${symbol}_bytes, sizeof ${symbol}_bytes};\n")
  endforeach()
  set(${out} "" PARENT_SCOPE)
  if(pages)
    file(RELATIVE_PATH where ${PROJECT_SOURCE_DIR} ${directory})
    set(result ${PROJECT_BINARY_DIR}/pages/${name}_pages.c)
    file(CONFIGURE OUTPUT ${result} @ONLY CONTENT
"/* ${name}_pages.c - made from the pages of ${where} by
 * cmake/embed.cmake. */
#include <eddy/bytes.h>

@text@")
    set(${out} ${result} PARENT_SCOPE)
  endif()
endfunction()

# Appends a row of the table to EDDY_ROWS, and its bytes to EDDY_ARRAYS.
macro(eddy_embed path type file)
  string(MAKE_C_IDENTIFIER "file${path}" name)
  eddy_bytes_of(${file} hex)
  string(APPEND EDDY_ARRAYS "static const unsigned char ${name}[] = {\n${hex}};\n")
  string(APPEND EDDY_ROWS
    "    {\"${path}\", \"${type}\", ${name}, sizeof ${name}},\n")
endmacro()

# The pages are demo.html, the first one, and demo_X.html for /X; what they share
# is demo_X.css for /X.css, and the same with .js.
function(eddy_demo_files result)
  file(GLOB pages CONFIGURE_DEPENDS src/cli/*.html)
  set(links)
  foreach(page IN LISTS pages)
    get_filename_component(name ${page} NAME_WE)
    string(REGEX REPLACE "^demo_?" "/" path ${name})
    eddy_make_page(${page} ${PROJECT_BINARY_DIR}/${name}.html its_links)
    eddy_embed(${path} "text/html; charset=utf-8"
      ${PROJECT_BINARY_DIR}/${name}.html)
    list(APPEND links ${its_links})
  endforeach()
  foreach(type css javascript)
    string(REPLACE javascript js ending ${type})
    file(GLOB shared CONFIGURE_DEPENDS src/cli/*.${ending})
    foreach(file IN LISTS shared)
      get_filename_component(name ${file} NAME)
      string(REGEX REPLACE "^demo_" "/" path ${name})
      eddy_embed(${path} "text/${type}; charset=utf-8" ${file})
    endforeach()
  endforeach()
  list(REMOVE_DUPLICATES links)
  foreach(link IN LISTS links)
    eddy_embed(/${link} "text/plain; charset=utf-8" ${PROJECT_SOURCE_DIR}/${link})
  endforeach()
  # What the page in Python runs, and shows.
  foreach(view plain gathered)
    eddy_embed(/wsgi/${view}.py "text/plain; charset=utf-8"
      ${PROJECT_SOURCE_DIR}/examples/wsgi/${view}.py)
  endforeach()
  # Written only when it differs, so that nothing is compiled in vain.
  file(CONFIGURE OUTPUT ${result} @ONLY CONTENT
"/* demo_files.c - made from the pages of src/cli and docs by cmake/embed.cmake. */
#include \"cli/demo.h\"

@EDDY_ARRAYS@
const struct demo_file demo_files[] = {
@EDDY_ROWS@    {0},
};
")
endfunction()
