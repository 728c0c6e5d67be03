#[=[
FindAssetgen
------------
Finds the `assetgen` command, and makes a game's music a part of its build:

    execute_process(COMMAND assetgen cmake-dir OUTPUT_VARIABLE dir OUTPUT_STRIP_TRAILING_WHITESPACE)
    list(APPEND CMAKE_MODULE_PATH "${dir}")
    find_package(Assetgen REQUIRED)
    assetgen_add_music(music MANIFEST assets.toml)
    add_dependencies(game music)

assetgen_add_music(<target> [MANIFEST <file>] [SLOTS <slot>...] [OUTPUT_DIR <folder>] [OPTIONS <option>...] [NOT_ALL])

    MANIFEST    default: assets.toml, beside the CMakeLists.txt
    SLOTS       only these; default: all
    OUTPUT_DIR  the files are copied there too, such as beside the game's program
    OPTIONS     for `assetgen build`, such as --jobs 2
    NOT_ALL     not a part of the default target

The target's property ASSETGEN_FILES lists the files in the asset tree, or in OUTPUT_DIR where that is given.
A change of the manifest configures anew, so that slots may come and go; what is made again is up to `assetgen`.
#]=]

cmake_policy(PUSH)
cmake_policy(VERSION 3.21...4.0)

find_program(Assetgen_EXECUTABLE NAMES assetgen DOC "The assetgen command")
mark_as_advanced(Assetgen_EXECUTABLE)
if(Assetgen_EXECUTABLE)
  execute_process(COMMAND "${Assetgen_EXECUTABLE}" --version OUTPUT_VARIABLE Assetgen_VERSION OUTPUT_STRIP_TRAILING_WHITESPACE)
  string(REGEX REPLACE "^assetgen " "" Assetgen_VERSION "${Assetgen_VERSION}")
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Assetgen REQUIRED_VARS Assetgen_EXECUTABLE VERSION_VAR Assetgen_VERSION)

function(_assetgen_strings out json)
  set(found "")
  string(JSON count LENGTH "${json}" ${ARGN})
  if(count GREATER 0)
    math(EXPR last "${count} - 1")
    foreach(index RANGE ${last})
      string(JSON one GET "${json}" ${ARGN} ${index})
      list(APPEND found "${one}")
    endforeach()
  endif()
  set(${out} "${found}" PARENT_SCOPE)
endfunction()

function(assetgen_add_music target)
  cmake_policy(SET CMP0116 NEW)
  cmake_parse_arguments(PARSE_ARGV 1 arg "NOT_ALL" "MANIFEST;OUTPUT_DIR" "SLOTS;OPTIONS")
  if(arg_UNPARSED_ARGUMENTS OR arg_KEYWORDS_MISSING_VALUES)
    message(FATAL_ERROR "assetgen_add_music: don't know what to do with: ${arg_UNPARSED_ARGUMENTS} ${arg_KEYWORDS_MISSING_VALUES}")
  endif()
  if(NOT arg_MANIFEST)
    set(arg_MANIFEST assets.toml)
  endif()
  get_filename_component(manifest "${arg_MANIFEST}" ABSOLUTE BASE_DIR "${CMAKE_CURRENT_SOURCE_DIR}")
  get_filename_component(root "${manifest}" DIRECTORY)
  get_filename_component(name "${manifest}" NAME)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${manifest}")
  set(command "${Assetgen_EXECUTABLE}" -C "${root}" --manifest "${name}")

  execute_process(COMMAND ${command} list --json ${arg_SLOTS}
    OUTPUT_VARIABLE listed ERROR_VARIABLE trouble RESULT_VARIABLE code)
  if(NOT code EQUAL 0)
    message(FATAL_ERROR "assetgen can't read ${manifest}:\n${trouble}")
  endif()
  string(JSON tree GET "${listed}" tree)
  _assetgen_strings(needs "${listed}" needs)
  set(paths "")
  string(JSON slots LENGTH "${listed}" slots)
  if(slots GREATER 0)
    math(EXPR last "${slots} - 1")
    foreach(index RANGE ${last})
      _assetgen_strings(some "${listed}" slots ${index} paths)
      list(APPEND paths ${some})
    endforeach()
  endif()
  set(files ${paths})
  list(TRANSFORM files PREPEND "${tree}/")

  set(work "${CMAKE_CURRENT_BINARY_DIR}/${target}.assetgen")
  file(MAKE_DIRECTORY "${work}")
  set(copy "")
  set(copies "")
  if(arg_OUTPUT_DIR)
    get_filename_component(folder "${arg_OUTPUT_DIR}" ABSOLUTE BASE_DIR "${CMAKE_CURRENT_BINARY_DIR}")
    set(script "cmake_policy(VERSION 3.21)\n")
    foreach(path IN LISTS paths)
      get_filename_component(parent "${folder}/${path}" DIRECTORY)
      string(APPEND script "file(MAKE_DIRECTORY [==[${parent}]==])\n"
        "file(COPY_FILE [==[${tree}/${path}]==] [==[${folder}/${path}]==] ONLY_IF_DIFFERENT)\n")
      list(APPEND copies "${folder}/${path}")
    endforeach()
    file(CONFIGURE OUTPUT "${work}/copy.cmake" CONTENT "${script}" @ONLY)
    set(copy COMMAND "${CMAKE_COMMAND}" -P "${work}/copy.cmake")
  endif()

  add_custom_command(
    OUTPUT "${work}/built"
    BYPRODUCTS ${files} ${copies}
    COMMAND ${command} build ${arg_SLOTS} ${arg_OPTIONS} --depfile "${work}/built.d" --depfile-target "${work}/built"
    ${copy}
    COMMAND "${CMAKE_COMMAND}" -E touch "${work}/built"
    DEPENDS "${manifest}" ${needs}
    DEPFILE "${work}/built.d"
    COMMENT "Music of ${name}"
    VERBATIM)
  set(all ALL)
  if(arg_NOT_ALL)
    set(all "")
  endif()
  add_custom_target(${target} ${all} DEPENDS "${work}/built")
  if(copies)
    set_target_properties(${target} PROPERTIES ASSETGEN_FILES "${copies}")
  else()
    set_target_properties(${target} PROPERTIES ASSETGEN_FILES "${files}")
  endif()
endfunction()

cmake_policy(POP)
