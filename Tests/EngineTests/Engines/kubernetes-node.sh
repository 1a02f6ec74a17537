# shellcheck shell=bash disable=SC2154
# The node of kubernetes.sh, which reads this file: a real one, or one that only plays its part.

node_state=$state/node
node_address=10.250.0.1
# shellcheck disable=SC2016 # for the shell in the image
kaniko='for word in "$@"; do echo "flag $word"; done; cd /workspace && find . -type f | sort && cat Dockerfile
grep -q fail-here Dockerfile && exit 1
echo "sha256:$(sha256sum Dockerfile | cut -d" " -f1)" >/dev/termination-log'

start_fake_node() {
  spawn "$state/fake-kubelet.pid" "$state/fake-kubelet.log" \
    python3 "$engine_folder/fake-kubelet.py" "$server" "$state/pki/ca.crt" "$state/pki/admin.token"
  wait_for 20 api "$server/api/v1/nodes/fake" || die "the fake node does not register; see $state/fake-kubelet.log"
}

stop_fake_node() { reap "$state/fake-kubelet.pid"; }

node_is_ready() {
  api "$server/api/v1/nodes/local" | python3 -c '
import json, sys
node = json.load(sys.stdin)
ready = any(c["type"] == "Ready" and c["status"] == "True" for c in node["status"]["conditions"])
sys.exit(0 if ready and not node["spec"].get("taints") else 1)'
}

start_real_node() {
  need_packages containerd runc containernetworking-plugins busybox-static iproute2 util-linux
  short_path "$node_state/containerd.sock.ttrpc"
  mkdir -p "$node_state"/{cni,kubelet,containerd,state,covers,images}
  # kubelet refuses 127.0.0.1 as its address; nothing outside this machine can reach this one.
  ip -4 addr show dev lo | grep -q " $node_address/32" || ip addr add "$node_address/32" dev lo
  write_node_files
  [ -s "$node_state/images/pause.tar" ] || python3 "$engine_folder/mk-image.py" "$node_state/images/pause.tar" \
    localhost/local/pause:1 /bin/sh -c "trap 'exit 0' TERM INT; while :; do sleep 86400 & wait \$!; done" >/dev/null
  [ -s "$node_state/images/busy.tar" ] ||
    python3 "$engine_folder/mk-image.py" "$node_state/images/busy.tar" localhost/local/busy:latest >/dev/null
  # Stands in for kaniko, which is not to be had here: tells what it was given, and what it would have pushed.
  [ -s "$node_state/images/kaniko.tar" ] || python3 "$engine_folder/mk-image.py" "$node_state/images/kaniko.tar" \
    localhost/local/kaniko:stand-in /bin/sh -c "$kaniko" kaniko >/dev/null
  # In a mount namespace of their own, their mounts vanish with them.
  spawn "$state/node.pid" "$state/node.log" unshare -m --propagation unchanged "$node_state/run.sh"
  wait_for 60 node_is_ready || die "the node is not ready; see $state/kubelet.log and $state/containerd.log"
}

write_node_files() {
  # restrict_oom_score_adj: without CAP_SYS_RESOURCE a negative score would fail every pod.
  cat >"$node_state/containerd.toml" <<CONF
version = 2
root = "$node_state/containerd"
state = "$node_state/state"
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"]
[grpc]
  address = "$node_state/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/local/pause:1"
  restrict_oom_score_adj = true
  disable_apparmor = true
  stream_server_address = "127.0.0.1"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$node_state/cni"
CONF
  cat >"$node_state/cni/10-ptp.conflist" <<CONF
{"cniVersion": "0.4.0", "name": "ptp", "plugins": [{"type": "ptp", "ipMasq": false,
  "ipam": {"type": "host-local", "dataDir": "$node_state/ipam", "ranges": [[{"subnet": "10.244.0.0/16"}]]}}]}
CONF
  cat >"$node_state/kubelet.yaml" <<CONF
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: $node_address
port: $((port + 5))
readOnlyPort: 0
healthzPort: 0
authentication: {anonymous: {enabled: false}, webhook: {enabled: false}, x509: {clientCAFile: $state/pki/ca.crt}}
authorization: {mode: AlwaysAllow}
cgroupDriver: cgroupfs
failSwapOn: false
protectKernelDefaults: true
maxOpenFiles: 20000
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
evictionHard: {memory.available: 100Mi, nodefs.available: 1%, imagefs.available: 1%}
syncFrequency: 5s
kubeAPIQPS: 100
kubeAPIBurst: 200
CONF
  echo 1 >"$node_state/covers/overcommit_memory"
  echo 10 >"$node_state/covers/panic"
  echo 1 >"$node_state/covers/panic_on_oops"
  # kubelet would set three sysctls of the machine: in its mount namespace files lie over them, and it is content.
  cat >"$node_state/run.sh" <<SCRIPT
#!/usr/bin/env bash
mount --make-rprivate /
mount --bind $node_state/covers/overcommit_memory /proc/sys/vm/overcommit_memory
mount --bind $node_state/covers/panic /proc/sys/kernel/panic
mount --bind $node_state/covers/panic_on_oops /proc/sys/kernel/panic_on_oops
mount --make-rshared /
containerd --config $node_state/containerd.toml --log-level warn >>$state/containerd.log 2>&1 & containerd=\$!
trap 'kill \$kubelet; wait \$kubelet; kill \$containerd; wait \$containerd; exit 0' TERM INT
for _ in \$(seq 100); do ctr -a $node_state/containerd.sock version >/dev/null 2>&1 && break; sleep 0.1; done
for image in $node_state/images/*.tar; do ctr -a $node_state/containerd.sock -n k8s.io images import \$image; done
$bin/kubelet --config=$node_state/kubelet.yaml --kubeconfig=$state/node.conf --root-dir=$node_state/kubelet \\
  --cert-dir=$node_state/kubelet-pki --hostname-override=local --node-ip=$node_address --cni-conf-dir=$node_state/cni \\
  --container-runtime=remote --container-runtime-endpoint=unix://$node_state/containerd.sock >>$state/kubelet.log 2>&1 & kubelet=\$!
wait \$kubelet
kill \$containerd
wait \$containerd
SCRIPT
  chmod +x "$node_state/run.sh"
}

# kubelet first, so that it starts nothing again; then every container of this containerd, by its shim; then the rest.
stop_real_node() {
  [ -d "$node_state" ] || return 0
  local process
  kill_matching TERM "^$bin/kubelet --config=$node_state/kubelet.yaml"
  for process in $(pgrep -f "^/usr/bin/containerd-shim-runc-v2 .*-address $node_state/containerd.sock"); do
    # shellcheck disable=SC2046 # words are wanted
    kill -KILL $(cat /proc/"$process"/task/*/children 2>/dev/null) "$process" 2>/dev/null || true
  done
  reap "$state/node.pid" 10
  kill_matching KILL "^containerd --config $node_state/containerd.toml|^$bin/kubelet --config=$node_state/kubelet.yaml"
  find /sys/fs/cgroup/*/kubepods -depth -type d -exec rmdir {} \; 2>/dev/null || true
  ip addr del "$node_address/32" dev lo 2>/dev/null || true
}

kill_matching() {
  local process
  for process in $(pgrep -f "$2"); do kill "-$1" "$process" 2>/dev/null || true; done
}
