# Sourced by the scripts beside it: where the tree is, and how to say and build things.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() { printf '== %s\n' "$*"; }
die() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 2
}

# Jobs that the cores and the free memory (1 GiB each) allow.
jobs() {
  local cores memory
  cores=$(nproc)
  memory=$(awk '/^MemAvailable:/ { print int($2 / 1048576) }' /proc/meminfo)
  ((memory < 1)) && memory=1
  echo $((cores < memory ? cores : memory))
}

# configure PRESET [CMAKE OPTION...]: writes build/PRESET; ccache serves where it is installed.
configure() {
  local preset=$1
  shift
  local options=("$@")
  if command -v ccache >/dev/null; then
    options+=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
  fi
  cmake --preset "$preset" "${options[@]}"
}

# build FOLDER [TARGET...]: builds everything, or these targets.
build() {
  local folder=$1
  shift
  cmake --build "$folder" --parallel "$(jobs)" ${1:+--target "$@"}
}
