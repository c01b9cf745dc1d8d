#!/bin/sh
# Has a machine listen to the English prompts: word errors of each, and whether one is taken for another. Not
# part of CI. The recogniser is PocketSphinx with the English model in its wheel (PyPI: pocketsphinx), in an
# environment of its own that goes again. For Japanese there is none that is as easily had: Debian's
# julius brings no Japanese model.
#
# usage: rooms/prompts/hear.sh [NAME…]
set -eu
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place"
"$place/bin/pip" install --quiet pocketsphinx
"$place/bin/python" "$(dirname "$0")/hear.py" "$@"
