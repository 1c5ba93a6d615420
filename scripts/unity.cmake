# Sources that are compiled together: the compiler reads headers, and instantiates their templates, once a unit.

# names_of(SOURCE OUT): what SOURCE declares at the start of a line, as clang-format leaves what is in a namespace.
function(names_of source out)
  file(READ "${source}" text)
  string(REPLACE "[" "(" text "${text}")  # an open bracket would join elements of a list
  string(REGEX MATCHALL "\n[A-Za-z_][A-Za-z0-9_:<>,*& ]*[({=]" heads "${text}")
  list(FILTER heads EXCLUDE REGEX "^\nnamespace ")
  set(names)
  foreach(head IN LISTS heads)
    if(head MATCHES "^\n(struct|class|enum class|enum|union) ([A-Za-z0-9_]+)")
      list(APPEND names "${CMAKE_MATCH_2}")
    elseif(head MATCHES "(^\n|[^:A-Za-z0-9_])([A-Za-z0-9_]+) *[({=]$")
      list(APPEND names "${CMAKE_MATCH_2}")
    endif()
  endforeach()
  set(${out} "${names}" PARENT_SCOPE)
endfunction()

# unity_groups(NAME LINES OVERLOADED SOURCE...)
#
# Puts the sources into groups of at most LINES lines, NAME1, NAME2, ..., for a target with UNITY_BUILD_MODE GROUP.
# Two that give one name to anything never share a group, so that what is in an anonymous namespace stays as private
# as it looks. OVERLOADED is a regular expression of names that may meet: an alias that says the same, functions
# that are told apart by private types.
function(unity_groups name most overloaded)
  set(count 0)
  foreach(source IN LISTS ARGN)
    file(READ "${source}" text)
    string(REGEX REPLACE "[^\n]" "" lines "${text}")
    string(LENGTH "${lines}" lines)
    names_of("${source}" names)
    list(FILTER names EXCLUDE REGEX "^(${overloaded})$")

    # The first group that has room for it, and none of its names.
    set(group 0)
    set(met TRUE)
    while(met)
      math(EXPR group "${group} + 1")
      if(group GREATER count)
        set(count ${group})
        set(lines_${group} ${lines})
        set(names_${group} ${names})
        break()
      endif()
      math(EXPR sum "${lines_${group}} + ${lines}")
      set(met FALSE)
      if(sum GREATER most)
        set(met TRUE)
      endif()
      foreach(one IN LISTS names)
        if(one IN_LIST names_${group})
          set(met TRUE)
        endif()
      endforeach()
      if(NOT met)
        set(lines_${group} ${sum})
        list(APPEND names_${group} ${names})
      endif()
    endwhile()
    set_source_files_properties("${source}" PROPERTIES UNITY_GROUP "${name}${group}")
  endforeach()
endfunction()
