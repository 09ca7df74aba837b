#!/usr/bin/env bash
# Packs a release into dist/: both programs for each system, with man pages,
# completions, units and documents, and SHA256SUMS. The same source and version
# always give the same bytes, because names are sorted and all files have the
# same date and no owner.
#   VERSION=v1.2.3 [SYSTEMS="linux/amd64"] tools/release.sh
set -euo pipefail
cd "$(dirname "$0")/.."
GO=${GO:-go}
VERSION=${VERSION:?the version that the programs show}
DATE=$(git log -1 --format=%ct)
TAR=$(command -v gtar || command -v tar)
"$TAR" --version | grep -q GNU || { echo "GNU tar is needed (brew install gnu-tar)" >&2; exit 1; }

rm -rf dist
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

common=$work/common
mkdir -p "$common"
(cd tools/man && $GO run . -version "$VERSION" -date "$DATE" "$common")
cp -R README.md CHANGELOG.md docs deploy "$common"
rm -rf "$common/deploy/secrets"
for licence in LICEN[CS]E*; do
  [ -e "$licence" ] && cp "$licence" "$common"
done

mkdir dist
for system in ${SYSTEMS:-linux/amd64 linux/arm64 darwin/amd64 darwin/arm64}; do
  name=halosync-$VERSION-${system/\//-}
  cp -R "$common" "$work/$name"
  CGO_ENABLED=0 GOOS=${system%/*} GOARCH=${system#*/} $GO build -trimpath -buildvcs=false \
    -ldflags "-s -w -X main.version=$VERSION" -o "$work/$name/" ./cmd/worker ./cmd/enqueue
  "$TAR" -C "$work" --sort=name --format=ustar --mtime="@$DATE" --owner=0 --group=0 --numeric-owner \
    --mode=u=rwX,go=rX -cf - "$name" | gzip -9 -n > "dist/$name.tar.gz"
  rm -rf "${work:?}/$name"
done
cd dist
if command -v sha256sum > /dev/null; then sha256sum -- *.tar.gz; else shasum -a 256 -- *.tar.gz; fi > SHA256SUMS
cat SHA256SUMS
