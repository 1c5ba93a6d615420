# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Kernels for tests/vm/run, out of Debian's packages and ready to boot, in the cache:
#   vmlinux, initramfs, modules/RELEASE     a kernel for qemu; package: the name and version it comes from
#   linux, initramfs                        a user-mode Linux, built here from Debian's source
# A kernel appears in the cache when it is complete: it is made beside and renamed.

# Of tests/vm/run: $here (this folder), $work (in the cache, removed at the end), $child and $ending (whom
# to end, and how, when this script ends), say and die.
# shellcheck disable=SC2154

# Bumped when what stands in the cache changes its shape; the old one is then made anew.
# shellcheck disable=SC2034 # used by tests/vm/run
cache_layout=1

# Releases of Debian that have a kernel, for a host whose own release has another.
suites_of() {
  case $1 in
    6.1) echo bookworm bookworm-security ;;
    6.12) echo trixie trixie-security ;;
  esac
}

# newest PATTERN: the newest package that apt knows by such a name (an extended regular expression).
newest() {
  apt-cache "${apt_options[@]}" pkgnames linux- | grep -Ex "$1" | sort -V | tail -n 1 || true
}

# An apt of its own (lists, cache, sources), of the host's mirrors and keys: the host's stays as it is.
private_apt() {
  local kernel=$1 state=$2 keys=/usr/share/keyrings/debian-archive-keyring.gpg suite mirrors own site
  mkdir -p "$state/lists/partial" "$state/cache/archives/partial" "$state/conf"
  # shellcheck source=/dev/null
  . /etc/os-release
  # Not the parts with hooks, which would work on the host's; the others may hold its proxy.
  grep -sL 'Invoke' /etc/apt/apt.conf.d/* | while read -r part; do
    cp "$part" "$state/conf/"
  done
  mirrors=$(apt-get --print-uris update | sed -n "s/^'\([^']*\)'.*/\1/p")
  for suite in $(suites_of "$kernel"); do
    own="(${VERSION_CODENAME-}|stable|oldstable)"
    [[ $suite != *-security ]] || own+=-security
    site=$(sed -nE "s,/dists/$own/InRelease\$,,p" <<<"$mirrors" | head -n 1)
    [[ -z $site ]] || echo "deb [signed-by=$keys] $site $suite main"
  done >"$state/sources.list"
  [[ -s $state/sources.list ]] || die "apt's sources name no mirror of Debian ${VERSION_CODENAME-}"
  printf 'Dir::Etc::Parts "%s";\n' "$state/conf" >"$state/apt.conf"
  export APT_CONFIG=$state/apt.conf
  apt_options+=(-o "Dir::Etc::SourceList=$state/sources.list" -o Dir::Etc::SourceParts=/dev/null
    -o "Dir::State::Lists=$state/lists" -o "Dir::Cache=$state/cache" -o Acquire::Languages=none)
  say "asking $(suites_of "$kernel" | tr ' ' ',') for Linux $kernel, in an apt of its own"
  apt-get "${apt_options[@]}" -qq update
}

# fetch_package KERNEL PATTERN FOLDER: downloads the newest package of such a name, checked by apt's own
# signatures, and says what it took: NAME VERSION.
fetch_package() {
  local kernel=$1 pattern=$2 folder=$3 name
  local -a apt_options=(-o APT::Sandbox::User=root)
  mkdir -p "$folder"
  name=$(newest "$pattern")
  if [[ -z $name ]] || ! (cd "$folder" && apt-get "${apt_options[@]}" -qq download "$name") 2>/dev/null; then
    if [[ -z $(suites_of "$kernel") ]]; then
      die "apt knows no package of Linux $kernel: see what 'apt-cache search linux-image' offers"
    fi
    private_apt "$kernel" "$folder/apt" || die "apt cannot reach a Debian with Linux $kernel (its words are above)"
    name=$(newest "$pattern")
    [[ -n $name ]] || die "no package of Linux $kernel, neither in this host's sources nor in $(suites_of "$kernel")"
    (cd "$folder" && apt-get "${apt_options[@]}" -qq download "$name") || die "apt cannot download $name"
    unset APT_CONFIG
  fi
  echo "$name $(dpkg-deb --field "$folder/$name"_*.deb Version)"
}

# number_at FILE OFFSET SIZE: a number of 1 or 4 bytes, in the byte order of this machine (x86, as the
# image's).
number_at() { od -An -v "-tu$3" -j "$2" -N "$3" "$1" | tr -d ' '; }

# The ELF kernel inside a bzImage (Documentation/arch/x86/boot.rst: setup_sects at 0x1f1, payload_offset at
# 0x248, payload_length at 0x24c; the last four bytes are its size): unpacking it in the guest takes
# seconds.
extract_vmlinux() {
  local image=$1 start length magic unpack
  start=$((($(number_at "$image" 497 1) + 1) * 512 + $(number_at "$image" 584 4)))
  length=$(($(number_at "$image" 588 4) - 4))
  magic=$(od -An -v -tx1 -j "$start" -N 4 "$image" | tr -d ' ')
  case $magic in
    fd377a58) unpack='xz -dc' ;;
    28b52ffd) unpack='zstd -dcq' ;;
    1f8b*) unpack='gzip -dc' ;;
    *) die "$image: packed in a way that is not known here ($magic)" ;;
  esac
  dd if="$image" bs=1M iflag=skip_bytes,count_bytes skip="$start" count="$length" status=none | $unpack
}

# An initramfs of busybox and the modules that it takes to reach the host's files; guest-init and its
# settings follow in a second archive, at every start.
make_initramfs() {
  local tree=$1 release=$2 to=$3 module
  mkdir -p "$tree/bin" "$tree/modules" "$tree/dev" "$tree/proc" "$tree/sys"
  cp "$(command -v busybox)" "$tree/bin/busybox"
  for module in sh mount insmod mkdir ln cp uname switch_root; do
    ln -s busybox "$tree/bin/$module"
  done
  : >"$tree/modules/order"
  if [[ -n $release ]]; then
    local base=$4 path name
    for module in virtio_pci 9pnet_virtio 9p overlay; do
      modprobe -d "$base" -S "$release" --show-depends "$module" 2>/dev/null || die "$release has no module $module"
    done | sed -n 's/^insmod \([^ ]*\).*/\1/p' | awk '!seen[$0]++' | while read -r path; do
      name=$(basename "$path")
      case $name in
        *.xz) xz -dc "$path" ;;
        *.zst) zstd -dcq "$path" ;;
        *) cat "$path" ;;
      esac >"$tree/modules/${name%%.*}.ko"
      echo "${name%%.*}.ko" >>"$tree/modules/order"
    done
  fi
  (cd "$tree" && find . | cpio --quiet -o -H newc) >"$to"
}

# complete FROM TO: what is made takes its place, unless someone else was faster.
complete() {
  [[ ! -d $2 ]] || return 0
  mv -T "$1" "$2" 2>/dev/null || [[ -d $2 ]] || die "cannot move $1 to $2"
}

# prepare_debian_kernel KERNEL FOLDER: 6.1 or 6.12, into a folder of the cache.
prepare_debian_kernel() {
  local kernel=$1 to=$2 made=$work/kernel release deb
  say "fetching Debian's Linux $kernel (once)"
  mkdir -p "$made/ready/modules" "$made/files"
  fetch_package "$kernel" "linux-image-${kernel//./\\.}[.][0-9.]+(-[0-9]+)?([+](deb|bpo)[0-9.]+)?-amd64" "$made" \
    >"$made/ready/package"
  deb=$(echo "$made"/*.deb)
  # Without the drivers of devices that the guest does not have.
  dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$made/files" --exclude='*/kernel/sound' \
    --exclude='*/drivers/[!bcnv]*' --exclude='*/drivers/net/wireless' --exclude='*/drivers/net/ethernet'
  release=$(basename "$made"/files/boot/vmlinuz-*)
  release=${release#vmlinuz-}
  [[ -d $made/files/lib ]] || ln -s usr/lib "$made/files/lib"
  depmod -b "$made/files" "$release" 2>/dev/null || die "depmod cannot index the modules of $release"
  extract_vmlinux "$made/files/boot/vmlinuz-$release" >"$made/ready/vmlinux"
  make_initramfs "$made/tree" "$release" "$made/ready/initramfs" "$made/files"
  mv "$made/files/lib/modules/$release" "$made/ready/modules/"
  complete "$made/ready" "$to"
  rm -rf "$made"
}

# make, behind others on this machine, and in the background: so a signal to this script is heeded at once.
run_make() {
  local status=0
  setpriv --pdeathsig TERM nice -n 10 make "$@" </dev/null >"$log" 2>&1 &
  child=$! ending=TERM
  wait "$child" || status=$?
  child='' ending=KILL
  return "$status"
}

# prepare_uml KERNEL FOLDER: user-mode Linux, from Debian's source and uml.config.
prepare_uml() {
  local kernel=$1 to=$2 made=$work/uml log=$work/uml/log source lost
  mkdir -p "$made/ready"
  say "fetching Debian's source of Linux $kernel (once)"
  fetch_package "$kernel" "linux-source-${kernel//./\\.}" "$made" >"$made/ready/package"
  # Half of the files are other architectures', or drivers that this kernel cannot have (their Kconfig is
  # asked for).
  dpkg-deb --fsys-tarfile "$made"/*.deb | tar -xO --wildcards '*.tar.xz' | xz -dc |
    tar -x -C "$made" --exclude='*/Documentation/*/*' --exclude='*/arch/[!ux]*/*.[chS]' --exclude='*/dts' \
      --exclude='*/tools/testing' --exclude='*/sound/*.[ch]' \
      --exclude='*/drivers/'{gpu,media,infiniband,scsi,staging,iio,usb,net/ethernet,net/wireless}'/*.[ch]'
  source=$made/linux-source-$kernel
  say "building user-mode Linux $kernel (once; 7 minutes on 2 CPUs)"
  run_make -C "$source" ARCH=um KCONFIG_ALLCONFIG="$here/uml.config" allnoconfig ||
    { tail -n 20 "$log" >&2 && die "cannot configure user-mode Linux (the words are above)"; }
  lost=$(grep '^CONFIG' "$here/uml.config" | grep -vxFf "$source/.config" || true)
  [[ -z $lost ]] || die "Linux $kernel does not take these of uml.config: $lost"
  run_make -C "$source" ARCH=um -j "$(nproc)" linux ||
    { tail -n 20 "$log" >&2 && die "cannot build user-mode Linux (the words are above)"; }
  strip -o "$made/ready/linux" "$source/linux"
  make_initramfs "$made/tree" '' "$made/ready/initramfs"
  complete "$made/ready" "$to"
  rm -rf "$made"
}
