#!/usr/bin/env bash
# Compiles relay.bpf.c into relay.bpf.o, the object that the relay carries.
# With --check it compiles beside it and compares: the object in the tree must be what the source says.
# The octets depend on the compiler alone: clang 14, which Debian 12 has.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

clang=${CLANG:-clang-14}
strip=${LLVM_STRIP:-llvm-strip-14}
out=$(mktemp --directory)
trap 'rm -rf "$out"' EXIT

"$clang" -O2 -g -target bpf -mcpu=v3 -Wall -Wextra -Werror \
    -fdebug-prefix-map="$PWD"=. -c relay.bpf.c -o "$out/relay.bpf.o"
# Without the debugger's sections; BTF stays, the kernel wants it.
"$strip" -g "$out/relay.bpf.o"

if [[ "${1:-}" == --check ]]; then
    cmp "$out/relay.bpf.o" relay.bpf.o || {
        echo "media-relay/ebpf/relay.bpf.o is not what relay.bpf.c makes: run media-relay/ebpf/build.sh" >&2
        exit 1
    }
    echo "relay.bpf.o is what relay.bpf.c makes ($("$clang" --version | head -1))"
else
    cp "$out/relay.bpf.o" relay.bpf.o
fi
