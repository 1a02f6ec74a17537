#!/usr/bin/env bash
# Debian's dockerd on a private Unix socket (`settings`) and on a loopback port with TLS (`settings_tls`): no bridge, no
# iptables. Containers have loopback alone, or the host's network where they ask for it. The image local/busy:latest is
# there.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"

state=$engine_work/docker
socket=$state/docker.sock
tls=$state/tls
port=${LUNAPORT_DOCKER_PORT:-25376}

api() { curl -fsS --unix-socket "$socket" "$@"; }

# An authority of our own, and a certificate for each side.
certify() {
  [ ! -e "$tls/done" ] || return 0
  mkdir -p "$tls"
  local side days=3650
  openssl req -x509 -newkey rsa:2048 -nodes -days "$days" -subj /CN=lunaport-tests -keyout "$tls/ca.key" \
    -out "$tls/ca.pem"
  for side in server client; do
    openssl req -newkey rsa:2048 -nodes -subj "/CN=$side" -keyout "$tls/$side.key" -out "$tls/$side.csr"
    openssl x509 -req -in "$tls/$side.csr" -CA "$tls/ca.pem" -CAkey "$tls/ca.key" -CAcreateserial -days "$days" \
      -extfile <(printf 'subjectAltName=IP:127.0.0.1\nextendedKeyUsage=%sAuth\n' "$side") -out "$tls/$side.pem"
  done
  touch "$tls/done"
}

engine_start() {
  need_packages docker.io containerd runc busybox-static curl openssl python3 procps
  short_path "$socket"
  mkdir -p "$state/mounts"
  chmod 711 "$state"
  certify 2>>"$state/certify.log" || die "no certificates; see $state/certify.log"
  # What a crash left: dockerd takes the zombie of its old containerd for a living one and waits for it in vain.
  alive "$state/dockerd.pid" || rm -f "$socket" "$state/docker.run" "$state/exec/containerd/containerd.pid"
  spawn "$state/dockerd.pid" "$state/dockerd.log" dockerd --data-root "$state/data" --exec-root "$state/exec" \
    --pidfile "$state/docker.run" --host "unix://$socket" --host "tcp://127.0.0.1:$port" --tlsverify \
    --tlscacert "$tls/ca.pem" --tlscert "$tls/server.pem" --tlskey "$tls/server.key" \
    --bridge=none --iptables=false --ip6tables=false --ip-forward=false --ip-masq=false \
    --storage-driver "${DOCKER_STORAGE:-overlay2}" --exec-opt native.cgroupdriver=cgroupfs \
    --default-ulimit nofile=4096:16384
  wait_for 40 api http://docker/_ping || die "dockerd does not answer; see $state/dockerd.log"
  if ! api http://docker/images/local/busy:latest/json >/dev/null 2>&1; then
    python3 "$engine_folder/mk-image.py" "$state/busy.tar" local/busy:latest >/dev/null
    api -X POST -H 'Content-Type: application/x-tar' --data-binary @"$state/busy.tar" http://docker/images/load >/dev/null
    rm -f "$state/busy.tar"
  fi
  python3 - "$socket" "$port" "$state" <<'JSON'
import json
import sys

socket, port, state = sys.argv[1:]
mounts = [state + "/mounts"]
plain = {"endpoint": "unix://" + socket, "mounts": mounts}
tls = {"endpoint": "tcp://127.0.0.1:" + port, "mounts": mounts, "ca": state + "/tls/ca.pem",
       "cert": state + "/tls/client.pem", "key": state + "/tls/client.key"}
print(json.dumps({"settings": {"docker": plain}, "settings_tls": {"docker": tls},
                  "env": {"DOCKER_HOST": "unix://" + socket}}))
JSON
}

engine_stop() {
  local container shim
  if alive "$state/dockerd.pid"; then
    for container in $(api 'http://docker/containers/json?all=1' | grep -oE '"Id":"[0-9a-f]{64}"' | cut -d'"' -f4); do
      api -X DELETE "http://docker/containers/$container?force=1&v=1" >/dev/null || true
    done
  fi
  reap "$state/dockerd.pid" 15
  # Shims that a killed dockerd left, and what runs in them.
  for shim in $(pgrep -f -- "^/usr/bin/containerd-shim-runc-v2 .* -address $state/exec/containerd/containerd.sock"); do
    for container in $(cat /proc/"$shim"/task/*/children 2>/dev/null) "$shim"; do
      kill -KILL "$container" 2>/dev/null || true
    done
  done
}

engine_kill() { crash "$state/dockerd.pid"; }

engine_main "$@"
