#!/bin/sh
# Fetches one file of a hub into a volume: resumed, verified, and there whole or not at all.
#
# Runs in a container of the target, by whatever `sh` and `curl` its image has. What it is to do
# stands in the environment: URL, HUB (the hub's origin), PLACE, LINGER (seconds) and HF_TOKEN. What
# it has to say goes to its log, in lines that deployers/docker/fetching.py reads:
#
#     gantry part HAVE SIZE        so many bytes are here ("?" for a size that is not known)
#     gantry again HAVE CODE       curl ended with CODE; going on from there
#     gantry checking
#     gantry done
#     gantry failed WHY ...        and the container lingers, so that somebody can read it
#
# Beside PLACE lie PLACE.part and PLACE.part.etag while it runs, and PLACE.known after it.
set -u
part="$PLACE.part"
newline='
'

say() { printf 'gantry %s\n' "$*"; }

fail() {
    say failed "$@"
    sleep "$LINGER"
    exit 1
}

ask() { # curl, told the token on its input: its command line is there for everybody to read
    if [ -n "${HF_TOKEN:-}" ]; then
        printf 'header = "Authorization: Bearer %s"\n' "$HF_TOKEN"
    fi | curl --config - --silent --show-error --connect-timeout 15 "$@"
}

header() { printf '%s\n' "$said" | tr -d '\r"' | sed -n "s/^$1: *//Ip" | tail -n 1; }

size_of() { stat -c %s "$1" 2>/dev/null || echo 0; }

look() { # what the hub says of the file: the first redirect that leaves it tells the most
    url="$URL"
    for _ in 1 2 3 4 5 6 7 8; do
        said=$(ask --head --max-time 60 --write-out '\n%{http_code} %{redirect_url}' "$url") || return
        last=${said##*"$newline"}
        case "${last#* }" in
        "$HUB"/*) url=${last#* } ;;
        *) break ;;
        esac
    done
    code=${last%% *}
    etag=$(header x-linked-etag)
    etag=${etag:-$(header etag)}
    etag=${etag#W/}
    size=$(header x-linked-size)
    if [ "$code" = 200 ]; then size=${size:-$(header content-length)}; fi
    commit=$(header x-repo-commit)
}

keep_or_drop() { # a part of another file, or one that is too long, is none
    if [ -z "$etag" ] || [ "$(cat "$part.etag" 2>/dev/null)" != "$etag" ] ||
        { [ -n "$size" ] && [ "$(size_of "$part")" -gt "$size" ]; }; then
        rm -f "$part"
    fi
    printf %s "$etag" >"$part.etag" || fail unwritable
}

check_disk() {
    [ -n "$size" ] || return 0
    # shellcheck disable=SC2046
    set -- $(df -Pk "${PLACE%/*}" | tail -n 1)
    free=$(($4 * 1024)) need=$((size - $(size_of "$part")))
    [ "$need" -lt "$free" ] || fail small "$need" "$free"
}

receive() {
    [ -n "$size" ] && [ "$(size_of "$part")" = "$size" ] && return
    (while sleep 1; do say part "$(size_of "$part")" "${size:-?}"; done) &
    telling=$!
    say part "$(size_of "$part")" "${size:-?}"
    ask --location --fail --no-buffer --continue-at - --speed-limit 1 --speed-time 60 \
        --output "$part" "$URL" # unbuffered: a kill loses nothing, and what is told is so
    got=$?
    kill "$telling"
    say part "$(size_of "$part")" "${size:-?}"
    return "$got"
}

fetch() { # returns curl's exit code
    look || return
    [ "$code" -lt 400 ] || fail answered "$code" "$(header x-error-code)"
    keep_or_drop
    check_disk
    receive || return
    [ -z "$size" ] || [ "$(size_of "$part")" = "$size" ] || return 18
}

for tool in curl sed stat df tail tr sha256sum; do
    command -v "$tool" >/dev/null || fail without "$tool"
done
mkdir -p "${PLACE%/*}" || fail unwritable
[ -f "$PLACE" ] && say "done" && exit

tries=5
while had=$(size_of "$part"); ! { fetch; status=$?; [ "$status" = 0 ]; }; do
    case "$status" in
    23) fail full ;;
    33 | 36) rm -f "$part" ;; # the server does not go on in the middle
    22) [ -n "$size" ] || rm -f "$part" ;; # nor may it where the part is all of it
    6 | 7 | 35 | 60) tries=1 ;;
    esac
    if [ "$(size_of "$part")" -gt "$had" ]; then tries=5; else tries=$((tries - 1)); fi
    [ "$tries" -gt 0 ] || fail curl "$status"
    say again "$(size_of "$part")" "$status"
    sleep 1
done

say checking
found=$(sha256sum "$part") || fail unreadable
found=${found%% *}
case "$etag" in
*[!0-9a-f]*) ;;
*) [ "${#etag}" != 64 ] || [ "$etag" = "$found" ] || { rm -f "$part" "$part.etag"; fail damaged; } ;;
esac
printf '%s %s\n' "$found" "$commit" >"$PLACE.known" || fail full
sync
mv "$part" "$PLACE" || fail unwritable
rm -f "$part.etag"
say "done"
