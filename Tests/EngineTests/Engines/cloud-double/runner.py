"""runner.py FOLDER: carries out one job of the double: its phases, then its command as local processes, one for each
replica. Everything that happens is a line of FOLDER/events, so that the double may be killed and started again while
the job goes on. FOLDER/stop asks it to end."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

folder = sys.argv[1]
with open(f"{folder}/task.json") as file:
    task = json.load(file)
events = open(f"{folder}/events", "a", buffering=1)
lock = threading.Lock()
# Seconds between the polite signal and the kill. SageMaker gives 120, Vertex 30; tests cannot wait so long.
GRACE = 2.0


def tell(**event):
    with lock:
        events.write(json.dumps({"at": time.time(), **event}) + "\n")


def stopped():
    return os.path.exists(f"{folder}/stop")


def finish(how, code=None):
    tell(end=how, code=code)
    sys.exit(0)


def follow(process, replica):
    for line in process.stdout:
        tell(line=line.rstrip(b"\n").decode("utf-8", "replace"), replica=replica)


def end(processes, number):
    for process in processes:
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            pass


for phase, seconds in task["phases"]:
    tell(phase=phase)
    until = time.time() + seconds
    while time.time() < until:
        if stopped():
            finish("stopped")
        time.sleep(0.02)
if task["script"]:
    finish("script")
tell(phase="run")
begun, processes, readers = time.time(), [], []
for index, replica in enumerate(task["replicas"]):
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", **replica["env"]}
    try:
        process = subprocess.Popen(
            replica["argv"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment, start_new_session=True
        )
    except OSError as error:
        tell(line=str(error), replica=index)
        end(processes, signal.SIGKILL)
        finish("exit", 127)
    processes.append(process)
    readers.append(threading.Thread(target=follow, args=(process, index), daemon=True))
    readers[-1].start()
how = "exit"
while any(process.poll() is None for process in processes):
    if any(process.poll() not in (None, 0) for process in processes):
        # One replica that fails ends the job.
        end(processes, signal.SIGKILL)
    elif how == "exit" and (stopped() or time.time() - begun > task["limit"]):
        how = "stopped" if stopped() else "timeout"
        end(processes, signal.SIGTERM)
        patience = time.time() + GRACE
        while time.time() < patience and any(process.poll() is None for process in processes):
            time.sleep(0.02)
        end(processes, signal.SIGKILL)
    time.sleep(0.02)
for reader in readers:
    reader.join(5)
codes = [process.returncode for process in processes if process.returncode != 0] or [0]
finish(how, codes[0] if codes[0] >= 0 else 128 - codes[0])
