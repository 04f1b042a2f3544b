# Install rules: library, headers, the CMake package `weft` and the pkg-config file `weft`.
#
# Both descriptions of the package find their own folder at run time, so an installed tree can be moved.
include(CMakePackageConfigHelpers)

set(installed_libraries weft)
if(TARGET weft_counting_allocator)
  list(APPEND installed_libraries weft_counting_allocator)
endif()
install(TARGETS ${installed_libraries} EXPORT weftTargets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
  RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/weft DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
  FILES_MATCHING PATTERN "*.h")

# find_package(weft)
set(config_dir ${CMAKE_INSTALL_LIBDIR}/cmake/weft)
configure_package_config_file(runtime/package/weftConfig.cmake.in ${PROJECT_BINARY_DIR}/weftConfig.cmake
  INSTALL_DESTINATION ${config_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/weftConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)  # before 1.0, each minor version may break the API
install(EXPORT weftTargets NAMESPACE weft:: DESTINATION ${config_dir})
install(FILES ${PROJECT_BINARY_DIR}/weftConfig.cmake ${PROJECT_BINARY_DIR}/weftConfigVersion.cmake
  DESTINATION ${config_dir})

# pkg-config weft. A static library brings its private dependencies to the final link whether or not the user says
# --static, so there they are plain requirements.
list(TRANSFORM WEFT_ABSL_PUBLIC PREPEND absl_ OUTPUT_VARIABLE pc_public)
list(TRANSFORM WEFT_ABSL_PRIVATE PREPEND absl_ OUTPUT_VARIABLE pc_private)
list(APPEND pc_private liburing)
if(BUILD_SHARED_LIBS)
  list(JOIN pc_public ", " WEFT_PC_REQUIRES)
  list(JOIN pc_private ", " WEFT_PC_REQUIRES_PRIVATE)
else()
  list(JOIN pc_public ", " WEFT_PC_REQUIRES)
  list(JOIN pc_private ", " pc_private)
  string(APPEND WEFT_PC_REQUIRES ", ${pc_private}")
  set(WEFT_PC_REQUIRES_PRIVATE "")
endif()

# ${pcfiledir} is the folder of weft.pc; with absolute install folders the tree cannot be moved anyway.
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}" OR IS_ABSOLUTE "${CMAKE_INSTALL_INCLUDEDIR}")
  set(WEFT_PC_PREFIX "${CMAKE_INSTALL_PREFIX}")
  set(WEFT_PC_LIBDIR "${CMAKE_INSTALL_FULL_LIBDIR}")
  set(WEFT_PC_INCLUDEDIR "${CMAKE_INSTALL_FULL_INCLUDEDIR}")
else()
  file(RELATIVE_PATH up "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
  string(REGEX REPLACE "/$" "" up "${up}")
  set(WEFT_PC_PREFIX "\${pcfiledir}/${up}")
  set(WEFT_PC_LIBDIR "\${prefix}/${CMAKE_INSTALL_LIBDIR}")
  set(WEFT_PC_INCLUDEDIR "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
endif()
set(WEFT_PC_DEFINITIONS "")
if(WEFT_COUNT_FRAMES)
  string(APPEND WEFT_PC_DEFINITIONS " -DWEFT_COUNT_FRAMES=1")
endif()
if(NOT WEFT_METRICS)
  string(APPEND WEFT_PC_DEFINITIONS " -DWEFT_METRICS=0")
endif()
configure_file(runtime/package/weft.pc.in ${PROJECT_BINARY_DIR}/weft.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/weft.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# pkg-config weft_counting_allocator: that library comes before weft and the standard library.
if(TARGET weft_counting_allocator)
  configure_file(runtime/package/weft_counting_allocator.pc.in ${PROJECT_BINARY_DIR}/weft_counting_allocator.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/weft_counting_allocator.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endif()
