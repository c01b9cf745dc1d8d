#!/bin/sh
# Makes the sounds of the meeting rooms anew: LANGUAGE/NAME.wav from LANGUAGE.tsv, the tones, and music.wav.
# Not part of CI: what it makes is committed. Debian: apt-get install flite open-jtalk \
# open-jtalk-mecab-naist-jdic sox python3. The Japanese voice "Mei" is in no package of Debian: take
# mei_normal.htsvoice from the pyopenjtalk-plus wheel, or from MMDAgent, and name it in MEI.
#
# usage: MEI=/path/to/mei_normal.htsvoice rooms/prompts/make.sh [NAME…]
set -eu
cd "$(dirname "$0")"
: "${MEI:?give the path of mei_normal.htsvoice in MEI}"
dictionary=${OPEN_JTALK_DICTIONARY:-/var/lib/mecab/dic/open-jtalk/naist-jdic}
raw=$(mktemp -d)
trap 'rm -rf "$raw"' EXIT

wanted() {
    [ "$#" -eq 1 ] && return 0
    name=$1; shift
    for each in "$@"; do [ "$each" = "$name" ] && return 0; done
    return 1
}

# Each line: name, text, and how the engine is told it where that differs.
tab=$(printf '\t')
for language in en ja; do
    mkdir -p "$language" "$raw/$language"
    while IFS=$tab read -r name text spoken; do
        wanted "$name" "$@" || continue
        case $name in *-tone) continue ;; esac
        case $language in
            en) flite -voice slt --setf duration_stretch=1.05 -t "${spoken:-$text}" \
                    -o "$raw/spoken.wav" ;;
            ja) printf '%s\n' "${spoken:-$text}" |
                    open_jtalk -x "$dictionary" -m "$MEI" -r 1.0 -fm -1 -ow "$raw/spoken.wav" ;;
        esac
        # Of a telephone's band; half of full scale, so that nothing is clipped on the way.
        sox "$raw/spoken.wav" -r 8000 -c 1 -b 16 "$raw/$language/$name.wav" \
            gain -n -6 highpass 120
    done < "$language.tsv"
done
python3 sounds.py "$raw"
