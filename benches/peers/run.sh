#!/usr/bin/env bash
# Builds the peers, times them, and writes docs/benchmarks/. benches/README.md says what it needs.
#
#   benches/peers/run.sh [--python PATH] [--threads N] [other options of the program]
#
# NATIVE=0 leaves the others compiled like bumpgrad, for every CPU of its architecture; by default
# they are compiled for this CPU, as candle's own repository does.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
target=${CARGO_TARGET_DIR:-$here/target}
cargo=${CARGO:-cargo}

# How many CPUs the run is confined to, and whether an interpreter was named.
threads=1 python=()
arguments=("$@")
for ((i = 0; i < $#; i++)); do
    case ${arguments[i]} in
    --threads) threads=${arguments[i + 1]} ;;
    --python) python=(given) ;;
    --list) exec "$cargo" run --quiet --release --locked --manifest-path "$here/Cargo.toml" -- --list ;;
    esac
done
if [ ${#python[@]} -eq 0 ] && command -v python3 >/dev/null; then
    # Without torch and jax it leaves their columns out.
    arguments+=(--python python3)
fi

build() { "$cargo" build --release --locked --manifest-path "$here/Cargo.toml" --target-dir "$1"; }
build "$target"
native=()
if [ "${NATIVE:-1}" != 0 ]; then
    RUSTFLAGS="-C target-cpu=native" build "$target/native"
    native=(--native "$target/native/release/bumpgrad-peers")
fi

# The last CPUs: the first one has most of the interrupts.
confine=()
if command -v taskset >/dev/null; then
    count=$(nproc)
    [ "$threads" -lt "$count" ] && confine=(taskset -c "$((count - threads))-$((count - 1))")
fi
figures=$here/../../docs/benchmarks/peers-$threads.json
mkdir -p "$(dirname "$figures")"
"${confine[@]}" "$target/release/bumpgrad-peers" --output "$figures" "${native[@]}" "${arguments[@]}"
python3 "$here/report.py" "$(dirname "$figures")"/*.json
