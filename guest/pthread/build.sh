#!/bin/sh
# Builds the pthread layer and a sysroot with it, into the directory named (default: build, beside this script).
#
#   guest/pthread/build.sh [directory]
#   clang-22 --config=guest/pthread/build/threads.cfg -O2 prog.c -o prog.wasm
#   clang++-22 --config=guest/pthread/build/threads.cfg -O2 prog.cc -o prog.wasm
#
# host.cfg beside it is for programs into which the host may start threads of its own.
#
# It needs Go, the Debian packages clang-22, lld-22 and llvm-22 (or others that $CLANG and $AR name), and npm, with which
# it gets the C and C++ libraries for wasm32-wasip1 out of the package @yowasp/clang: 27 MB, kept in $SPINDLE_CACHE.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "${1:-$here/build}"
out=$(cd "${1:-$here/build}" && pwd)
clang=${CLANG:-clang-22}
ar=${AR:-$(command -v llvm-ar-22 || echo llvm-ar)}
package=@yowasp/clang@22.0.0-git20542-10

command -v "$clang" >/dev/null || { echo "build.sh: no $clang: apt-get install clang-22 lld-22, or set CLANG" >&2; exit 1; }
command -v "${GO:-go}" >/dev/null || { echo "build.sh: no go command, or set GO" >&2; exit 1; }
command -v "$ar" >/dev/null || { echo "build.sh: no llvm-ar: apt-get install llvm-22, or set AR" >&2; exit 1; }

# The sysroot.
if [ ! -d "$out/sysroot" ]; then
	cache=${SPINDLE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/spindle}/npm
	archive=$cache/yowasp-clang-22.0.0-git20542-10.tgz
	mkdir -p "$cache"
	if [ ! -f "$archive" ]; then
		command -v npm >/dev/null || { echo "build.sh: no npm, which fetches the C library: apt-get install npm" >&2; exit 1; }
		npm pack --silent --pack-destination "$cache" "$package" >/dev/null
	fi
	tmp=$(mktemp -d)
	trap 'rm -rf "$tmp"' EXIT
	tar xzf "$archive" -C "$tmp" package/gen/llvm-resources.tar
	# Not the archive's other headers: they are a compiler's own, and would hide those of the one in use.
	tar xf "$tmp/package/gen/llvm-resources.tar" -C "$tmp" include/wasm32-wasip1 include/c++ lib
	mkdir -p "$tmp/sysroot/lib"
	mv "$tmp/include" "$tmp/sysroot/"
	mv "$tmp/lib/wasm32-wasip1" "$tmp/sysroot/lib/"
	# The compiler looks for its run-time library in its own resource directory, and finds it here.
	mkdir -p "$out/resource"
	rm -rf "$out/resource/lib"
	mv "$tmp/lib" "$out/resource/lib"
	ln -sfn "$("$clang" -print-resource-dir)/include" "$out/resource/include"
	# An errno for each thread. The archives have no table of symbols after that: "s" makes one.
	for lib in libc libc++; do
		(cd "$here" && ${GO:-go} run ./tlserrno "$tmp/sysroot/lib/wasm32-wasip1/$lib.a" "$tmp/$lib.a")
		"$ar" s "$tmp/$lib.a"
		mv "$tmp/$lib.a" "$tmp/sysroot/lib/wasm32-wasip1/$lib.a"
	done
	mv "$tmp/sysroot" "$out/sysroot"
fi

# What every compilation needs. In a configuration file $ marks options that come last, and only when linking.
wrap() { for f; do printf '$-Wl,--wrap=%s\n' "$f"; done; }
{
	cat <<-'CFG'
	--target=wasm32-wasip1
	--sysroot=<CFGDIR>/sysroot
	-resource-dir <CFGDIR>/resource
	-isystem <CFGDIR>/include
	-matomics -mbulk-memory -mthread-model posix
	-D_REENTRANT
	--no-wasm-opt
	$-Wl,--shared-memory,--import-memory,--export-memory,--stack-first
	# Before the command line's own options, which thus can say otherwise.
	-Wl,--max-memory=1073741824 -Wl,-z,stack-size=1048576
	# The libraries were compiled for one thread, and so lack the mark that they may be linked into a module with several.
	$-Wl,--no-check-features
	$-lspindle-pthread
	CFG
	# malloc.c
	wrap malloc calloc realloc free aligned_alloc posix_memalign sbrk __libc_malloc __libc_calloc __libc_free
	# stdio.c, cxxatomic.c
	sed -n 's/^WRAPPED([^,]*, \([a-z_A-Z]*\),.*/\1/p; s/^[A-Za-z].*__wrap_\([A-Za-z0-9_]*\)(.*/\1/p' "$here/src/stdio.c" "$here/src/cxxatomic.c" | while read -r f; do wrap "$f"; done
	# end.c, endstdio.c
	wrap exit __wasm_call_dtors atexit __cxa_atexit __stdio_exit
} >"$out/threads.cfg"

# For programs into whose exports the host may start threads.
cat >"$out/host.cfg" <<-'CFG'
	@threads.cfg
	$-Wl,-u,__host_thread_begin
	$-Wl,--export=__stack_pointer,--export=__wasm_init_tls,--export=__tls_size,--export=__tls_align
CFG

rm -rf "$out/include" "$out/obj"
mkdir -p "$out/obj"
cp -r "$here/include" "$out/include"
for f in "$here"/src/*.c "$here"/src/*.s; do
	name=$(basename "$f")
	flags="-std=gnu17 -D_GNU_SOURCE -O2 -ffunction-sections -fdata-sections -Wall -Wextra -Wno-unused-parameter -Werror"
	case $name in *.s) flags="-mexception-handling" ;; esac
	"$clang" --config="$out/threads.cfg" $flags -c "$f" -o "$out/obj/${name%.*}_${name##*.}.o"
done
rm -f "$out/sysroot/lib/wasm32-wasip1/libspindle-pthread.a"
"$ar" rcs "$out/sysroot/lib/wasm32-wasip1/libspindle-pthread.a" "$out"/obj/*.o
rm -r "$out/obj"
echo "$out/threads.cfg"
