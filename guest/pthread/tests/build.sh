#!/bin/sh
# Rebuilds the modules of the tests, here, beside their sources:
#
#   guest/pthread/build.sh && guest/pthread/tests/build.sh [name...]
#
# $SPINDLE_PTHREAD names another directory that build.sh was told to use.
set -eu
cd "$(dirname "$0")"
kit=$(cd "${SPINDLE_PTHREAD:-../build}" && pwd)
clang=${CLANG:-clang-22}
for f in ${*:-*.c *.cc}; do
	name=$(basename "$f")
	name=${name%.*}
	echo "$name"
	cfg=$kit/threads.cfg
	case $name in host*) cfg=$kit/host.cfg ;; esac
	model=command
	case $name in hostlib) model=reactor ;; esac
	case $(ls "$name".c*) in
	*.cc) "$clang" --driver-mode=g++ --config="$cfg" -mexec-model=$model -std=c++20 -O2 -fno-exceptions -fno-rtti -Wall -Wextra -Werror -s "$name.cc" -o "$name.wasm" ;;
	*) "$clang" --config="$cfg" -std=gnu17 -D_GNU_SOURCE -O2 -Wall -Wextra -Werror -s "$name.c" -o "$name.wasm" ;;
	esac
	chmod 644 "$name.wasm"
done
