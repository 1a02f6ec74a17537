"""Jobs of the double, each in a folder of its own: they outlive the double's process, as a cloud's jobs would."""

import json
import os
import subprocess
import sys
import threading
import time

RUNNER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "runner.py")
# Seconds of the phases before a job's command runs; on the real services these are minutes.
PHASES = [["Starting", 0.2], ["Downloading", 0.2]]


class Job:
    """One job: the document its client sent, and what has happened since."""

    def __init__(self, folder):
        self.folder = folder
        with open(f"{folder}/record.json") as file:
            record = json.load(file)
        self.kind, self.name, self.created, self.doc, self.extra = (
            record[key] for key in ("kind", "name", "created", "doc", "extra")
        )
        with open(f"{folder}/task.json") as file:
            self.task = json.load(file)
        self.events, self.printed, self.offset, self.lock = [], [], 0, threading.Lock()

    def read(self):
        """All that has happened so far, in order, but for what was printed."""
        with self.lock:
            try:
                with open(f"{self.folder}/events", "rb") as file:
                    file.seek(self.offset)
                    for line in file:
                        if not line.endswith(b"\n"):
                            break
                        self.offset += len(line)
                        event = json.loads(line)
                        if "line" in event:
                            number = len(self.printed)
                            self.printed.append((event["at"], number, event["replica"], event["line"]))
                        else:
                            self.events.append(event)
            except FileNotFoundError:
                pass
            return list(self.events)

    def phases(self):
        return [event for event in self.read() if "phase" in event]

    def end(self):
        return next((event for event in self.read() if "end" in event), None)

    def lines(self, replica=None):
        """(seconds, number, replica, text) of what has become visible. DOUBLE_LOG_DELAY makes all of it late,
        DOUBLE_LOG_LATE every third line later than the ones that follow it."""
        self.read()
        environment = self.task["replicas"][0]["env"]
        delay, late = float(environment.get("DOUBLE_LOG_DELAY", 0)), float(environment.get("DOUBLE_LOG_LATE", 0))
        found = self.printed
        if len(self.task["replicas"]) > 1 and replica is not None:
            found = [line for line in found if line[2] == replica]
        if delay == 0 and late == 0:
            return found
        now = time.time()
        return [line for line in found if now >= line[0] + delay + (late if line[1] % 3 == 0 else 0)]

    def is_stopping(self):
        return os.path.exists(f"{self.folder}/stop")

    def stop(self):
        with open(f"{self.folder}/stop", "w"):
            pass


class Jobs:
    """All jobs of one kind (sagemaker, vertex)."""

    def __init__(self, state, kind):
        self.folder, self.kind, self.lock, self.found = f"{state}/{kind}", kind, threading.RLock(), {}
        os.makedirs(self.folder, exist_ok=True)
        for name in sorted(os.listdir(self.folder)):
            if os.path.exists(f"{self.folder}/{name}/record.json"):
                job = Job(f"{self.folder}/{name}")
                self.found[job.name] = job

    def all(self):
        with self.lock:
            return list(self.found.values())

    def get(self, name):
        with self.lock:
            return self.found.get(name)

    def remove(self, name):
        with self.lock:
            job = self.found.pop(name)
            os.rename(f"{job.folder}/record.json", f"{job.folder}/removed.json")

    def add(self, name, doc, extra, replicas, limit):
        """Starts a job. `DOUBLE_END` in its environment makes it end in that way, without running anything."""
        script = replicas[0]["env"].get("DOUBLE_END")
        phases = PHASES
        if "DOUBLE_PENDING" in replicas[0]["env"]:
            phases = [["Starting", float(replicas[0]["env"]["DOUBLE_PENDING"])]]
        with self.lock:
            folder = f"{self.folder}/{len(os.listdir(self.folder)):06d}"
            os.makedirs(folder)
            task = {"replicas": replicas, "limit": limit, "phases": phases, "script": script}
            record = {"kind": self.kind, "name": name, "created": time.time(), "doc": doc, "extra": extra}
            for file_name, value in (("task.json", task), ("record.json", record)):
                with open(f"{folder}/{file_name}", "w") as file:
                    json.dump(value, file)
            subprocess.Popen(
                [sys.executable, "-I", "-S", RUNNER, folder], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL, start_new_session=True
            )
            job = self.found[name] = Job(folder)
            return job
