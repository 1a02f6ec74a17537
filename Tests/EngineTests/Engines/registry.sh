#!/usr/bin/env bash
# Debian's docker-registry on a loopback port, with one user: what builders push to and drivers pull from.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"

state=$engine_work/registry
address=127.0.0.1:${LUNAPORT_REGISTRY_PORT:-25500}
user=pusher

api() { curl -fsS -u "$user:$(cat "$state/password")" "$@"; }

engine_start() {
  need_packages docker-registry curl perl-base
  mkdir -p "$state"
  if [ ! -s "$state/password" ]; then
    (umask 077 && od -An -N16 -tx1 /dev/urandom | tr -d ' \n' >"$state/password")
  fi
  # The registry knows bcrypt alone.
  perl -e 'open(my $file, "<", $ARGV[1]); print "$ARGV[0]:", crypt(<$file>, "\$2a\$05\$abcdefghijklmnopqrstuu"), "\n"' \
    "$user" "$state/password" >"$state/users"
  cat >"$state/config.yml" <<CONF
version: 0.1
log: {level: warn}
storage:
  filesystem: {rootdirectory: $state/images}
  delete: {enabled: true}
http: {addr: $address}
auth:
  htpasswd: {realm: lunaport, path: $state/users}
CONF
  spawn "$state/registry.pid" "$state/registry.log" docker-registry serve "$state/config.yml"
  wait_for 10 api "http://$address/v2/" || die "the registry does not answer; see $state/registry.log"
  # As `docker login` would write it.
  (umask 077 && printf '{"auths": {"%s": {"auth": "%s"}}}\n' "$address" \
    "$(printf '%s:%s' "$user" "$(cat "$state/password")" | base64 -w0)" >"$state/auth.json")
  printf '{"settings": {}, "env": {"LUNAPORT_REGISTRY": "%s", "LUNAPORT_REGISTRY_AUTH": "%s"}}\n' \
    "$address" "$state/auth.json"
}

engine_stop() {
  reap "$state/registry.pid"
}

engine_kill() { crash "$state/registry.pid"; }

engine_main "$@"
