#!/usr/bin/env bash
# Kubernetes 1.20: etcd, kube-apiserver, kube-controller-manager and kube-scheduler on loopback, RBAC on. Its programs
# are built from Debian's source package by kubernetes-build.sh, once, into LUNAPORT_KUBE_BIN (default: kubernetes-bin in
# the work folder).
#
#   LUNAPORT_KUBE_NODE=real   kubelet, containerd and runc: pods are real processes (default)
#   LUNAPORT_KUBE_NODE=fake   fake-kubelet.py walks pods through their phases, steered by annotations; no logs
#
# The settings that it prints are those of the user `launcher`, who has in namespace `jobs` what kubernetes-role.json
# gives and nothing else.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"

node=${LUNAPORT_KUBE_NODE:-real}
[ "$node" = real ] || engine_name=kubernetes-$node
state=$engine_work/$engine_name
bin=${LUNAPORT_KUBE_BIN:-$engine_work/kubernetes-bin}
# The two variants may run side by side.
port=26443
[ "$node" = real ] || port=26543
etcd=http://127.0.0.1:$((port + 1))
server=https://127.0.0.1:$port

api() { curl -fsS --cacert "$state/pki/ca.crt" -H @"$state/admin.header" "$@"; }

post() { api -X POST -H 'Content-Type: application/json' "$server$1" -d "$2"; }

# shellcheck source-path=SCRIPTDIR
. "$engine_folder/kubernetes-node.sh"

leaf() { # name subject usage [names]
  openssl req -newkey rsa:2048 -nodes -subj "$2" -keyout "$1.key" -out "$1.csr" 2>/dev/null
  printf 'keyUsage=digitalSignature,keyEncipherment\nextendedKeyUsage=%s\n%s' "$3" "${4:+subjectAltName=$4}" >"$1.ext"
  openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 3650 -extfile "$1.ext" -out "$1.crt" 2>/dev/null
}

# Certificates, and one bearer token a user: name, user, groups.
make_keys() {
  [ -e "$state/pki/complete" ] && return 0
  mkdir -p "$state/pki"
  cd "$state/pki"
  umask 077
  openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN=kubernetes -keyout ca.key -out ca.crt 2>/dev/null
  openssl genrsa -out accounts.key 2048 2>/dev/null
  openssl rsa -in accounts.key -pubout -out accounts.pub 2>/dev/null
  leaf apiserver /CN=kube-apiserver serverAuth IP:127.0.0.1,IP:10.96.0.1,DNS:localhost,DNS:kubernetes.default.svc
  leaf kubelet-client /O=system:masters/CN=apiserver-kubelet-client clientAuth
  leaf launcher /CN=launcher clientAuth
  local name user groups
  while read -r name user groups; do
    openssl rand -hex 24 >"$name.token"
    echo "$(cat "$name.token"),$user,$user${groups:+,\"$groups\"}"
  done >tokens.csv <<'USERS'
admin admin system:masters
manager system:kube-controller-manager
scheduler system:kube-scheduler
node system:node:local system:nodes
launcher launcher
USERS
  umask 022
  touch complete
}

# kubeconfig NAME [NAMESPACE]: everything in one file, as people carry it about.
kubeconfig() {
  (umask 077 && cat >"$state/$1.conf") <<CONF
apiVersion: v1
kind: Config
current-context: local
clusters:
- name: local
  cluster: {server: "$server", certificate-authority-data: $(base64 -w0 "$state/pki/ca.crt")}
users:
- name: $1
  user: {token: "$(cat "$state/pki/$1.token")"}
contexts:
- name: local
  context: {cluster: local, user: $1, namespace: ${2:-default}}
CONF
}

start_control_plane() {
  cd "$state"
  spawn etcd.pid etcd.log etcd --data-dir "$state/etcd" --name local --unsafe-no-fsync --logger zap \
    --listen-client-urls "$etcd" --advertise-client-urls "$etcd" --listen-peer-urls "http://127.0.0.1:$((port + 2))" \
    --initial-advertise-peer-urls "http://127.0.0.1:$((port + 2))" --initial-cluster "local=http://127.0.0.1:$((port + 2))"
  wait_for 20 curl -fsS "$etcd/health" || die "etcd does not answer; see $state/etcd.log"
  spawn apiserver.pid apiserver.log "$bin/kube-apiserver" --etcd-servers="$etcd" --bind-address=127.0.0.1 \
    --secure-port="$port" --advertise-address=127.0.0.1 --endpoint-reconciler-type=none \
    --tls-cert-file=pki/apiserver.crt --tls-private-key-file=pki/apiserver.key --client-ca-file=pki/ca.crt \
    --service-cluster-ip-range=10.96.0.0/16 --service-account-issuer=https://kubernetes.default.svc \
    --service-account-key-file=pki/accounts.pub --service-account-signing-key-file=pki/accounts.key \
    --kubelet-client-certificate=pki/kubelet-client.crt --kubelet-client-key=pki/kubelet-client.key \
    --kubelet-preferred-address-types=InternalIP --token-auth-file=pki/tokens.csv --authorization-mode=Node,RBAC \
    --anonymous-auth=false --allow-privileged=true --profiling=false --feature-gates=TTLAfterFinished=true
  wait_for 60 api "$server/readyz" || die "kube-apiserver is not ready; see $state/apiserver.log"
  # With the default of 20 requests a second, 100 Jobs take half a minute to be noticed.
  spawn manager.pid manager.log "$bin/kube-controller-manager" --kubeconfig=manager.conf \
    --authentication-kubeconfig=manager.conf --authorization-kubeconfig=manager.conf --bind-address=127.0.0.1 \
    --secure-port=$((port + 3)) --port=0 --kube-api-qps=200 --kube-api-burst=400 --leader-elect=false \
    --use-service-account-credentials=true --service-account-private-key-file=pki/accounts.key \
    --root-ca-file=pki/ca.crt --profiling=false --feature-gates=TTLAfterFinished=true \
    --controllers=nodelifecycle,job,namespace,serviceaccount,serviceaccount-token,root-ca-cert-publisher,garbagecollector,podgc,ttl-after-finished,resourcequota
  spawn scheduler.pid scheduler.log "$bin/kube-scheduler" --kubeconfig=scheduler.conf \
    --authentication-kubeconfig=scheduler.conf --authorization-kubeconfig=scheduler.conf --bind-address=127.0.0.1 \
    --secure-port=$((port + 4)) --port=0 --leader-elect=false --profiling=false
}

# Namespace `jobs`, and the least rights that launching needs there. What is there already is left as it is.
give_rights() {
  local roles=/apis/rbac.authorization.k8s.io/v1/namespaces/jobs
  api "$server/api/v1/namespaces/jobs" >/dev/null 2>&1 || {
    post /api/v1/namespaces '{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "jobs"}}' >/dev/null
  }
  api -X DELETE "$server$roles/roles/launcher" >/dev/null 2>&1 || true
  post "$roles/roles" "$(cat "$engine_folder/kubernetes-role.json")" >/dev/null
  api "$server$roles/rolebindings/launcher" >/dev/null 2>&1 || post "$roles/rolebindings" '{
    "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "launcher"},
    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "launcher"},
    "subjects": [{"kind": "User", "name": "launcher", "apiGroup": "rbac.authorization.k8s.io"}]}' >/dev/null
  wait_for 30 api "$server/api/v1/namespaces/jobs/serviceaccounts/default" ||
    die "namespace jobs has no service account; see $state/manager.log"
}

engine_start() {
  need_packages etcd-server openssl curl python3 procps
  "$engine_folder/kubernetes-build.sh" "$bin"
  mkdir -p "$state"
  chmod 711 "$state"
  (make_keys)
  (umask 077 && echo "Authorization: Bearer $(cat "$state/pki/admin.token")" >"$state/admin.header")
  local name
  for name in admin manager scheduler node; do kubeconfig "$name"; done
  kubeconfig launcher jobs
  start_control_plane
  give_rights
  "start_${node}_node"
  printf '{"settings": {"kubernetes": {"kubeconfig": "%s", "namespaces": ["jobs"]}}, "env": {"LUNAPORT_KUBE_STATE": "%s", "LUNAPORT_KUBE_SERVER": "%s"}}\n' \
    "$state/launcher.conf" "$state" "$server"
}

engine_stop() {
  local name
  "stop_${node}_node"
  for name in scheduler manager apiserver etcd; do reap "$state/$name.pid" 15; done
}

# The API server alone: what runs on the node goes on.
engine_kill() { crash "$state/apiserver.pid"; }

engine_main "$@"
