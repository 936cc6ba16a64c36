"""A small fake of Kubeflow Pipelines' v2beta1 REST API: uploads, runs and logs, with what a test says of each step.

It answers as the real one's published definitions say (backend/api/v2beta1), and runs nothing.
"""

import contextlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlparse

BEGUN = "2026-03-01T12:00:00Z"
NO_TIME = "0001-01-01T00:00:00Z"


def task(name, state, seconds=0, attempts=()):
    """Nodes of a step as Argo names them: driver, step, and pods of its attempts, the names of which end in numbers.

    Args:
      attempts: state and number of each.
    """
    end = f"2026-03-01T12:{seconds // 60:02}:{seconds % 60:02}Z" if state in ("SUCCEEDED", "FAILED") else NO_TIME
    times = {"create_time": BEGUN, "start_time": BEGUN, "end_time": end}
    children = [{"pod_name": f"shop-x-{number}"} for _, number in attempts]
    nodes = [
        {"display_name": f"{name}-driver", "state": "SUCCEEDED", "pod_name": f"shop-x-driver-{name}", **times},
        {"display_name": name, "state": state, "pod_name": f"shop-x-{name}", "child_tasks": children, **times},
    ]
    for count, (ended, number) in enumerate(attempts):
        pod = {"pod_name": f"shop-x-system-container-impl-{number}", "state": ended, **times}
        nodes.append({"display_name": f"executor({count})", **pod})
    return nodes


class FakeApi(ThreadingHTTPServer):
    """Serves on a port of its own, until the block that it is entered in ends.

    Args:
      looks: what each look at the run shows, state and nodes; the last one stays. A number is answered as an error.
      logs: pod -> its log.
      token: that requests have to bring, if any.
      pipelines: names of those that there are.
    """

    def __init__(self, looks, logs=None, token=None, pipelines=()):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.looks, self.logs, self.token, self.pipelines = list(looks), logs or {}, token, list(pipelines)
        self.requests, self.bodies = [], {}

    @property
    def host(self):
        return f"http://127.0.0.1:{self.server_port}"

    @contextlib.contextmanager
    def serving(self):
        thread = threading.Thread(target=self.serve_forever)
        thread.start()
        try:
            yield self
        finally:
            self.shutdown()
            thread.join()
            self.server_close()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self._answer()

    def do_POST(self):
        self._answer()

    def log_message(self, *_):
        pass

    def _answer(self):
        url, server = urlparse(self.path), self.server
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        key = f"{self.command} {url.path}"
        server.requests.append(key)
        server.bodies[key] = (parse_qs(url.query), body)
        if server.token and self.headers.get("authorization") != f"Bearer {server.token}":
            self._send(401, {"error": "no token"})
        elif pod := re.fullmatch(r"/apis/v1alpha1/runs/run-1/nodes/(.*)/log", url.path):
            log = server.logs.get(pod[1])
            self._send(200 if log is not None else 404, log if log is not None else {"error": "pod is gone"})
        elif key == "GET /apis/v2beta1/runs/run-1":
            look = server.looks.pop(0) if len(server.looks) > 1 else server.looks[0]
            if isinstance(look, int):
                self._send(look, {"error": "restarting"})
            else:
                state, nodes = look
                self._send(200, {"run_id": "run-1", "state": state, "run_details": {"task_details": nodes}})
        else:
            known = [{"pipeline_id": "pipeline-1", "display_name": name} for name in server.pipelines]
            version = {"pipeline_id": "pipeline-1", "pipeline_version_id": "version-1"}
            answers = {
                "GET /apis/v2beta1/healthz": {"multi_user": False},
                "GET /apis/v2beta1/experiments": {},
                "POST /apis/v2beta1/experiments": {"experiment_id": "experiment-1"},
                "GET /apis/v2beta1/pipelines": {"pipelines": known} if known else {},
                "POST /apis/v2beta1/pipelines/upload": {"pipeline_id": "pipeline-1"},
                "POST /apis/v2beta1/pipelines/upload_version": version,
                "GET /apis/v2beta1/pipelines/pipeline-1/versions": {"pipeline_versions": [version]},
                "POST /apis/v2beta1/runs": {"run_id": "run-1"},
            }
            self._send(200 if key in answers else 404, answers.get(key, {"error": f"no {key}"}))

    def _send(self, status, content):
        text = isinstance(content, str)
        data = (content if text else json.dumps(content)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain" if text else "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
