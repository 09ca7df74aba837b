#!/bin/sh
# Creates the secrets that deploy/compose.yml mounts, in deploy/secrets or the
# given folder. It keeps existing secrets.
#
# The programs in the containers do not run as root, and compose mounts these
# files with the permissions that they have on the host. Therefore all users may
# read the files, but only the owner may open the folder. HALOSYNC_SECRET_FILES in
# compose.yml permits this.
set -eu
umask 077
enqueue=${ENQUEUE:-$(dirname "$0")/../bin/enqueue}
dir=${1:-$(dirname "$0")/secrets}
if [ -e "$dir/keyset" ]; then
  echo "$dir has secrets already" >&2
  exit 0
fi
mkdir -p "$dir"

random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

owner=$(random)
worker=$(random)
cli=$(random)
redis=$(random)
random > "$dir/postgres-password"
printf %s "$owner" > "$dir/owner-password"
printf %s "$worker" > "$dir/worker-password"
printf %s "$cli" > "$dir/cli-password"
echo "postgres://halosync_owner:$owner@postgres:5432/halosync" > "$dir/owner-url"
echo "postgres://halosync_worker:$worker@postgres:5432/halosync" > "$dir/database-url"
echo "postgres://halosync_cli:$cli@postgres:5432/halosync" > "$dir/cli-url"
echo "redis://:$redis@redis:6379/0" > "$dir/redis-url"
cat > "$dir/redis-conf" <<END
dir /data
appendonly yes
maxmemory-policy noeviction
requirepass $redis
END
"$enqueue" keyset new > "$dir/keyset.new"
mv "$dir/keyset.new" "$dir/keyset" # last, so that an existing keyset means that all secrets exist
chmod 0444 "$dir"/*
echo "$dir: keep a copy of keyset where secrets are kept; without it stored credentials are lost" >&2
