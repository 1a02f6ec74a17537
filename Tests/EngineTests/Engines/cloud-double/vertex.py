"""Vertex AI's custom jobs, and entries:list of Cloud Logging."""

import bisect
import datetime
import json
import re
import secrets

from contracts import LOGGING, VERTEX, Refusal, check_google
from identity import PROJECT

SCHEMA = "GoogleCloudAiplatformV1CustomJob"
PATH = re.compile(r"/v1/(projects/([^/]+)/locations/([^/]+))/customJobs(?:/([^/:]+))?(?::(cancel))?")
OPEN = ("JOB_STATE_QUEUED", "JOB_STATE_PENDING", "JOB_STATE_RUNNING", "JOB_STATE_CANCELLING")
# How jobs end that `DOUBLE_END` scripts: state and error. The texts are from reports of users.
SCRIPTS = {
    "oom": (
        "JOB_STATE_FAILED", 3, "The replica workerpool0-0 ran out-of-memory and exited with a non-zero status of "
        "137(SIGKILL)."
    ),
    "internal": ("JOB_STATE_FAILED", 13, "Internal error encountered."),
    "preempted": ("JOB_STATE_FAILED", 10, "The replica workerpool0-0 was preempted."),
    "capacity": (
        "JOB_STATE_FAILED", 8, "Resources are insufficient in region: us-central1. Please try a different region."
    ),
    "expired": ("JOB_STATE_EXPIRED", 4, "The job waited for resources longer than allowed."),
}
FILTERS = (
    r'labels\.(?P<label>[a-z_0-9]+)="(?P<labelled>[^"]*)"|state="(?P<state>[A-Z_]+)"|'
    r'display_name="(?P<display>[^"]*)"'
)


class Vertex:
    def __init__(self, jobs):
        self.jobs = jobs

    def call(self, method, path, query, body):
        matched = PATH.fullmatch(path)
        if not matched:
            raise Refusal(404, "NOT_FOUND", "Method not found.")
        parent, project, _, number, verb = matched.groups()
        if project != PROJECT:
            raise Refusal(403, "PERMISSION_DENIED", f"Permission denied on resource project {project}.")
        if number:
            job = self.jobs.get(f"{parent}/customJobs/{number}")
            if not job:
                raise Refusal(404, "NOT_FOUND", f"The CustomJob does not exist: {parent}/customJobs/{number}")
            if body and json.loads(body) != {}:
                raise Refusal(400, "INVALID_ARGUMENT", "Invalid JSON payload received.")
            return self.act(method, parent, job, verb, query)
        if method == "POST":
            check_query("create", query)
            return self.create(parent, json.loads(body))
        if method == "GET":
            check_query("list", query)
            return self.list(parent, query)
        raise Refusal(404, "NOT_FOUND", "Method not found.")

    def act(self, method, parent, job, verb, query):
        state = describe(job)["state"]
        if method == "GET":
            check_query("get", query)
            return answer(job)
        if method == "POST" and verb == "cancel":
            check_query("cancel", query)
            if state not in OPEN:
                raise Refusal(400, "FAILED_PRECONDITION", f"The CustomJob is in state {state}")
            job.stop()
            return {}
        if method == "DELETE":
            check_query("delete", query)
            if state in OPEN:
                raise Refusal(400, "FAILED_PRECONDITION", "must be in a final state")
            self.jobs.remove(job.name)
            empty = {"@type": "type.googleapis.com/google.protobuf.Empty"}
            return {"name": f"{parent}/operations/{secrets.randbelow(10**18)}", "done": True, "response": empty}
        raise Refusal(404, "NOT_FOUND", "Method not found.")

    def create(self, parent, doc):
        check_google(VERTEX, SCHEMA, doc)
        for key in ("displayName", "jobSpec"):
            if key not in doc:
                raise Refusal(400, "INVALID_ARGUMENT", f"Required field is not set: {key}")
        if len(doc["displayName"]) > 128:
            raise Refusal(400, "INVALID_ARGUMENT", "displayName has 128 characters at most")
        for key, value in doc.get("labels", {}).items():
            if not re.fullmatch(r"[a-z][a-z0-9_-]{0,62}", key) or not re.fullmatch(r"[a-z0-9_-]{0,63}", value):
                raise Refusal(400, "INVALID_ARGUMENT", f"label {key}={value}")
        pools = doc["jobSpec"].get("workerPoolSpecs") or []
        if not pools or "machineSpec" not in pools[0] or not {"containerSpec", "pythonPackageSpec"} & set(pools[0]):
            text = "workerPoolSpecs[0] needs machineSpec and containerSpec or pythonPackageSpec"
            raise Refusal(400, "INVALID_ARGUMENT", text)
        replicas = []
        for pool in pools:
            container = pool.get("containerSpec", {})
            if len(container.get("env", [])) > 100:
                raise Refusal(400, "INVALID_ARGUMENT", "env has 100 entries at most")
            environment = {entry["name"]: entry.get("value", "") for entry in container.get("env", [])}
            command = container.get("command", []) + container.get("args", [])
            replicas += [{"argv": command or ["true"], "env": environment}] * int(pool.get("replicaCount", 1))
        name = f"{parent}/customJobs/{secrets.randbelow(9 * 10**18) + 10**18}"
        limit = float(doc["jobSpec"].get("scheduling", {}).get("timeout", "604800s")[:-1])
        return answer(self.jobs.add(name, doc, {}, replicas, limit))

    def list(self, parent, query):
        found = [describe(job) for job in self.jobs.all() if job.name.startswith(f"{parent}/")]
        wanted, rest = query.get("filter", ""), re.sub(FILTERS, "", query.get("filter", ""))
        if rest.replace("AND", "").strip():
            raise Refusal(400, "INVALID_ARGUMENT", f"this double cannot read the filter: {rest}")
        for part in re.finditer(FILTERS, wanted):
            if part["label"]:
                found = [doc for doc in found if doc.get("labels", {}).get(part["label"]) == part["labelled"]]
            elif part["state"]:
                found = [doc for doc in found if doc["state"] == part["state"]]
            else:
                found = [doc for doc in found if doc["displayName"] == part["display"]]
        found.sort(key=lambda doc: doc["createTime"], reverse=True)
        start, most = int(query.get("pageToken") or 0), int(query.get("pageSize", 50))
        result = {"customJobs": found[start:start + most]}
        if start + most < len(found):
            result["nextPageToken"] = str(start + most)
        return result

    def entries(self, doc):
        """entries:list, with the filters that the driver sends: a job's id, and bounds of time and insertId."""
        check_google(LOGGING, "ListLogEntriesRequest", doc)
        if not doc.get("resourceNames"):
            raise Refusal(400, "INVALID_ARGUMENT", "resourceNames")
        given = doc.get("filter", "")
        number = re.search(r'resource\.labels\.job_id="(\d+)"', given)
        after = re.search(r'timestamp>="([^"]+)"', given)
        before = re.search(r'timestamp<"([^"]+)"', given)
        job = next((job for job in self.jobs.all() if number and job.name.endswith("/" + number[1])), None)
        # Lines are in the order of their times; a text is made of those alone that are asked for.
        lines = job.lines() if job else []
        first = bisect.bisect_left(lines, seconds(after[1]) - 1, key=lambda line: line[0]) if after else 0
        start, most = int(doc.get("pageToken") or 0), doc.get("pageSize", 50)
        found = []
        for at, order, replica, text in lines[first:]:
            moment = stamp(at)
            if after and moment < padded(after[1]):
                continue
            if before and moment >= padded(before[1]) or len(found) > start + most:
                break
            found.append((moment, order, replica, text))
        result = {"entries": [entry(number[1], *line) for line in found[start:start + most]]}
        if start + most < len(found):
            result["nextPageToken"] = str(start + most)
        return result


def check_query(method, query):
    """Unknown query parameters are refused, as the service does."""
    resource = VERTEX["resources"]["projects"]["resources"]["locations"]["resources"]["customJobs"]
    for key in query:
        if key not in resource["methods"][method]["parameters"] and key not in VERTEX["parameters"]:
            raise Refusal(400, "INVALID_ARGUMENT", f'Unknown name "{key}": Cannot bind query parameter.')


def answer(job):
    doc = describe(job)
    check_google(VERTEX, SCHEMA, doc, is_answer=True)
    return doc


def entry(number, moment, order, replica, text):
    task = f"workerpool0-{replica}"
    labels = {"job_id": number, "task_name": task, "project_id": PROJECT}
    return {
        "timestamp": moment, "insertId": f"{order:08d}", "jsonPayload": {"message": text}, "severity": "INFO",
        "resource": {"type": "ml_job", "labels": labels}, "logName": f"projects/{PROJECT}/logs/{task}"
    }


def stamp(seconds):
    moment = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def padded(text):
    """A time of a filter, which may have nanoseconds or whole seconds, as `stamp` writes it."""
    return f"{text[:19]}.{(text[20:-1] + '000000')[:6]}Z"


def seconds(text):
    return datetime.datetime.fromisoformat(padded(text)[:-1] + "+00:00").timestamp()


def describe(job):
    doc = {**job.doc, "name": job.name, "createTime": stamp(job.created), "updateTime": stamp(job.created)}
    state, end = "JOB_STATE_PENDING", job.end()
    for phase in job.phases():
        doc["updateTime"] = stamp(phase["at"])
        if phase["phase"] == "run":
            state, doc["startTime"] = "JOB_STATE_RUNNING", stamp(phase["at"])
    if end is None:
        if job.is_stopping():
            state = "JOB_STATE_CANCELLING"
        return {**doc, "state": state}
    doc["endTime"] = doc["updateTime"] = stamp(end["at"])
    how, error = end["end"], None
    if how == "script":
        state, code, message = SCRIPTS[job.task["script"]]
        error = {"code": code, "message": message}
    elif how == "stopped":
        state, error = "JOB_STATE_CANCELLED", {"code": 1, "message": "CANCELED"}
    elif how == "timeout":
        state, error = "JOB_STATE_FAILED", {"code": 4, "message": "The job exceeded its timeout."}
    elif end["code"] == 0:
        state = "JOB_STATE_SUCCEEDED"
    else:
        text = f"The replica workerpool0-0 exited with a non-zero status of {end['code']}."
        state, error = "JOB_STATE_FAILED", {"code": 3, "message": text}
    return {**doc, "state": state, **({"error": error} if error else {})}
