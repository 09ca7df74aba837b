#!/bin/sh
# Installs Postgres and Redis for package devstack, unless they are already
# installed. Arguments name programs that only the tests need: pgbouncer,
# chromium. The script does not start or enable the services of these packages.
set -eu

# find.go searches the same places.
have_postgres() {
	[ -z "${HALOSYNC_POSTGRES_BIN:-}" ] || { [ -x "$HALOSYNC_POSTGRES_BIN/initdb" ]; return; }
	for dir in "$(pg_config --bindir 2>/dev/null)" /usr/lib/postgresql/*/bin \
		/opt/homebrew/opt/postgresql@*/bin /usr/local/opt/postgresql@*/bin; do
		if [ -x "$dir/initdb" ] && [ -x "$dir/postgres" ]; then return 0; fi
	done
	command -v initdb >/dev/null 2>&1 && command -v postgres >/dev/null 2>&1
}

have_redis() {
	[ -z "${HALOSYNC_REDIS_SERVER:-}" ] || { [ -x "$HALOSYNC_REDIS_SERVER" ]; return; }
	for path in /usr/bin/redis-server /opt/homebrew/bin/redis-server /usr/local/bin/redis-server; do
		if [ -x "$path" ]; then return 0; fi
	done
	command -v redis-server >/dev/null 2>&1 || command -v valkey-server >/dev/null 2>&1
}

have_pgbouncer() {
	[ -x /usr/sbin/pgbouncer ] || command -v pgbouncer >/dev/null 2>&1
}

# A headless browser. Debian's package needs no desktop. Any other Chromium or
# Chrome also works.
have_chromium() {
	[ -z "${HALOSYNC_CHROMIUM:-}" ] || { [ -x "$HALOSYNC_CHROMIUM" ]; return; }
	for path in /usr/lib/chromium/chromium-headless-shell /usr/lib/chromium/chromium \
		"/Applications/Google Chrome.app/Contents/MacOS/Google Chrome" /Applications/Chromium.app/Contents/MacOS/Chromium; do
		if [ -x "$path" ]; then return 0; fi
	done
	for name in chromium-headless-shell chromium google-chrome-stable google-chrome; do
		if command -v "$name" >/dev/null 2>&1; then return 0; fi
	done
	return 1
}

missing=""
have_postgres || missing="postgresql"
have_redis || missing="$missing redis-server"
for wanted in "$@"; do
	case $wanted in
	pgbouncer) have_pgbouncer || missing="$missing pgbouncer" ;;
	chromium) have_chromium || missing="$missing chromium-headless-shell" ;;
	*)
		echo "install.sh: $wanted is unknown; pgbouncer and chromium can be named" >&2
		exit 2
		;;
	esac
done
[ -n "$missing" ] || exit 0

if command -v apt-get >/dev/null 2>&1; then
	# shellcheck disable=SC2086 # a list of packages
	set -- $missing
	root=""
	if [ "$(id -u)" -ne 0 ]; then
		if ! command -v sudo >/dev/null 2>&1; then
			echo "halosync needs: $*. As root, type: apt-get install -y --no-install-recommends $*" >&2
			exit 1
		fi
		root=sudo
	fi
	echo "installing $* (apt)" >&2

	# Installing a package must not start or enable a server on this machine.
	# Therefore no cluster is created, a policy blocks invoke-rc.d, and new
	# units are disabled.
	conf=/etc/postgresql-common/createcluster.d
	policy=/usr/sbin/policy-rc.d
	cleanup() {
		$root rm -f "$conf/halosync.conf"
		[ -z "${placed:-}" ] || $root rm -f "$policy"
	}
	trap cleanup EXIT
	case $missing in *postgresql*)
		$root mkdir -p "$conf"
		echo 'create_main_cluster = false' | $root tee "$conf/halosync.conf" >/dev/null
		;;
	esac
	if [ ! -e "$policy" ]; then
		placed=1
		printf '#!/bin/sh\nexit 101\n' | $root tee "$policy" >/dev/null
		$root chmod +x "$policy"
	fi
	export DEBIAN_FRONTEND=noninteractive
	install="apt-get install -y -q --no-install-recommends $*"
	if ! $root $install >/dev/null 2>&1; then
		$root apt-get update -q >/dev/null
		$root $install >/dev/null
	fi
	if command -v systemctl >/dev/null 2>&1; then
		for package in "$@"; do
			$root systemctl disable "$package" >/dev/null 2>&1 || true
		done
	fi
elif command -v brew >/dev/null 2>&1; then
	set --
	case $missing in *postgresql*) set -- "$@" postgresql@17 ;; esac
	case $missing in *redis*) set -- "$@" redis ;; esac
	case $missing in *pgbouncer*) set -- "$@" pgbouncer ;; esac
	if [ $# -gt 0 ]; then
		echo "installing $* (brew)" >&2
		brew install --quiet "$@"
	fi
	case $missing in *chromium*)
		echo "installing chromium (brew)" >&2
		brew install --quiet --cask chromium
		;;
	esac
else
	echo "halosync needs these programs on the machine:$missing. Install them with your package manager." >&2
	exit 1
fi
