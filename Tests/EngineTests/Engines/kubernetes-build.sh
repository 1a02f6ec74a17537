#!/usr/bin/env bash
# Builds kube-apiserver, kube-controller-manager, kube-scheduler and kubelet 1.20.2 from Debian bookworm's own source
# package with Debian's Go. The package brings all that it imports, so that apt is the only thing that is downloaded.
#
# usage: kubernetes-build.sh FOLDER    nothing is done where the programs are there; about 4 minutes on two cores
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"

bin=${1:?usage: kubernetes-build.sh FOLDER}
work=$engine_work/kubernetes-build
version=v1.20.2
programs=(kube-apiserver kube-controller-manager kube-scheduler kubelet)
# A build that takes longer than this hangs: it was 9 minutes with everything busy beside it.
limit=1800

missing() {
  local program
  for program in "${programs[@]}"; do
    [ -x "$bin/$program" ] || echo "$program"
  done
}

fetch() {
  local mirror options
  mkdir -p "$work/apt/lists/partial" "$work/apt/none"
  cd "$work"
  compgen -G 'kubernetes_*.orig.tar.gz' >/dev/null && return 0
  # Where the machine has its packages from, the sources are too.
  mirror=${DEBIAN_MIRROR:-$(apt-get indextargets --format "\$(REPO_URI)" 'Codename: bookworm' 'Component: main' \
    'Created-By: Packages' | sed -n 1p)}
  if [ -z "$mirror" ]; then
    echo "this machine has no packages of Debian 12; say where its sources are: DEBIAN_MIRROR=URL" >&2
    return 1
  fi
  printf 'Types: deb-src\nURIs: %s\nSuites: bookworm\nComponents: main\nSigned-By: %s\n' \
    "$mirror" /usr/share/keyrings/debian-archive-keyring.gpg >apt/src.sources
  # Lists of its own: the machine's list of sources stays as it is.
  options=(-qq -oDir::Etc::sourcelist="$work/apt/src.sources" -oDir::Etc::SourceParts="$work/apt/none"
    -oDir::State::Lists="$work/apt/lists" -oAPT::Sandbox::User=root)
  apt-get "${options[@]}" update
  apt-get "${options[@]}" source --download-only kubernetes
}

unpack() {
  source=$work/src/k8s.io/kubernetes
  [ -f "$source/.unpacked" ] && return 0
  rm -rf "$work/src"
  mkdir -p "$source"
  tar xzf "$work"/kubernetes_*.orig.tar.gz --strip-components=1 -C "$source"
  # Version 1.0.1, which the package brings, corrupts the walk over a map when built with Go 1.18 or later.
  local reflect=$source/vendor/github.com/modern-go/reflect2
  rm -f "$reflect"/*.go "$reflect"/*.s
  cp /usr/share/gocode/src/github.com/modern-go/reflect2/*.{go,s} "$reflect"/
  touch "$source/.unpacked"
}

# The one generated file that upstream does not keep in its repository.
generate() {
  local folders generated=pkg/generated/openapi/zz_generated.openapi.go
  [ -s "$generated" ] && return 0
  "${go[@]}" build -o "$work/openapi-gen" ./vendor/k8s.io/kube-openapi/cmd/openapi-gen
  folders=$(grep -rl --include='*.go' '+k8s:openapi-gen=' pkg cmd plugin staging/src/k8s.io |
    grep -vE '_test\.go$|/testdata/|code-generator/|sample-apiserver/|/_examples/|zz_generated|kube-openapi/' |
    xargs -n1 dirname | sort -u |
    sed -e 's#^staging/src/#k8s.io/kubernetes/vendor/#' -e '/^k8s.io/!s#^#k8s.io/kubernetes/#' | paste -sd,)
  "$work/openapi-gen" -v 0 --logtostderr -i "$folders" -p k8s.io/kubernetes/pkg/generated/openapi \
    -O zz_generated.openapi -h hack/boilerplate/boilerplate.generatego.txt -r "$work/openapi-violations.txt" \
    --output-base "$work/src"
}

build() {
  local flags='-s -w' package
  for package in k8s.io/kubernetes/vendor/k8s.io/component-base/version k8s.io/kubernetes/vendor/k8s.io/client-go/pkg/version; do
    flags+=" -X $package.gitVersion=$version -X $package.gitMajor=1 -X $package.gitMinor=20 -X $package.gitTreeState=archive"
    flags+=" -X $package.buildDate=2021-01-13T00:00:00Z"
  done
  "${go[@]}" build -trimpath -ldflags "$flags" -o "$bin/$1.part" "./cmd/$1"
  # Whole or not at all: a build that is cut off must not look like a program.
  mv "$bin/$1.part" "$bin/$1"
}

build_all() {
  local program
  fetch
  unpack
  cd "$source"
  export HOME=${HOME:-/root} GOPATH=$work GOCACHE=$work/cache CGO_ENABLED=0 GOTOOLCHAIN=local GOFLAGS='' GO111MODULE=off
  PATH=/usr/lib/go-1.19/bin:$PATH
  go=(nice -n 10 go)
  generate
  for program in $(missing); do
    say "building $program"
    build "$program"
  done
}

[ -n "$(missing)" ] || exit 0
if [ "${2:-}" = inside ]; then
  build_all
  exit 0
fi
need_packages golang-go golang-github-modern-go-reflect2-dev dpkg-dev debian-archive-keyring
mkdir -p "$bin"
say "building Kubernetes $version in $work, once"
timeout "$limit" "$0" "$bin" inside || die "the build failed, or took longer than $limit s"
# 2 GB of compiler cache that nothing needs any more.
rm -rf "$work/cache"
