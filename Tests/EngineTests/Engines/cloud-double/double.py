#!/usr/bin/env python3
"""double.py PORT STATE: a loopback stand-in for SageMaker's training jobs, CloudWatch Logs, Vertex AI's custom jobs,
Cloud Logging, Google's token endpoint and both clouds' metadata, in one server. It judges its client by the vendors'
own machine-readable contracts, not by the drivers: signatures and tokens are verified, bodies are held against the
published models, unknown fields are refused. A job's command really runs, as local processes.

It proves that requests are well formed and signed. It does not prove quotas, permissions, image pulls, real times, nor
the exact texts and codes of errors.

For tests: POST /_double/fault {"count": 2, "status": 429|500|"drop"|"slow"|"expired", "match": "CreateTrainingJob",
"when": "before"|"after", "code": ..., "skip": 1} makes requests fail, after the effect too; POST /_double/lifetime
{"seconds": 3}, /_double/expire_log_tokens, /_double/forget_tokens; GET and DELETE /_double/requests; GET
/_double/jobs."""

import json
import re
import secrets
import sys
import threading
import time
import traceback
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from contracts import Refusal
from identity import Identity
from jobs import Jobs
from sagemaker import SageMaker
from vertex import Vertex

PORT, STATE = int(sys.argv[1]), sys.argv[2]
SERVICES = {"SageMaker": "sagemaker", "Logs_20140328": "logs"}
AWS_TYPE = "application/x-amz-json-1.1"


class Double:
    def __init__(self):
        self.identity = Identity(STATE, f"http://127.0.0.1:{PORT}")
        self.sagemaker = SageMaker(Jobs(STATE, "sagemaker"))
        self.vertex = Vertex(Jobs(STATE, "vertex"))
        self.lock, self.seen, self.fault = threading.Lock(), [], {"count": 0}

    def next_fault(self, request):
        """The fault for this request, if one is due; faults are counted as they are given out."""
        with self.lock:
            self.seen.append(request)
            text = f"{request['target']} {request['method']} {request['path']}"
            if self.fault["count"] <= 0 or not re.search(self.fault.get("match", ""), text):
                return None
            if self.fault.get("skip", 0) > 0:
                self.fault["skip"] -= 1
                return None
            self.fault["count"] -= 1
            return dict(self.fault)

    def control(self, method, path, body):
        with self.lock:
            if path == "/_double/fault":
                self.fault = {"count": 0, **json.loads(body)}
            elif path == "/_double/lifetime":
                self.identity.lifetime = float(json.loads(body)["seconds"])
            elif path == "/_double/expire_log_tokens":
                self.sagemaker.token_age += 1
            elif path == "/_double/forget_tokens":
                self.identity.tokens.clear()
            elif path == "/_double/requests":
                seen, self.seen = self.seen, [] if method == "DELETE" else self.seen
                return seen
            elif path == "/_double/jobs":
                return {
                    "sagemaker": [{"name": job.name, "tags": job.extra["tags"]} for job in self.sagemaker.jobs.all()],
                    "vertex": [
                        {"name": job.name, "labels": job.doc.get("labels", {})} for job in self.vertex.jobs.all()
                    ],
                }
            else:
                raise Refusal(404, "NOT_FOUND", path)
            return {}


double = Double()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def reply(self, status, doc, kind="application/json"):
        body = doc.encode() if isinstance(doc, str) else json.dumps(doc).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if kind == AWS_TYPE:
            self.send_header("x-amzn-RequestId", secrets.token_hex(16))
        self.end_headers()
        self.wfile.write(body)

    def handle_any(self):
        url = urllib.parse.urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        target = self.headers.get("X-Amz-Target", "")
        try:
            if url.path.startswith("/_double/"):
                return self.reply(200, double.control(self.command, url.path, body))
            request = {"method": self.command, "path": self.path, "target": target, "at": time.time()}
            request["body"] = "" if url.path == "/token" else body.decode("utf-8", "replace")
            fault = double.next_fault(request)
            if fault and fault.get("when") != "after":
                self.break_down(fault)
            answer = self.answer(url, body, target)
            if fault and fault.get("when") == "after":
                self.break_down(fault)
            self.reply(200, answer, AWS_TYPE if target else "application/json")
        except ConnectionError:
            # A fault that drops the connection, or a client that has gone.
            self.close_connection = True
            self.connection.close()
        except Refusal as refusal:
            self.refuse(refusal, url.path, target)
        except (KeyError, ValueError, TypeError, AttributeError):
            print(traceback.format_exc(), file=sys.stderr, flush=True)
            self.refuse(Refusal(400, "SerializationException", "the double cannot read this"), url.path, target)

    def break_down(self, fault):
        if fault["status"] == "drop":
            raise ConnectionAbortedError
        if fault["status"] == "slow":
            return time.sleep(float(fault.get("seconds", 5)))
        if fault["status"] == "expired":
            raise Refusal(400, "ExpiredTokenException", "The security token included in the request is expired")
        code = fault.get("code") or ("ThrottlingException" if fault["status"] == 429 else "InternalFailure")
        raise Refusal(fault["status"], code, "injected")

    def answer(self, url, body, target):
        if target:
            service, _, operation = target.partition(".")
            if service not in SERVICES:
                raise Refusal(400, "UnknownOperationException", target)
            if self.headers.get("Content-Type") != AWS_TYPE:
                raise Refusal(400, "SerializationException", "Content-Type")
            double.identity.check_aws(self.headers, self.command, self.path, body, SERVICES[service])
            return double.sagemaker.call(SERVICES[service], operation, json.loads(body or b"{}"))
        if url.path == "/token":
            return double.identity.exchange(body)
        found = double.identity.metadata(self.command, url.path, self.headers)
        if found is not None:
            return found
        double.identity.check_google(self.headers)
        if url.path == "/v2/entries:list":
            return double.vertex.entries(json.loads(body))
        return double.vertex.call(self.command, url.path, dict(urllib.parse.parse_qsl(url.query)), body)

    def refuse(self, refusal, path, target):
        if target:
            self.reply(refusal.status, {"__type": refusal.code, "message": refusal.message}, AWS_TYPE)
        elif path == "/token":
            self.reply(refusal.status, {"error": refusal.code, "error_description": refusal.message})
        else:
            error = {"code": refusal.status, "message": refusal.message, "status": refusal.code}
            self.reply(refusal.status, {"error": error})

    do_GET = do_POST = do_DELETE = do_PATCH = do_PUT = handle_any


ThreadingHTTPServer.daemon_threads = True
ThreadingHTTPServer.request_queue_size = 256
ThreadingHTTPServer(("127.0.0.1", PORT), Handler).serve_forever()
