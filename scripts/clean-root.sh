# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
# For scripts that try or build in a Debian that has nothing but the base system and what is asked for. The
# roots are folders of a tmpfs in a mount namespace of the script's own: they end with it, however that ends.
# Debian's packages come from where this machine's apt has them from, and are kept for the next time, in
# svcbench/debs of $XDG_CACHE_HOME or ~/.cache.

# clean_roots NAME SIZE PROGRAM...: sees that the script NAME can make roots; WORK is where.
clean_roots() {
  local name=$1 size=$2 program
  shift 2
  CLEAN_ROOTS_FOR=$name
  die() {
    echo "$CLEAN_ROOTS_FOR: $*" >&2
    exit 1
  }
  [ "$(id -u)" -eq 0 ] || die "must run as root: it mounts a file system and enters it"
  for program in debootstrap unshare "$@"; do
    command -v "$program" >/dev/null || die "$program is not installed (scripts/install-deps --dev)"
  done
  WORK=$(mktemp -d)
  # The mounts in it are this namespace's alone; without them the folder is empty.
  # shellcheck disable=SC2317  # by the trap
  cleanup() {
    umount -R --lazy "$WORK" 2>/dev/null || :
    rmdir "$WORK"
  }
  trap cleanup EXIT
  trap 'exit 130' INT TERM HUP
  # shellcheck disable=SC2064  # the name of now
  trap "echo '$name: failed at line '\$LINENO >&2" ERR
  mount -t tmpfs -o "size=$size,mode=755" tmpfs "$WORK"
}

# clean_root FOLDER RELEASE [PACKAGE,...]: makes one.
clean_root() {
  local folder=$1 release=$2 include=${3:+--include=$3} site debs
  # shellcheck disable=SC2016  # apt-get's own variables
  site=$(apt-get indextargets --format '$(SITE) $(COMPONENT)' 'Created-By: Packages' |
    awk '$1 ~ /\/debian\/?$/ && $2 == "main" { print $1; exit }')
  [ -n "$site" ] || die "apt has no source of Debian's main component"
  debs=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/svcbench/debs
  mkdir -p "$debs" "$folder"
  # shellcheck disable=SC2086  # one word, or none
  debootstrap --variant=minbase --cache-dir="$debs" $include "$release" "$folder" "$site" \
    >"$WORK/debootstrap.log" 2>&1 || {
    tail -n 20 "$WORK/debootstrap.log" >&2
    die "debootstrap failed"
  }
  echo "a root of $release, $(du -sxm "$folder" | cut -f1) MB, after ${SECONDS} s"
  mount -t proc proc "$folder/proc"
  mount --rbind /sys "$folder/sys"
  mount --bind /dev "$folder/dev"
}

# inside FOLDER COMMAND...
inside() {
  local folder=$1
  shift
  chroot "$folder" env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C DEBIAN_FRONTEND=noninteractive "$@"
}

# names_asked_for PACKAGE-FILE: what it depends on and recommends; names alone, the first of alternatives.
names_asked_for() {
  dpkg-deb --field "$1" Depends Recommends | sed 's/^[A-Za-z]*: //' | tr ',' '\n' |
    sed 's/|.*//; s/(.*//; s/[[:space:]]//g' | paste -sd,
}

# A short run of the program in the root FOLDER, where the machine lets it: it must end with a verdict.
try_run() {
  local folder=$1 program=$2 status=0
  inside "$folder" "$program" probe >"$WORK/probe" || :
  if ! grep -q '^yes  privileges' "$WORK/probe"; then
    echo "svcbench ebpf: not tried, for svcbench probe tells of no privileges"
    return 0
  fi
  inside "$folder" "$program" ebpf --services 20 --rounds 3 --budget 5 --quiet --json /tmp/run.json \
    >"$WORK/ebpf.log" 2>&1 || status=$?
  case $status in
    0 | 3 | 4) echo "svcbench ebpf: exit code $status, a verdict, after ${SECONDS} s" ;;
    *)
      tail -n 20 "$WORK/ebpf.log" >&2
      die "svcbench ebpf failed in the clean root: exit code $status"
      ;;
  esac
  [ -s "$folder/tmp/run.json" ] || die "svcbench ebpf wrote no result"
}

# try_package FOLDER PACKAGE-FILE: installs, looks, runs and removes it in a root that has what it asks for.
try_package() {
  local folder=$1 file
  cp "$2" "$folder/svcbench.deb"
  # Had it asked for a package that debootstrap does not know, there would be no root; for too little, dpkg would
  # take it and the program not start.
  inside "$folder" dpkg --install /svcbench.deb >"$WORK/dpkg.log" 2>&1 || {
    cat "$WORK/dpkg.log" >&2
    die "dpkg does not install the package"
  }
  inside "$folder" svcbench --version
  inside "$folder" svcbench list | grep '^  ebpf-xdp '
  inside "$folder" man svcbench >"$WORK/man"
  grep -q 'svcbench ebpf' "$WORK/man"
  inside "$folder" bash -c '. /usr/share/bash-completion/completions/svcbench && complete -p svcbench'
  for file in zsh/vendor-completions/_svcbench fish/vendor_completions.d/svcbench.fish \
    svcbench/schemas/run.schema.json doc/svcbench/copyright; do
    [ -s "$folder/usr/share/$file" ] || die "the package has no /usr/share/$file"
  done
  try_run "$folder" svcbench
  inside "$folder" dpkg --purge svcbench >/dev/null
  if inside "$folder" sh -c 'command -v svcbench'; then
    die "the package was removed, and svcbench is still there"
  fi
}
