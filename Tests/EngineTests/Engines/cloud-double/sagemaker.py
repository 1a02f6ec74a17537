"""SageMaker's training jobs and the part of CloudWatch Logs that reads them."""

import bisect
import time

from contracts import MODELS, Refusal, check_aws, invalid
from identity import ACCOUNT, REGION

GROUP = "/aws/sagemaker/TrainingJobs"
MESSAGES = {
    "Starting": "Starting the training job", "Downloading": "Downloading input data",
    "Training": "Training image download completed. Training in progress.",
}
# How jobs end that `DOUBLE_END` scripts: status, secondary status, failure reason. The texts are from reports of users.
SCRIPTS = {
    "capacity": (
        "Failed", "Failed", "CapacityError: Unable to provision requested ML compute capacity. Please retry using a "
        "different ML instance type."
    ),
    "internal": ("Failed", "Failed", "InternalServerError: We encountered an internal error. Please try again."),
    "image": ("Failed", "Failed", "ClientError: Cannot pull image: repository does not exist"),
    "oom": ("Failed", "Failed", "AlgorithmError: Out of memory. Please use a larger instance, exit code: 137"),
    "user": ("Failed", "Failed", 'AlgorithmError: ExecuteUserScriptError:\nExitCode 3\nErrorMessage "boom"'),
    "spot": ("Stopped", "Interrupted", None),
    "wait": ("Stopped", "MaxWaitTimeExceeded", None),
}
SUMMARY = (
    "TrainingJobName", "TrainingJobArn", "CreationTime", "TrainingEndTime", "LastModifiedTime", "TrainingJobStatus",
    "SecondaryStatus"
)
# Seconds of what comes after a job's command.
UPLOADING = STOPPING = 0.1


class SageMaker:
    def __init__(self, jobs):
        self.jobs = jobs
        # Log tokens of an earlier age are refused, as those older than a day are by CloudWatch.
        self.token_age = 0
        self.operations = {
            "sagemaker": {
                "CreateTrainingJob": self.create, "DescribeTrainingJob": lambda query: describe(self.job(query)),
                "StopTrainingJob": self.stop, "ListTrainingJobs": self.list, "ListTags": self.tags,
                "DeleteTrainingJob": self.delete
            },
            "logs": {"DescribeLogStreams": self.streams, "GetLogEvents": self.read},
        }

    def call(self, service, operation, query):
        model = MODELS[service]
        if operation not in model.operation_names:
            raise Refusal(400, "UnknownOperationException", operation)
        check_aws(model.operation_model(operation).input_shape, query)
        if operation not in self.operations[service]:
            raise Refusal(400, "UnknownOperationException", f"{operation}: not in this double")
        answer = self.operations[service][operation](query)
        shape = model.operation_model(operation).output_shape
        if shape:
            check_aws(shape, answer)
        return answer

    def job(self, query):
        job = self.jobs.get(query["TrainingJobName"])
        if not job:
            raise invalid("Requested resource not found.")
        return job

    def create(self, query):
        name, algorithm = query["TrainingJobName"], query.get("AlgorithmSpecification")
        if not algorithm or not (algorithm.get("TrainingImage") or algorithm.get("AlgorithmName")):
            raise invalid("AlgorithmSpecification with TrainingImage or AlgorithmName is required")
        for key in ("ResourceConfig", "StoppingCondition"):
            if key not in query:
                raise invalid(f"{key} is required")
        if self.jobs.get(name):
            text = "Training job names must be unique within an AWS account and region, and a training job with this"
            raise Refusal(400, "ResourceInUse", f"{text} name already exists")
        command = algorithm.get("ContainerEntrypoint", []) + algorithm.get("ContainerArguments", [])
        count = query["ResourceConfig"].get("InstanceCount", 1)
        environment = {**query.get("Environment", {}), "TRAINING_JOB_NAME": name}
        replicas = [
            {"argv": command or ["true"], "env": {**environment, "SM_CURRENT_HOST": f"algo-{index + 1}"}}
            for index in range(count)
        ]
        doc = {key: value for key, value in query.items() if key != "Tags"}
        doc["TrainingJobArn"] = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:training-job/{name}"
        output = query["OutputDataConfig"]["S3OutputPath"].rstrip("/")
        doc["ModelArtifacts"] = {"S3ModelArtifacts": f"{output}/{name}/output/model.tar.gz"}
        limit = query["StoppingCondition"].get("MaxRuntimeInSeconds", 86400)
        self.jobs.add(name, doc, {"tags": query.get("Tags", [])}, replicas, limit)
        return {"TrainingJobArn": doc["TrainingJobArn"]}

    def stop(self, query):
        job = self.job(query)
        status = describe(job)["TrainingJobStatus"]
        if status not in ("InProgress", "Stopping"):
            raise invalid(f"The request was rejected because the training job is in status {status}.")
        job.stop()
        return {}

    def delete(self, query):
        job = self.job(query)
        if describe(job)["TrainingJobStatus"] in ("InProgress", "Stopping"):
            raise Refusal(400, "ResourceInUse", "The training job is not in a terminal state")
        self.jobs.remove(job.name)
        return {}

    def list(self, query):
        found = []
        for job in self.jobs.all():
            if query.get("NameContains", "") in job.name:
                doc = describe(job)
                changed = doc["LastModifiedTime"] >= query.get("LastModifiedTimeAfter", 0)
                if changed and query.get("StatusEquals", doc["TrainingJobStatus"]) == doc["TrainingJobStatus"]:
                    found.append({key: doc[key] for key in SUMMARY if key in doc})
        newest_first = query.get("SortOrder", "Descending") != "Ascending"
        found.sort(key=lambda doc: doc["CreationTime"], reverse=newest_first)
        return page(found, "TrainingJobSummaries", query.get("NextToken"), query.get("MaxResults", 10), "NextToken")

    def tags(self, query):
        found = (job for job in self.jobs.all() if job.doc["TrainingJobArn"] == query["ResourceArn"])
        return {"Tags": next((job.extra["tags"] for job in found), [])}

    # CloudWatch Logs

    def streams(self, query):
        written = [job for job in self.jobs.all() if job.lines()]
        if query.get("logGroupName") != GROUP or not written:
            raise Refusal(400, "ResourceNotFoundException", "The specified log group does not exist.")
        found = []
        for job in written:
            for replica in sorted({replica for _, _, replica, _ in job.lines()}):
                name = f"{job.name}/algo-{replica + 1}-{int(job.created)}"
                if name.startswith(query.get("logStreamNamePrefix", "")):
                    found.append({"logStreamName": name, "creationTime": int(job.created * 1000)})
        found.sort(key=lambda stream: stream["logStreamName"])
        return page(found, "logStreams", query.get("nextToken"), query.get("limit", 50), "nextToken")

    def read(self, query):
        name, _, host = query["logStreamName"].partition("/")
        job = self.jobs.get(name)
        lines = job.lines(int(host.split("-")[1]) - 1) if job and query.get("logGroupName") == GROUP else []
        if not lines:
            raise Refusal(400, "ResourceNotFoundException", "The specified log stream does not exist.")
        most = query.get("limit", 10000)
        begin, offset = query.get("startTime", 0), 0
        if "nextToken" in query:
            kind, age, begin, offset = query["nextToken"].split("/")
            if kind != "f" or int(age) != self.token_age:
                raise Refusal(400, "InvalidParameterException", "The specified nextToken is invalid.")
            begin, offset = int(begin), int(offset)
        first = bisect.bisect_left(lines, begin, key=lambda line: int(line[0] * 1000))
        lines = lines[first:]
        if "nextToken" not in query and not query.get("startFromHead"):
            offset = max(0, len(lines) - most)
        # An empty line is no event of CloudWatch's: its messages have one character at least.
        events = [
            {"timestamp": int(at * 1000), "message": text or " ", "ingestionTime": int(at * 1000)}
            for at, _, _, text in lines[offset:offset + most]
        ]
        return {
            "events": events, "nextForwardToken": f"f/{self.token_age}/{begin}/{offset + len(events)}",
            "nextBackwardToken": f"b/{self.token_age}/{begin}/{offset}"
        }


def page(found, key, token, most, token_key):
    start = int(token or 0)
    answer = {key: found[start:start + most]}
    if start + most < len(found):
        answer[token_key] = str(start + most)
    return answer


def describe(job):
    """The job's document as DescribeTrainingJob answers it, from what has happened so far."""
    doc, now = dict(job.doc, CreationTime=job.created), time.time()
    transitions = []

    def enter(secondary, at, message):
        if transitions and transitions[-1]["Status"] == secondary:
            return
        if transitions:
            transitions[-1]["EndTime"] = at
        transitions.append({"Status": secondary, "StartTime": at, "StatusMessage": message})

    enter("Starting", job.created, "Preparing the instances for training")
    for phase in job.phases():
        name = "Training" if phase["phase"] == "run" else phase["phase"]
        enter(name, phase["at"], MESSAGES[name])
        if name == "Training":
            doc["TrainingStartTime"] = phase["at"]
    status, end = "InProgress", job.end()
    if end is None and job.is_stopping():
        status = "Stopping"
        enter("Stopping", now, "Stopping the training job")
    elif end:
        status = ended(job, doc, end, enter, now)
    doc.update(
        TrainingJobStatus=status, SecondaryStatus=transitions[-1]["Status"], SecondaryStatusTransitions=transitions,
        LastModifiedTime=transitions[-1]["StartTime"]
    )
    return doc


def ended(job, doc, end, enter, now):
    at, how = end["at"], end["end"]
    if how == "script":
        status, secondary, reason = SCRIPTS[job.task["script"]]
        if reason:
            doc["FailureReason"] = reason
        enter(secondary, at, "Training job " + status.lower())
    elif how == "stopped":
        enter("Stopping", at, "Stopping the training job")
        if now < at + STOPPING:
            return "Stopping"
        status = "Stopped"
        enter("Stopped", at + STOPPING, "Training job stopped")
    elif how == "timeout":
        status = "Stopped"
        enter("MaxRuntimeExceeded", at, "Training job runtime exceeded MaxRuntimeInSeconds provided")
    elif end["code"] == 0:
        enter("Uploading", at, "Uploading generated training model")
        if now < at + UPLOADING:
            return "InProgress"
        status = "Completed"
        enter("Completed", at + UPLOADING, "Training job completed")
    else:
        status = "Failed"
        doc["FailureReason"] = f"AlgorithmError: , exit code: {end['code']}"
        enter("Failed", at, "Training job failed")
    doc["TrainingEndTime"] = at
    begun = doc.get("TrainingStartTime", at)
    doc["TrainingTimeInSeconds"] = doc["BillableTimeInSeconds"] = max(1, int(at - begun))
    return status
