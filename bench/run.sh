#!/bin/sh
# The side-by-side benches: `bench/run.sh [signalling|tls|media|micro|outbox|minutes|audio|api|rooms|guests]...`, everything without arguments.
# About twenty minutes on two cores. QUICK=1 takes a third of that and is only good for a look.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
target=${CARGO_TARGET_DIR:-$root/target}
results=$here/results
parts=${*:-signalling tls media micro outbox minutes audio api rooms guests}

sudo=
[ "$(id -u)" = 0 ] || sudo=sudo

# Debian's packages start services, which would take the ports that the bench uses.
install_missing() {
    missing=
    for pair in "$@"; do
        command -v "${pair%%:*}" >/dev/null 2>&1 || missing="$missing ${pair##*:}"
    done
    [ -n "$missing" ] || return 0
    echo "installing$missing" >&2
    policy=/usr/sbin/policy-rc.d
    made=
    if [ ! -e $policy ]; then
        printf '#!/bin/sh\nexit 101\n' | $sudo tee $policy >/dev/null
        $sudo chmod +x $policy
        made=yes
    fi
    status=0
    $sudo apt-get update -qq || true
    # shellcheck disable=SC2086
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        $missing >/dev/null || status=$?
    [ -z "$made" ] || $sudo rm -f $policy
    return $status
}

# The picture of the media bench; the table says the same.
plot() {
    [ -x "$here/.venv/bin/python" ] || python3 -m venv "$here/.venv"
    "$here/.venv/bin/python" -c 'import matplotlib' 2>/dev/null \
        || "$here/.venv/bin/python" -m pip install --quiet --disable-pip-version-check 'matplotlib==3.10.*'
    "$here/.venv/bin/python" "$here/plot.py" "$results/media.json" "$results/media.png"
    echo "drawn: $results/media.png"
}

# The peer of the API's bench; `moto` is its address. Nothing without the tests' Python.
moto=
moto_pid=
start_moto() {
    server=$root/tests/.venv/bin/moto_server
    if [ ! -x "$server" ]; then
        echo "no moto beside it: run tests/setup.sh for that" >&2
        return
    fi
    "$server" -H 127.0.0.1 -p 15555 >/dev/null 2>&1 &
    moto_pid=$!
    for _ in $(seq 100); do
        if python3 -c 'import socket; socket.create_connection(("127.0.0.1", 15555), 1)' 2>/dev/null; then
            moto=127.0.0.1:15555
            return
        fi
        sleep 0.3
    done
    echo "moto does not start" >&2
}
stop_moto() {
    [ -z "$moto_pid" ] || kill "$moto_pid" 2>/dev/null || true
    moto_pid=
}
trap stop_moto EXIT

for part in $parts; do
    case $part in
        signalling) install_missing kamailio:kamailio rtpengine:rtpengine-daemon sipp:sip-tester \
            python3:python3 ;;
        tls) install_missing kamailio:kamailio sipp:sip-tester python3:python3 openssl:openssl
            dpkg-query -s kamailio-tls-modules >/dev/null 2>&1 \
                || install_missing no-such-command:kamailio-tls-modules ;;
        media) install_missing rtpengine:rtpengine-daemon taskset:util-linux ip:iproute2 python3:python3
            python3 -c 'import ensurepip' 2>/dev/null || install_missing no-such-command:python3-venv ;;
        micro) install_missing valgrind:valgrind python3:python3 ;;
        api) install_missing valgrind:valgrind ;;
        rooms) install_missing janus:janus || echo "no Janus to be had: Tandem alone is measured" >&2 ;;
        outbox|minutes|audio|guests) ;;
        *) echo "$part: there are signalling, tls, media, micro, outbox, minutes, audio, api, rooms and guests" >&2; exit 2 ;;
    esac
done

cd "$root"
echo "building with optimisation" >&2
cargo build --quiet --release -p tandem -p edge-bench -p api-bench
cargo build --quiet --release -p sip-proto --example parse_invite
cargo build --quiet --release -p relay-core --example forward_packets
cargo build --quiet --release -p call-audio --example hear_packets
cargo build --quiet --release -p mixer --example room_cost
cargo build --quiet --release -p room-media --example picture_load
cargo build --quiet --release -p room-grid --example grid_load
mkdir -p "$results"

quick=${QUICK:-}
for part in $parts; do
    echo
    case $part in
        signalling)
            # shellcheck disable=SC2086
            $sudo python3 "$here/signalling/run.py" --binaries "$target/release" \
                --output "$results/signalling.json" ${quick:+--seconds 3 --rates 500,1000}
            ;;
        tls)
            # shellcheck disable=SC2086
            $sudo python3 "$here/signalling/tls.py" --binaries "$target/release" \
                --output "$results/tls.json" ${quick:+--handshakes 300 --calls 500 --rounds 1}
            ;;
        media)
            network=
            climb=--climb
            [ -z "$quick" ] || climb=
            $sudo ip netns add tandem-bench 2>/dev/null || network=--loopback
            [ -n "$network" ] || $sudo ip netns del tandem-bench
            # shellcheck disable=SC2086
            $sudo "$target/release/media-load" --output "$results/media.json" $network \
                --rounds "${ROUNDS:-3}" ${quick:+--seconds 3 --rounds 1 --rates 50000} $climb
            plot
            for suite in AES_CM_128_HMAC_SHA1_80 AEAD_AES_128_GCM; do
                # shellcheck disable=SC2086
                $sudo "$target/release/media-load" --output "$results/media-$suite.json" $network \
                    --srtp $suite --rates 30000 --rounds "${ROUNDS:-3}" ${quick:+--seconds 3 --rounds 1}
            done
            ;;
        micro)
            python3 "$here/micro.py" --binaries "$target/release" --output "$results/micro.json"
            "$target/release/srtp-cost"
            "$target/release/transcoding-cost"
            "$target/release/digest-cost"
            ;;
        outbox)
            # Below the results: a disk, where the system's temporary directory may be memory.
            "$target/release/outbox-rate" --directory "$results/outbox-rate.tmp" \
                --output "$results/outbox.json" --rounds "${ROUNDS:-3}" ${quick:+--records 20000 --rounds 1}
            rm -rf "$results/outbox-rate.tmp"
            ;;
        minutes)
            $sudo "$target/release/minute-flush" --output "$results/minutes.json" ${quick:+--minutes 2 --seconds 3}
            ;;
        api)
            rm -rf "$results/api.tmp"
            mkdir "$results/api.tmp"
            "$target/release/api-bench" "$results/api.tmp" ${quick:+10000 100 1}
            rm -rf "$results/api.tmp"
            # Instructions of 20,000 lookups: the numbers do not change them.
            for numbers in 10 100000; do
                valgrind --tool=callgrind --callgrind-out-file=/dev/null --toggle-collect='*look_up*' \
                    "$target/release/api-bench" lookups $numbers 20000 2>&1 \
                    | sed -n "s/.*Collected : /$numbers numbers, instructions: /p"
            done
            # The node itself, over HTTP.
            mkdir "$results/api.tmp"
            size="100000 1000 3 4"
            [ -z "$quick" ] || size="10000 100 1 4"
            start_moto
            # shellcheck disable=SC2086
            "$target/release/api-bench" node "$target/release/tandem" "$results/api.tmp" $size $moto
            stop_moto
            rm -rf "$results/api.tmp"
            ;;
        rooms)
            "$target/release/examples/room_cost" ${quick:+5}
            for participants in 10 50 100; do
                "$target/release/examples/picture_load" $participants ${quick:+2}
            done
            "$target/release/examples/picture_load" 50 5 srtp
            "$target/release/examples/grid_load" ${quick:+3}
            "$target/release/examples/grid_load" memory
            rm -rf "$results/rooms.tmp"
            # The same callers in a room of Janus's, by turns.
            janus=$(command -v janus || true)
            # shellcheck disable=SC2086
            "$target/release/room-delay" "$target/release/tandem" "$results/rooms.tmp" \
                --callers 10,50,100 --codecs pcmu,opus --rounds "${ROUNDS:-2}" --seconds 3 \
                --output "$results/rooms.json" ${janus:+--janus "$janus"} \
                ${quick:+--callers 2,10 --rounds 1 --seconds 2}
            if [ -n "$janus" ] && [ -z "$quick" ]; then
                # What Janus's buffer adds can be chosen.
                "$target/release/room-delay" "$target/release/tandem" "$results/rooms.tmp" \
                    --callers 10 --rounds 1 --janus "$janus" --prebuffering 2
            fi
            rm -rf "$results/rooms.tmp"
            ;;
        guests)
            rm -rf "$results/guests.tmp"
            # shellcheck disable=SC2086
            "$target/release/guest-channels" "$target/release/tandem" "$results/guests.tmp" \
                ${quick:+--guests 20 --changes 4}
            rm -rf "$results/guests.tmp"
            python=$root/tests/.venv/bin/python
            if [ -x "$python" ]; then
                # shellcheck disable=SC2086
                "$python" "$here/guests.py" "$target/release/tandem" ${quick:+--guests 2 --seconds 5}
            else
                echo "no browsers beside it: run tests/setup.sh for that" >&2
            fi
            ;;
        audio)
            for codec in pcmu g722 opus; do
                # shellcheck disable=SC2086
                "$target/release/audio-load" --codec $codec --output "$results/audio-$codec.json" \
                    ${quick:+--seconds 3 --calls 250}
            done
            # The same with what a node has: fragments in memory and on the disk of the results, PutMedia, WAV.
            memory=/dev/shm
            [ -d $memory ] || memory=${TMPDIR:-/tmp}
            for to in files:$memory files:$results put-media:$memory wav:$results; do
                name=${to%%:*}
                [ "$to" != "files:$memory" ] || name=memory
                # PutMedia is begun no faster than the service allows: 500 calls would take a minute.
                calls=100,250,500
                [ "$name" != put-media ] || calls=100,250
                [ -z "$quick" ] || calls=100
                "$target/release/audio-load" --to "${to%%:*}" --directory "${to#*:}" --calls $calls \
                    --output "$results/audio-to-$name.json" ${quick:+--seconds 3}
            done
            ;;
    esac
done

$sudo chown -R "$(id -u):$(id -g)" "$results"
python3 "$here/collect.py" "$results"
