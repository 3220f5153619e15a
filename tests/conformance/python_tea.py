"""alibabacloud_fnf20190315, the current Python SDK, in two versions.

2.0.1 signs RPC v1 (HMAC-SHA1); 1.0.1, here with a core library of its time, signs ACS3-HMAC-SHA256.
What is checked stands in scenario.py; this file shows how each action is called.
"""

import os
import secrets
from importlib.metadata import version

from alibabacloud_fnf20190315 import models
from alibabacloud_fnf20190315.client import Client as FnfClient
from alibabacloud_tea_openapi.models import Config, OpenApiRequest, Params
from alibabacloud_tea_util.models import RuntimeOptions
from Tea.exceptions import TeaException

import scenario

SIGNS_ACS3 = version("alibabacloud_fnf20190315") == "1.0.1"


class Client:
    def __init__(self, key_id, secret):
        self.fnf = FnfClient(
            Config(
                access_key_id=key_id,
                access_key_secret=secret,
                endpoint=os.environ["FLOWLEDGER_ENDPOINT"],
                protocol="HTTP",
            )
        )

    def create_flow(self, name, definition, description, role_arn=None):
        return answer(
            self.fnf.create_flow,
            models.CreateFlowRequest(
                name=name, definition=definition, description=description, type="FDL", role_arn=role_arn
            ),
        )

    def describe_flow(self, name):
        return answer(self.fnf.describe_flow, models.DescribeFlowRequest(name=name))

    def update_flow(self, name, definition=None, description=None, role_arn=None):
        return answer(
            self.fnf.update_flow,
            models.UpdateFlowRequest(
                name=name, definition=definition, description=description, role_arn=role_arn
            ),
        )

    def delete_flow(self, name):
        return answer(self.fnf.delete_flow, models.DeleteFlowRequest(name=name))

    def list_flows(self, limit=None, next_token=None):
        return answer(self.fnf.list_flows, models.ListFlowsRequest(limit=limit, next_token=next_token))

    def start_execution(self, flow, name, input=None):
        return answer(
            self.fnf.start_execution,
            models.StartExecutionRequest(flow_name=flow, execution_name=name, input=input),
        )

    def stop_execution(self, flow, name, error=None, cause=None):
        return answer(
            self.fnf.stop_execution,
            models.StopExecutionRequest(flow_name=flow, execution_name=name, error=error, cause=cause),
        )

    def describe_execution(self, flow, name, wait=None):
        return answer(
            self.fnf.describe_execution,
            models.DescribeExecutionRequest(flow_name=flow, execution_name=name, wait_time_seconds=wait),
        )

    def list_executions(
        self, flow, limit=None, next_token=None, status=None, prefix=None, begin=None, end=None, metadata_only=None
    ):
        if metadata_only and SIGNS_ACS3:  # this version does not know the parameter
            return self.call("ListExecutions", {"FlowName": flow, "MetadataOnly": "true"}, method="GET")
        request = models.ListExecutionsRequest(
            flow_name=flow,
            limit=limit,
            next_token=next_token,
            status=status,
            execution_name_prefix=prefix,
            started_time_begin=begin,
            started_time_end=end,
        )
        if metadata_only:
            request.metadata_only = True
        return answer(self.fnf.list_executions, request)

    def get_execution_history(self, flow, name, limit=None, next_token=None):
        return answer(
            self.fnf.get_execution_history,
            models.GetExecutionHistoryRequest(
                flow_name=flow, execution_name=name, limit=limit, next_token=next_token
            ),
        )

    def report_task_succeeded(self, token, output):
        return answer(
            self.fnf.report_task_succeeded, models.ReportTaskSucceededRequest(task_token=token, output=output)
        )

    def report_task_failed(self, token, error, cause):
        return answer(
            self.fnf.report_task_failed,
            models.ReportTaskFailedRequest(task_token=token, error=error, cause=cause),
        )

    def append_execution_events(self, flow, name, events, expected_event_id=None):
        """FlowLedger's own action: the SDK has no method for it, so it goes through the generic one."""
        parameters = {"FlowName": flow, "ExecutionName": name, "Events": events}
        if expected_event_id is not None:
            parameters["ExpectedEventId"] = expected_event_id
        return self.call("AppendExecutionEvents", parameters)

    def call(self, action, parameters, version="2019-03-15", method="POST", body_type="formData", **more):
        """Any action by name. `more`: query and headers."""
        if method == "POST":
            more["body"] = parameters
        else:
            more["query"] = parameters
        params = Params(
            action=action,
            version=version,
            method=method,
            protocol="HTTP",
            pathname="/",
            style="RPC",
            auth_type="AK",
            req_body_type=body_type,
            body_type="json",
        )
        try:
            return self.fnf.call_api(params, OpenApiRequest(**more), RuntimeOptions())["body"]
        except TeaException as error:
            raise api_error(error) from error


def answer(method, request):
    """Calls one of the SDK's typed methods; its answer as a dict with the names of the API."""
    try:
        return method(request).body.to_map()
    except TeaException as error:
        raise api_error(error) from error


def api_error(error):
    answer = error.data or {}  # nothing when there was no answer at all, as after a broken connection
    return scenario.ApiError(error.code, answer.get("statusCode"), error.message)


def common(nonce=None, time=None):
    """A nonce and a time of our own in place of the SDK's."""
    if SIGNS_ACS3:
        headers = {"x-acs-signature-nonce": nonce, "x-acs-date": time}
        return {"headers": {name: value for name, value in headers.items() if value}}
    query = {"SignatureNonce": nonce, "Timestamp": time}
    return {"query": {name: value for name, value in query.items() if value}}


def generic_requests():
    """What only the generic request of this SDK can do."""
    client = Client(os.environ["FLOWLEDGER_ACCESS_KEY_ID"], os.environ["FLOWLEDGER_ACCESS_KEY_SECRET"])
    flow = "conformance-" + secrets.token_hex(8)
    client.create_flow(flow, scenario.DEFINITION, "")
    client.start_execution(flow, "main", scenario.INPUT)

    target = {"FlowName": flow, "ExecutionName": "main"}
    events = '[{"Type":"StepEntered","StepName":"步骤 %2B+ &="}]'
    appended = client.call("AppendExecutionEvents", {**target, "Events": events}, method="GET")
    scenario.check("append by GET", appended["LastEventId"], 2)
    if SIGNS_ACS3:  # RPC v1 does not sign a JSON body, and this SDK sends none with it
        event = {"Type": "StepExited", "StepName": "步骤 \0\u2028 🚀"}
        parameters = {**target, "Events": [event], "ExpectedEventId": 3}
        appended = client.call("AppendExecutionEvents", parameters, body_type="json")
        scenario.check("append a JSON body", appended["LastEventId"], 3)
        last = client.get_execution_history(flow, "main", 1, "3")["Events"][0]
        scenario.check("append a JSON body: StepName", last["StepName"], event["StepName"])

    for action, parameters in [
        ("DescribeFlow", {"Name": flow}),
        ("AppendExecutionEvents", {**target, "Events": events}),
    ]:
        once = common(nonce=secrets.token_hex(16))
        client.call(action, parameters, **once)
        scenario.check_error(
            f"{action} with a nonce used before", "SignatureNonceUsed", 400, "",
            client.call, action, parameters, **once,
        )
    for minutes in [-20, 20]:
        scenario.check_error(
            f"a request {minutes} minutes from now", "RequestTimeTooSkewed", 403,
            "The difference between the request time",
            client.call, "DescribeFlow", {"Name": flow}, **common(time=scenario.out_of_time(minutes * 60)),
        )
    client.call("DescribeFlow", {"Name": flow}, **common(time=scenario.out_of_time(-14 * 60)))
    scenario.passed("a request 14 minutes ago")


scenario.main(lambda: scenario.run(Client), generic_requests)
