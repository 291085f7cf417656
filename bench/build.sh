#!/bin/sh
# Rebuilds the .wasm files beside the C sources of kernels/, calls/ and
# guests/tiny/.
#
# Needs Debian's packages clang-22 and lld-22. Another version works too
# (CLANG=clang-19 bench/build.sh); the checked-in files are clang-22's.
set -eu
cd "$(dirname "$0")"
CLANG=${CLANG:-clang-22}
command -v "$CLANG" >/dev/null || {
	echo "build.sh: $CLANG not found: apt-get install clang-22 lld-22" >&2
	exit 1
}
for src in kernels/*.c calls/*.c guests/tiny/*.c; do
	out=${src%.c}.wasm
	# The features are named one by one, so that a newer compiler's default
	# set does not change the files. Only *_simd may use vectors.
	features="-mbulk-memory -msign-ext -mmutable-globals -mnontrapping-fptoint"
	case $src in *_simd.c) features="$features -msimd128" ;; esac
	# -fno-builtin: a byte loop stays a loop; copies that are meant to be
	# memory.copy say so with __builtin_memmove.
	# shellcheck disable=SC2086
	"$CLANG" --target=wasm32 -nostdlib -ffreestanding -fno-builtin -O2 -Wall -Wextra \
		-mcpu=mvp $features --no-wasm-opt \
		-Wl,--no-entry -Wl,--strip-all -Wl,-z,stack-size=65536 \
		-o "$out" "$src"
	echo "$out $(wc -c <"$out") bytes"
done
# Modules from another version differ a little: the test that compares them with
# their sources asks here first.
"$CLANG" --version | head -n 1 >kernels/compiler.txt
