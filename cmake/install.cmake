# What a package holds: headers, both libraries, the command, manual pages,
# eddy.pc and the CMake package Eddy (targets Eddy::eddy, Eddy::eddy_static).
#
# A second eddy.pc, left in the build directory, lets programs be built against
# a tree that was never installed: PKG_CONFIG_PATH=build/release.

include(CMakePackageConfigHelpers)

set(EDDY_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/Eddy)

file(GLOB EDDY_PUBLIC CONFIGURE_DEPENDS include/eddy/*.h include/eddy/*.def)
install(FILES ${EDDY_PUBLIC} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/eddy)

set_target_properties(eddy_shared PROPERTIES EXPORT_NAME eddy)
install(TARGETS eddy_shared eddy_static eddy_patch EXPORT EddyTargets
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT EddyTargets NAMESPACE Eddy:: DESTINATION ${EDDY_CMAKE_DIR})
if(TARGET eddy)
  install(TARGETS eddy RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()

if(TARGET eddy_wsgi)
  install(TARGETS eddy_wsgi LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/eddy)
endif()

foreach(section 1 3 5 7)
  file(GLOB pages CONFIGURE_DEPENDS docs/man/*.${section})
  if(pages)
    install(FILES ${pages} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
  endif()
endforeach()

# Where the shells look for it.
set(completion packaging/completion)
install(FILES ${completion}/eddy.bash RENAME eddy
  DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES ${completion}/_eddy
  DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
install(FILES ${completion}/eddy.fish
  DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)

configure_package_config_file(cmake/EddyConfig.cmake.in
  ${PROJECT_BINARY_DIR}/cmake/EddyConfig.cmake
  INSTALL_DESTINATION ${EDDY_CMAKE_DIR})
# Before 1.0 a minor version may break what the one before it offered.
write_basic_package_version_file(
  ${PROJECT_BINARY_DIR}/cmake/EddyConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/cmake/EddyConfig.cmake
  ${PROJECT_BINARY_DIR}/cmake/EddyConfigVersion.cmake
  DESTINATION ${EDDY_CMAKE_DIR})

# In the tree: absolute places, and a run path, so that what is built runs.
set(EDDY_PC_PREFIX ${PROJECT_SOURCE_DIR})
set(EDDY_PC_INCLUDEDIR ${PROJECT_SOURCE_DIR}/include)
set(EDDY_PC_LIBDIR ${PROJECT_BINARY_DIR})
set(EDDY_PC_RUNPATH " -Wl,-rpath,\${libdir}")
configure_file(cmake/eddy.pc.in ${PROJECT_BINARY_DIR}/eddy.pc @ONLY)

# Installed: the prefix is found from where the file lies, so it may be moved.
file(RELATIVE_PATH up /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" up ${up})
set(EDDY_PC_PREFIX "\${pcfiledir}/${up}")
set(EDDY_PC_INCLUDEDIR "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
set(EDDY_PC_LIBDIR "\${prefix}/${CMAKE_INSTALL_LIBDIR}")
set(EDDY_PC_RUNPATH "")
configure_file(cmake/eddy.pc.in ${PROJECT_BINARY_DIR}/cmake/eddy.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/cmake/eddy.pc
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
