# Writes to OUT what PROGRAM prints about itself when it is called with WORDS (a list); a name that ends in
# .gz is compressed, without a time stamp.
string(REGEX REPLACE "\\.gz$" "" PLAIN "${OUT}")
execute_process(COMMAND ${PROGRAM} ${WORDS} OUTPUT_FILE "${PLAIN}" RESULT_VARIABLE FAILED)
if(NOT FAILED AND NOT PLAIN STREQUAL OUT)
  execute_process(COMMAND gzip -9nf "${PLAIN}" RESULT_VARIABLE FAILED)
endif()
if(FAILED)
  file(REMOVE "${PLAIN}")
  message(FATAL_ERROR "${PROGRAM} ${WORDS}: ${FAILED}")
endif()
