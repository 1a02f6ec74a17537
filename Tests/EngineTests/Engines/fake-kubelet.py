#!/usr/bin/env python3
"""Plays a node for a kube-apiserver that has none: every pod bound to it walks through the phases a kubelet reports.

usage: fake-kubelet.py API_URL CA_FILE TOKEN_FILE

It runs nothing and has no logs: it is for states that a real node reaches only in trouble. Annotations steer a pod:
  fake/seconds      how long it runs (0.5)
  fake/exit-code    of its first container (0)
  fake/reason       of the container's end, such as OOMKilled
  fake/waiting      it stays Pending with this reason, such as ImagePullBackOff or ContainerCreating
  fake/message      beside it
  fake/evict        ends Failed with this reason, such as Evicted
  fake/disrupt      ends Failed with the condition DisruptionTarget, for this reason, such as PreemptionByScheduler
"""

import datetime
import json
import ssl
import sys
import time
import urllib.error
import urllib.request

NODE = "fake"
BEAT_SECONDS = 10
LOOK_SECONDS = 0.2
MERGE = "application/merge-patch+json"
CAPACITY = {"cpu": "64", "memory": "256Gi", "pods": "5000", "ephemeral-storage": "1Ti", "nvidia.com/gpu": "8"}
INFO = ["machineID", "systemUUID", "bootID", "kernelVersion", "osImage", "containerRuntimeVersion", "kubeletVersion",
        "kubeProxyVersion"]


def now():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


class Node:
    def __init__(self, api, ca, token):
        self.api = api
        self.tls = ssl.create_default_context(cafile=ca)
        self.token = token
        self.started = {}
        self.waiting = set()

    def call(self, method, path, body=None, kind="application/json"):
        request = urllib.request.Request(
            self.api + path, method=method, data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": "Bearer " + self.token, "Content-Type": kind})
        with urllib.request.urlopen(request, context=self.tls, timeout=30) as answer:
            return json.load(answer)

    def register(self):
        labels = {"kubernetes.io/hostname": NODE, "kubernetes.io/os": "linux"}
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE, "labels": labels}}
        try:
            self.call("POST", "/api/v1/nodes", node)
        except urllib.error.HTTPError as error:
            if error.code != 409:
                raise
        self.call("PATCH", f"/api/v1/nodes/{NODE}", {"spec": {"taints": None}}, MERGE)
        ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "fake",
                 "lastHeartbeatTime": now(), "lastTransitionTime": now()}
        info = dict.fromkeys(INFO, "fake") | {"operatingSystem": "linux", "architecture": "amd64"}
        self.call("PATCH", f"/api/v1/nodes/{NODE}/status", {"status": {
            "capacity": CAPACITY, "allocatable": CAPACITY, "conditions": [ready], "nodeInfo": info,
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}, {"type": "Hostname", "address": NODE}],
        }}, MERGE)

    def report(self, pod, phase, state, ready=False, conditions=(), **more):
        meta = pod["metadata"]
        flags = {"PodScheduled": True, "Initialized": True, "ContainersReady": ready, "Ready": ready}
        conditions = [*conditions, *({"type": name, "status": str(flag), "lastTransitionTime": now()}
                                     for name, flag in flags.items())]
        containers = [
            {"name": c["name"], "image": c["image"], "imageID": "fake://" + c["image"], "ready": ready,
             "containerID": f"fake://{meta['uid']}/{c['name']}", "started": ready, "restartCount": 0,
             "lastState": {}, "state": state}
            for c in pod["spec"]["containers"]]
        self.call("PATCH", f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}/status", {"status": {
            "phase": phase, "conditions": conditions, "hostIP": "127.0.0.1", "containerStatuses": containers,
            "startTime": pod["status"].get("startTime") or now(), **more}}, MERGE)

    def ended(self, code, reason, since):
        return {"terminated": {"exitCode": code, "reason": reason, "startedAt": since, "finishedAt": now()}}

    def begin(self, pod, wish):
        uid = pod["metadata"]["uid"]
        if "fake/waiting" in wish:
            if uid not in self.waiting:
                self.waiting.add(uid)
                waiting = {"reason": wish["fake/waiting"], "message": wish.get("fake/message", "")}
                self.report(pod, "Pending", {"waiting": waiting})
            return
        if "fake/evict" in wish:
            self.report(pod, "Failed", self.ended(137, "Error", now()), reason=wish["fake/evict"],
                        message=wish.get("fake/message", "The node was low on resource: memory."))
            return
        if "fake/disrupt" in wish:
            disrupted = {"type": "DisruptionTarget", "status": "True", "reason": wish["fake/disrupt"],
                         "message": wish.get("fake/message", ""), "lastTransitionTime": now()}
            self.report(pod, "Failed", self.ended(143, "Error", now()), conditions=[disrupted])
            return
        self.started[uid] = (time.monotonic(), now())
        self.report(pod, "Running", {"running": {"startedAt": now()}}, ready=True)

    def go_on(self, pod, wish):
        uid = pod["metadata"]["uid"]
        since, at = self.started.setdefault(uid, (time.monotonic(), now()))
        if time.monotonic() - since < float(wish.get("fake/seconds", "0.5")):
            return
        code = int(wish.get("fake/exit-code", "0"))
        reason = wish.get("fake/reason") or ("Completed" if code == 0 else "Error")
        self.report(pod, "Succeeded" if code == 0 else "Failed", self.ended(code, reason, at))
        del self.started[uid]

    def step(self, pod):
        meta = pod["metadata"]
        if meta.get("deletionTimestamp"):
            self.call("DELETE", f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}", {
                "apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0,
                "preconditions": {"uid": meta["uid"]}})
            return
        phase = pod["status"].get("phase")
        wish = meta.get("annotations") or {}
        if phase == "Pending":
            self.begin(pod, wish)
        elif phase == "Running":
            self.go_on(pod, wish)

    def look(self):
        for pod in self.call("GET", f"/api/v1/pods?fieldSelector=spec.nodeName%3D{NODE}")["items"]:
            try:
                self.step(pod)
            except urllib.error.HTTPError as error:
                # It was deleted or changed in between: the next look sees it as it is.
                if error.code not in (404, 409):
                    print(now(), pod["metadata"]["name"], error, error.read()[:300], flush=True)


def main():
    api, ca, token_file = sys.argv[1:4]
    with open(token_file, encoding="ascii") as file:
        node = Node(api, ca, file.read().strip())
    beat = None
    while True:
        try:
            if beat is None or time.monotonic() - beat > BEAT_SECONDS:
                node.register()
                beat = time.monotonic()
            node.look()
        except OSError as error:  # the server is away: HTTPError and URLError are OSErrors
            print(now(), repr(error), flush=True)
            beat = None
            time.sleep(1)
        time.sleep(LOOK_SECONDS)


main()
