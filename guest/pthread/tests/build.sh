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
	model=command
	more=-s
	case $name in
	host*) cfg=$kit/host.cfg ;;
	jump) more='-s -mllvm -wasm-enable-sjlj -mllvm -wasm-use-legacy-eh=false -lsetjmp' ;;
	stack) more= ;; # names, for the test to see in a backtrace
	esac
	case $name in hostlib) model=reactor ;; esac
	case $(ls "$name".c*) in
	*.cc) "$clang" --driver-mode=g++ --config="$cfg" -mexec-model=$model -std=c++20 -O2 -fno-exceptions -fno-rtti -Wall -Wextra -Werror "$name.cc" $more -o "$name.wasm" ;;
	*) "$clang" --config="$cfg" -std=gnu17 -D_GNU_SOURCE -O2 -Wall -Wextra -Werror "$name.c" $more -o "$name.wasm" ;;
	esac
	chmod 644 "$name.wasm"
done
