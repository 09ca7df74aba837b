#!/bin/sh
# Installs promtool, which tests the alert rules, in the folder $1, unless it is
# already installed. The script extracts it from Debian's package, because
# installing the package would also start a server. If the package is
# unavailable, the tests of the rules are skipped.
set -eu

command -v promtool >/dev/null 2>&1 && exit 0
[ ! -x "$1/promtool" ] || exit 0
if ! command -v apt-get >/dev/null 2>&1 || ! command -v dpkg-deb >/dev/null 2>&1; then
	echo "promtool is not here: the tests of deploy/prometheus are skipped" >&2
	exit 0
fi
mkdir -p "$1"
into=$(cd "$1" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
if { apt-get download -q prometheus || { apt-get update -q && apt-get download -q prometheus; }; } >/dev/null 2>&1 &&
	dpkg-deb -x prometheus_*.deb . && [ -x usr/bin/promtool ]; then
	mv usr/bin/promtool "$into/promtool"
else
	echo "promtool could not be fetched: the tests of deploy/prometheus are skipped" >&2
fi
