#!/usr/bin/env bash
# The Docker-compatible API of Debian's podman on a private Unix socket, with storage and configuration of its own. The
# image local/busy:latest (docker.io/local/busy:latest to podman) is there.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"

state=$engine_work/podman
socket=$state/podman.sock
export CONTAINERS_CONF=$state/containers.conf
export CONTAINERS_STORAGE_CONF=$state/storage.conf
export CONTAINERS_REGISTRIES_CONF=$state/registries.conf

api() { curl -fsS --unix-socket "$socket" "$@"; }

configure() {
  # podman's own ulimits are more than an unprivileged machine may grant, and 4.3 hands the pair on in the wrong
  # order: soft and hard are the same here. The rest is for machines without systemd.
  cat >"$CONTAINERS_CONF" <<CONF
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
cgroups = "enabled"
log_driver = "k8s-file"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
tmp_dir = "$state/tmp"
[engine.runtimes]
runc = ["/usr/sbin/runc"]
[network]
network_backend = "netavark"
network_config_dir = "$state/networks"
CONF
  cat >"$CONTAINERS_STORAGE_CONF" <<CONF
[storage]
driver = "overlay"
graphroot = "$state/root"
runroot = "$state/run"
CONF
  # registry.sh speaks plain HTTP, as dockerd takes for granted on loopback addresses.
  cat >"$CONTAINERS_REGISTRIES_CONF" <<CONF
unqualified-search-registries = ["docker.io"]
[[registry]]
location = "127.0.0.1:${LUNAPORT_REGISTRY_PORT:-25500}"
insecure = true
CONF
}

engine_start() {
  need_packages podman runc conmon netavark iptables busybox-static curl python3 procps
  short_path "$socket"
  mkdir -p "$state/cwd" "$state/mounts"
  configure
  alive "$state/podman.pid" || rm -f "$socket"
  # In a folder of its own: conmon writes marks where its service was started.
  cd "$state/cwd"
  spawn "$state/podman.pid" "$state/podman.log" podman system service --time=0 "unix://$socket"
  wait_for 20 api http://podman/_ping || die "podman does not answer; see $state/podman.log"
  if ! api http://podman/v1.40/images/local/busy:latest/json >/dev/null 2>&1; then
    python3 "$engine_folder/mk-image.py" "$state/busy.tar" docker.io/local/busy:latest >/dev/null
    api -X POST -H 'Content-Type: application/x-tar' --data-binary @"$state/busy.tar" \
      http://podman/v1.40/images/load >/dev/null
    rm -f "$state/busy.tar"
  fi
  printf '{"settings": {"docker": {"endpoint": "unix://%s", "mounts": ["%s/mounts"]}}, "env": {"DOCKER_HOST": "unix://%s"}}\n' \
    "$socket" "$state" "$socket"
}

engine_stop() {
  local pid
  [ -f "$CONTAINERS_CONF" ] || return 0
  podman rm -af -t 0 >/dev/null 2>&1 || true
  reap "$state/podman.pid"
  # Those of exec sessions stay for five minutes.
  for pid in $(pgrep -f -- "^/usr/bin/conmon .* -b $state/root/"); do kill -KILL "$pid" 2>/dev/null || true; done
  # Containers with a network make this folder a mount, which stays when the last of them has gone.
  [ -n "$(ls -A /run/netns 2>/dev/null)" ] || umount /run/netns 2>/dev/null || true
}

engine_kill() { crash "$state/podman.pid"; }

engine_main "$@"
