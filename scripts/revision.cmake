# Writes OUT with the version, the git revision of SOURCE, its date and the compiler of the BPF objects, and
# leaves it alone when nothing changed. The date is SOURCE_DATE_EPOCH's where that is set, else the commit's:
# never today's.
execute_process(COMMAND git -c safe.directory=${SOURCE} -C ${SOURCE} describe --always --dirty --abbrev=12
                OUTPUT_VARIABLE REVISION OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE FAILED)
if(FAILED)
  set(REVISION "unknown")
endif()
if(DEFINED ENV{SOURCE_DATE_EPOCH})
  string(TIMESTAMP DATE "%Y-%m-%d" UTC)
else()
  execute_process(COMMAND git -c safe.directory=${SOURCE} -C ${SOURCE} log -1 --format=%cs
                  OUTPUT_VARIABLE DATE OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
endif()
find_program(CLANG clang)
execute_process(COMMAND ${CLANG} --version OUTPUT_VARIABLE BPF_COMPILER ERROR_QUIET)
string(REGEX REPLACE "\n.*" "" BPF_COMPILER "${BPF_COMPILER}")
set(TEXT "#pragma once\n#define SVCBENCH_VERSION \"${VERSION}\"\n#define SVCBENCH_REVISION \"${REVISION}\"\n#define SVCBENCH_DATE \"${DATE}\"\n#define SVCBENCH_BPF_COMPILER \"${BPF_COMPILER}\"\n")
if(EXISTS ${OUT})
  file(READ ${OUT} OLD)
endif()
if(NOT "${OLD}" STREQUAL "${TEXT}")
  file(WRITE ${OUT} "${TEXT}")
endif()
