"""Runs one Python SDK for the conformance scenario: reads calls from standard input, prints their answers.

README.md describes the lines. A driver runs `serve` with a client class: its constructor takes (key_id, secret), and
its method `call` takes a request, returns the answer with the names of the API, and raises ApiError for an error.
"""

import json
import os
import sys


class ApiError(Exception):
    """An error answer of the API, with what the SDK shows of it."""

    def __init__(self, code, status, message):
        super().__init__(f"{status} {code}: {message}")
        self.code, self.status, self.message = code, status, message


def serve(client_class):
    clients = {}
    sys.stdin.reconfigure(encoding="utf-8")
    for line in sys.stdin:
        request = json.loads(line)
        key = request.get("Key") or (os.environ["FLOWLEDGER_ACCESS_KEY_ID"], os.environ["FLOWLEDGER_ACCESS_KEY_SECRET"])
        key = tuple(key)
        if key not in clients:
            clients[key] = client_class(*key)
        if not request.get("JsonBody"):
            # Parameters such as Events are JSON in a string.
            for name, value in request["Parameters"].items():
                if isinstance(value, (list, dict)):
                    request["Parameters"][name] = json.dumps(value)
        try:
            answer = {"Answer": clients[key].call(request)}
        except ApiError as error:
            answer = {"Error": {"Code": error.code, "Status": error.status, "Message": error.message}}
        print(json.dumps(answer), flush=True)
