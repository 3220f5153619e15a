"""alibabacloud_fnf20190315, the current Python SDK, in two versions.

2.0.1 signs RPC v1 (HMAC-SHA1); 1.0.1, here with a core library of its time, signs ACS3-HMAC-SHA256.
"""

import os
from importlib.metadata import version

from alibabacloud_fnf20190315 import models
from alibabacloud_fnf20190315.client import Client as FnfClient
from alibabacloud_tea_openapi.models import Config, OpenApiRequest, Params
from alibabacloud_tea_util.models import RuntimeOptions
from Tea.exceptions import TeaException

from driver import ApiError, serve

# What only the generic request can do.
GENERIC_ONLY = {"Version", "Method", "InQuery", "JsonBody", "Nonce", "Time"}

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

    def call(self, request):
        """Makes a call with the SDK's own method if it has one that can send it, else with the generic request."""
        method = getattr(self, request["Action"], None)
        if method is None or request.keys() & GENERIC_ONLY:
            method = self.generic
        try:
            return method(request if method == self.generic else request["Parameters"])
        except TeaException as error:
            answer = error.data or {}  # empty if there was no answer, as after a broken connection
            raise ApiError(error.code, answer.get("statusCode"), error.message) from error

    def CreateFlow(self, p):
        request = models.CreateFlowRequest(
            name=p.get("Name"),
            definition=p.get("Definition"),
            description=p.get("Description"),
            type=p.get("Type"),
            role_arn=p.get("RoleArn"),
        )
        return self.fnf.create_flow(request).body.to_map()

    def DescribeFlow(self, p):
        return self.fnf.describe_flow(models.DescribeFlowRequest(name=p["Name"])).body.to_map()

    def UpdateFlow(self, p):
        request = models.UpdateFlowRequest(
            name=p["Name"],
            definition=p.get("Definition"),
            description=p.get("Description"),
            role_arn=p.get("RoleArn"),
        )
        return self.fnf.update_flow(request).body.to_map()

    def DeleteFlow(self, p):
        return self.fnf.delete_flow(models.DeleteFlowRequest(name=p["Name"])).body.to_map()

    def ListFlows(self, p):
        request = models.ListFlowsRequest(limit=p.get("Limit"), next_token=p.get("NextToken"))
        return self.fnf.list_flows(request).body.to_map()

    def ListSchedules(self, p):
        request = models.ListSchedulesRequest(flow_name=p["FlowName"], limit=p.get("Limit"))
        return self.fnf.list_schedules(request).body.to_map()

    def StartExecution(self, p):
        request = models.StartExecutionRequest(
            flow_name=p["FlowName"], execution_name=p["ExecutionName"], input=p.get("Input")
        )
        return self.fnf.start_execution(request).body.to_map()

    def StopExecution(self, p):
        request = models.StopExecutionRequest(
            flow_name=p["FlowName"], execution_name=p["ExecutionName"], error=p.get("Error"), cause=p.get("Cause")
        )
        return self.fnf.stop_execution(request).body.to_map()

    def DescribeExecution(self, p):
        wait = p.get("WaitTimeSeconds")
        request = models.DescribeExecutionRequest(
            flow_name=p["FlowName"], execution_name=p["ExecutionName"], wait_time_seconds=wait
        )
        options = RuntimeOptions()
        if wait is not None:
            options.read_timeout = (wait + 10) * 1000  # milliseconds; 10 seconds if not set
        return self.fnf.describe_execution_with_options(request, options).body.to_map()

    def ListExecutions(self, p):
        if "MetadataOnly" in p and SIGNS_ACS3:  # this version does not know the parameter
            parameters = {"FlowName": p["FlowName"], "MetadataOnly": "true"}
            return self.generic({"Action": "ListExecutions", "Parameters": parameters, "Method": "GET"})
        request = models.ListExecutionsRequest(
            flow_name=p["FlowName"],
            limit=p.get("Limit"),
            next_token=p.get("NextToken"),
            status=p.get("Status"),
            execution_name_prefix=p.get("ExecutionNamePrefix"),
            started_time_begin=p.get("StartedTimeBegin"),
            started_time_end=p.get("StartedTimeEnd"),
        )
        if "MetadataOnly" in p:
            request.metadata_only = p["MetadataOnly"]
        return self.fnf.list_executions(request).body.to_map()

    def GetExecutionHistory(self, p):
        request = models.GetExecutionHistoryRequest(
            flow_name=p.get("FlowName"),
            execution_name=p["ExecutionName"],
            limit=p.get("Limit"),
            next_token=p.get("NextToken"),
        )
        return self.fnf.get_execution_history(request).body.to_map()

    def ReportTaskSucceeded(self, p):
        request = models.ReportTaskSucceededRequest(task_token=p["TaskToken"], output=p["Output"])
        return self.fnf.report_task_succeeded(request).body.to_map()

    def ReportTaskFailed(self, p):
        request = models.ReportTaskFailedRequest(
            task_token=p["TaskToken"], error=p.get("Error"), cause=p.get("Cause")
        )
        return self.fnf.report_task_failed(request).body.to_map()

    def generic(self, r):
        """The SDK's generic request. AppendExecutionEvents, FlowLedger's own action, has no method of its own."""
        method = r.get("Method", "POST")
        in_query = method == "GET" or r.get("InQuery")
        sent = {"query" if in_query else "body": r["Parameters"]}
        # A nonce and a time of the caller's replace those of the SDK.
        if SIGNS_ACS3:
            sent["headers"] = present({"x-acs-signature-nonce": r.get("Nonce"), "x-acs-date": r.get("Time")})
        else:
            sent.setdefault("query", {}).update(
                present({"SignatureNonce": r.get("Nonce"), "Timestamp": r.get("Time")})
            )
        params = Params(
            action=r["Action"],
            version=r.get("Version", "2019-03-15"),
            method=method,
            protocol="HTTP",
            pathname="/",
            style="RPC",
            auth_type="AK",
            req_body_type="json" if r.get("JsonBody") else "formData",
            body_type="json",
        )
        return self.fnf.call_api(params, OpenApiRequest(**sent), RuntimeOptions())["body"]


def present(values):
    return {name: value for name, value in values.items() if value is not None}


serve(Client)
