#!/bin/sh
# Install ffmpeg and ffprobe with the system's package manager, if they are missing.
set -eu

command -v ffmpeg >/dev/null && command -v ffprobe >/dev/null && exit 0

as_root=
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null && as_root="sudo"
fi

fail() {
    echo "ffmpeg is missing and could not be installed ($1): install ffmpeg (with ffprobe) and run make again" >&2
    exit 1
}

if [ "$(id -u)" -ne 0 ] && [ -z "$as_root" ] && ! command -v brew >/dev/null; then
    fail "you are neither root nor have sudo"
fi

echo "Installing ffmpeg"
if command -v apt-get >/dev/null; then
    $as_root apt-get update -qq >/dev/null || fail "apt-get update failed"
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends ffmpeg >/dev/null ||
        fail "apt-get failed"
elif command -v dnf >/dev/null; then
    $as_root dnf install -y -q ffmpeg-free || fail "dnf failed"
elif command -v apk >/dev/null; then
    $as_root apk add --quiet ffmpeg || fail "apk failed"
elif command -v pacman >/dev/null; then
    $as_root pacman -S --noconfirm --quiet ffmpeg || fail "pacman failed"
elif command -v brew >/dev/null; then
    brew install --quiet ffmpeg || fail "brew failed"
else
    fail "no known package manager"
fi
