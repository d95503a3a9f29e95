# Target helpers. Sources are globbed with CONFIGURE_DEPENDS: a new file in a folder needs no edit here.
add_library(ballast_flags INTERFACE)
# g++ 12 at -O3 takes inlined std::string concatenation for an overlapping copy (GCC bug 105651).
target_compile_options(ballast_flags INTERFACE $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-restrict>)
target_compile_options(ballast_flags INTERFACE
  $<$<NOT:$<COMPILE_LANGUAGE:CUDA>>:-Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -ffp-contract=off
  $<$<BOOL:${BALLAST_WERROR}>:-Werror>>)
target_compile_options(ballast_flags INTERFACE $<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-Wall>)
target_include_directories(ballast_flags INTERFACE ${CMAKE_SOURCE_DIR})
if(BALLAST_SANITIZE)
  target_compile_options(ballast_flags INTERFACE
    $<$<NOT:$<COMPILE_LANGUAGE:CUDA>>:-fsanitize=${BALLAST_SANITIZE} -fno-omit-frame-pointer -g>)
  target_link_options(ballast_flags INTERFACE -fsanitize=${BALLAST_SANITIZE})
endif()

# A fuzzer sees, and the sanitizers check, only what is compiled for them: the libraries too. What UBSan reports ends the run.
if(BALLAST_FUZZERS)
  set(BALLAST_FUZZ_FLAGS -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
  target_compile_options(ballast_flags INTERFACE
    $<$<NOT:$<COMPILE_LANGUAGE:CUDA>>:-fsanitize=fuzzer-no-link ${BALLAST_FUZZ_FLAGS} -g>)
  target_link_options(ballast_flags INTERFACE ${BALLAST_FUZZ_FLAGS})
endif()

find_program(BALLAST_CCACHE ccache)
if(BALLAST_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${BALLAST_CCACHE})
  set(CMAKE_CUDA_COMPILER_LAUNCHER ${BALLAST_CCACHE})
endif()

# ballast_library(NAME [LIBS ...]): static library ballast_NAME from libcore/NAME/**.cpp.
function(ballast_library name)
  cmake_parse_arguments(ARG "" "" "LIBS" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/libcore/${name}/*.cpp)
  if(sources)
    add_library(ballast_${name} STATIC ${sources})
    target_link_libraries(ballast_${name} PUBLIC ballast_flags ${ARG_LIBS})
  else()
    add_library(ballast_${name} INTERFACE)
    target_link_libraries(ballast_${name} INTERFACE ballast_flags ${ARG_LIBS})
  endif()
endfunction()

# ballast_tool(NAME [TESTED] [LIBS ...]): binary NAME from tools/NAME/*.cpp, in bin/ of the build tree. TESTED: all but
# main.cpp as a library ballast_NAME too, for tests/unit/NAME.
function(ballast_tool name)
  cmake_parse_arguments(ARG "TESTED" "" "LIBS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tools/${name}/*.cpp)
  if(NOT sources)
    return()
  endif()
  if(ARG_TESTED)
    list(REMOVE_ITEM sources ${CMAKE_SOURCE_DIR}/tools/${name}/main.cpp)
    add_library(ballast_${name} STATIC ${sources})
    target_link_libraries(ballast_${name} PUBLIC ballast_cli ${ARG_LIBS})
    add_executable(${name} ${CMAKE_SOURCE_DIR}/tools/${name}/main.cpp)
    target_link_libraries(${name} PRIVATE ballast_${name})
  else()
    add_executable(${name} ${sources})
    target_link_libraries(${name} PRIVATE ballast_cli ${ARG_LIBS})
  endif()
  set_target_properties(${name} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin
    BUILD_RPATH "$ORIGIN/../lib" INSTALL_RPATH "$ORIGIN/../lib")
  install(TARGETS ${name} RUNTIME DESTINATION bin)
endfunction()

# ballast_plugin(NAME SOURCES ... [LIBS ...]): shared object lib/ballast_NAME.so that open_backend/open_comm load.
function(ballast_plugin name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBS" ${ARGN})
  add_library(ballast_plugin_${name} MODULE ${ARG_SOURCES})
  target_link_libraries(ballast_plugin_${name} PRIVATE ballast_flags ${ARG_LIBS})
  set_target_properties(ballast_plugin_${name} PROPERTIES
    PREFIX "" OUTPUT_NAME ballast_${name}
    LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib)
  install(TARGETS ballast_plugin_${name} LIBRARY DESTINATION lib)
endfunction()
