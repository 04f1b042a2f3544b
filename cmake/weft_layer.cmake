# One object library per layer of the runtime.
#
#   weft_layer(sched FILES run_queue.h run_queue.cc worker.h worker.cc)
#
# declares the layer `sched`, target weft_sched, from files of the calling folder. It may use the layers that were
# declared before it and nothing else; tests/text checks the includes against runtime/LAYERS. A layer whose list
# holds no .cc file is fine.

# Declares a layer; call it from runtime/<name>/CMakeLists.txt.
function(weft_layer name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "FILES")
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "weft_layer(${name}): write FILES before ${arg_UNPARSED_ARGUMENTS}")
  endif()

  get_property(lower GLOBAL PROPERTY weft_layers)
  set_property(GLOBAL APPEND PROPERTY weft_layers weft_${name})

  set(sources ${arg_FILES})
  list(FILTER sources INCLUDE REGEX "\\.cc$")
  if(NOT sources)
    add_library(weft_${name} INTERFACE)
    target_link_libraries(weft_${name} INTERFACE ${lower})
    return()
  endif()

  add_library(weft_${name} OBJECT ${arg_FILES})
  set_target_properties(weft_${name} PROPERTIES POSITION_INDEPENDENT_CODE ON)
  target_include_directories(weft_${name} PRIVATE "${PROJECT_SOURCE_DIR}/include" "${PROJECT_SOURCE_DIR}/runtime")
  target_link_libraries(weft_${name} PRIVATE weft_settings ${lower} ${weft_public_libs} ${weft_private_libs})
endfunction()

# Puts the objects of every declared layer into `target`.
function(weft_add_layers target)
  get_property(layers GLOBAL PROPERTY weft_layers)
  set(found FALSE)
  foreach(layer IN LISTS layers)
    get_target_property(type ${layer} TYPE)
    if(type STREQUAL "OBJECT_LIBRARY")
      target_sources(${target} PRIVATE $<TARGET_OBJECTS:${layer}>)
      set(found TRUE)
    endif()
  endforeach()
  if(NOT found)
    message(FATAL_ERROR "no layer under runtime/ lists a .cc file")
  endif()
  set_target_properties(${target} PROPERTIES LINKER_LANGUAGE CXX)
endfunction()
