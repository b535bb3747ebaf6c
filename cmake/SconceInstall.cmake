# cmake --install: the programs, their manual and completions, the layers' libraries and headers, and what
# find_package(sconce) needs.
include(CMakePackageConfigHelpers)

get_property(layers GLOBAL PROPERTY SCONCE_LAYERS)
list(TRANSFORM layers PREPEND sconce_ OUTPUT_VARIABLE libraries)
set(programs sconce)
if(SCONCE_NN)
  list(APPEND libraries sconce_dnnl)
  list(APPEND programs sconce-nn)
  install(FILES ${PROJECT_SOURCE_DIR}/include/sconce/sconce.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/sconce)
endif()
set(package ${CMAKE_INSTALL_LIBDIR}/cmake/sconce)
install(TARGETS ${programs})
install(TARGETS ${libraries} EXPORT sconceTargets)
install(EXPORT sconceTargets NAMESPACE sconce:: DESTINATION ${package})
foreach(layer ${layers})
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/sconce/${layer} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/sconce)
endforeach()

configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/sconceConfig.cmake.in
                              ${PROJECT_BINARY_DIR}/sconceConfig.cmake INSTALL_DESTINATION ${package})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/sconceConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/sconceConfig.cmake ${PROJECT_BINARY_DIR}/sconceConfigVersion.cmake
        DESTINATION ${package})

install(FILES ${PROJECT_SOURCE_DIR}/docs/man/sconce.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

# The program itself knows what it takes; where it cannot be run its completions are left out.
if(NOT CMAKE_CROSSCOMPILING)
  set(folder ${PROJECT_BINARY_DIR}/completions)
  file(MAKE_DIRECTORY ${folder})
  foreach(shell bash zsh fish)
    add_custom_command(
      OUTPUT ${folder}/sconce.${shell}
      COMMAND sconce completion ${shell} > ${folder}/sconce.${shell}
      DEPENDS sconce
      VERBATIM)
    list(APPEND completions ${folder}/sconce.${shell})
  endforeach()
  add_custom_target(completions ALL DEPENDS ${completions})
  install(FILES ${folder}/sconce.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME sconce)
  install(FILES ${folder}/sconce.zsh DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions RENAME _sconce)
  install(FILES ${folder}/sconce.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
endif()
