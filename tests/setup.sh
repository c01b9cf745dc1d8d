#!/usr/bin/env bash
# Installs what the tests need: Debian packages, then Python packages into tests/.venv.
# Doing it again changes nothing. Nothing outside apt and tests/.venv is touched.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

# sipp plays scripted callers and callees; baresip is a real user agent, which has H.264 from baresip-ffmpeg;
# kamailio is a carrier's proxy.
# ffmpeg is a second opinion on audio formats, mkvtoolnix on Matroska.
# sngrep collects copies (HEP), tshark reads what it got.
# prometheus reads the page; it brings promtool.
# alsa-utils brings recordings of a voice; gcc and python3-dev build the Python package pesq, which judges
# speech.
# g++ builds the codec of composed pictures, nasm its vector instructions.
# libfaketime lets the calendar of a node jump.
# groff-base sets the manual page.
# chromium is a guest of meeting rooms, and reads pages of reports.
# iproute2 makes network namespaces; clang makes the relay's eBPF object again, to compare.
packages=(sip-tester baresip-core baresip-ffmpeg kamailio kamailio-tls-modules python3-venv openssl
    prometheus iproute2 clang-14 llvm-14 ffmpeg sngrep tshark alsa-utils gcc g++ nasm python3-dev
    libfaketime mkvtoolnix groff-base chromium)

installed() {
    [[ "$(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null)" == installed ]]
}

as_root() {
    if [[ $EUID -eq 0 ]]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        echo "setup: '$*' needs root; run it as root, or install sudo" >&2
        exit 1
    fi
}

install_packages() {
    local package missing=()
    for package in "${packages[@]}"; do
        installed "$package" || missing+=("$package")
    done
    if [[ ${#missing[@]} -eq 0 ]]; then
        echo "setup: Debian packages are there: ${packages[*]}"
        return
    fi
    if ! command -v apt-get >/dev/null; then
        echo "setup: no apt-get; install by other means: ${missing[*]}" >&2
        exit 1
    fi
    echo "setup: installing Debian packages: ${missing[*]}"
    as_root apt-get update --quiet=2
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install --quiet=2 --yes --no-install-recommends "${missing[@]}"
}

install_python() {
    local stamp=.venv/requirements.txt
    if [[ -x .venv/bin/python ]] && .venv/bin/python -c '' 2>/dev/null \
        && cmp --silent requirements.txt "$stamp"; then
        echo "setup: Python packages are there: tests/.venv"
        return
    fi
    echo "setup: installing Python packages into tests/.venv"
    python3 -m venv .venv
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --requirement requirements.txt
    cp requirements.txt "$stamp"
}

install_packages
install_python
