# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=sh
# For scripts that make people wait: says every so often how far it is.

# seconds_text SECONDS: "40 s", "2 min 05 s".
seconds_text() {
  if [ "$1" -lt 60 ]; then
    echo "$1 s"
  else
    printf '%d min %02d s\n' "$(($1 / 60))" "$(($1 % 60))"
  fi
}

# tell STATE: until it is killed; STATE is a command that prints a line when it is given the seconds that have gone.
# On a terminal the line is replaced each second, elsewhere there is a new one every ten seconds.
tell() {
  gone=0
  while sleep 1 && kill -0 $$ 2>/dev/null; do
    gone=$((gone + 1))
    if [ -t 1 ]; then
      printf '\r\033[K%s' "$("$1" "$gone" | cut -c "1-$((${COLUMNS:-80} - 1))")"
    elif [ "$((gone % 10))" -eq 0 ]; then
      "$1" "$gone"
    fi
  done
}

# watched STATE COMMAND...: runs the command, telling its STATE meanwhile on standard output; returns its status.
watched() {
  state=$1
  shift
  tell "$state" &
  teller=$!
  # Told no more, however this ends. KILL, for a TERM is lost while a new process clears its shell's traps.
  trap 'kill -KILL "$teller" 2>/dev/null || :; exit 130' INT TERM
  status=0
  "$@" || status=$?
  kill -KILL "$teller" 2>/dev/null || :
  wait "$teller" 2>/dev/null || :
  trap 'exit 130' INT TERM
  [ ! -t 1 ] || printf '\r\033[K'
  return "$status"
}
