#!/usr/bin/env python3
"""Writes an image of Debian's busybox-static as a `docker save` archive, with no engine and no registry.

usage: mk-image.py OUT.tar NAME:TAG [WORD OF THE ENTRY POINT...]

It loads with `POST /images/load`, `podman load -i` and `ctr images import`. The same busybox gives the same image.
"""

import hashlib
import io
import json
import subprocess
import sys
import tarfile

BUSYBOX = "/bin/busybox"
CREATED = "2020-01-01T00:00:00Z"
FOLDERS = ["bin", "etc", "proc", "sys", "dev", "root", "var", "usr", "usr/bin"]
USERS = b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/tmp:/bin/false\n"
GROUPS = b"root:x:0:\nnogroup:x:65534:\n"


def layer():
    applets = subprocess.run([BUSYBOX, "--list"], capture_output=True, text=True, check=True).stdout.split()
    with open(BUSYBOX, "rb") as file:
        busybox = file.read()
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        def add(name, kind=tarfile.REGTYPE, data=b"", link="", mode=0o755):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode, entry.linkname, entry.size = kind, mode, link, len(data)
            tar.addfile(entry, io.BytesIO(data))

        for folder in FOLDERS:
            add(folder, tarfile.DIRTYPE)
        add("tmp", tarfile.DIRTYPE, mode=0o1777)
        add("bin/busybox", data=busybox)
        for applet in applets:
            if applet != "busybox":
                add("bin/" + applet, tarfile.SYMTYPE, link="busybox")
        add("usr/bin/env", tarfile.SYMTYPE, link=BUSYBOX)
        add("etc/passwd", data=USERS, mode=0o644)
        add("etc/group", data=GROUPS, mode=0o644)
    return out.getvalue()


def main(out, reference, *entry_point):
    data = layer()
    digest = hashlib.sha256(data).hexdigest()
    start = {"Entrypoint": list(entry_point)} if entry_point else {"Cmd": ["/bin/sh"]}
    config = json.dumps({
        "architecture": "amd64",
        "os": "linux",
        "created": CREATED,
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + digest]},
        "history": [{"created": CREATED, "created_by": "mk-image.py"}],
        "config": {"Env": ["PATH=/bin:/usr/bin"], "WorkingDir": "/", **start},
    }, sort_keys=True).encode()
    identity = hashlib.sha256(config).hexdigest()
    manifest = [{"Config": identity + ".json", "RepoTags": [reference], "Layers": [digest + "/layer.tar"]}]
    with tarfile.open(out, "w") as tar:
        for name, body in (
            (identity + ".json", config),
            (digest + "/layer.tar", data),
            ("manifest.json", json.dumps(manifest).encode()),
        ):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(body), 0o644
            tar.addfile(entry, io.BytesIO(body))
    print(reference, "sha256:" + identity)


if len(sys.argv) < 3:
    sys.exit(__doc__)
main(*sys.argv[1:])
