"""aliyun-python-sdk-fnf, the classic Python SDK. It signs RPC v1 (HMAC-SHA1).

What is checked stands in scenario.py; this file shows how each action is called. This SDK sets the
nonce and the time stamp itself, so it cannot provoke SignatureNonceUsed or RequestTimeTooSkewed.
"""

import json
import logging
import os

from aliyunsdkcore.acs_exception.exceptions import ClientException, ServerException
from aliyunsdkcore.client import AcsClient
from aliyunsdkcore.request import CommonRequest
from aliyunsdkfnf.request.v20190315.CreateFlowRequest import CreateFlowRequest
from aliyunsdkfnf.request.v20190315.DeleteFlowRequest import DeleteFlowRequest
from aliyunsdkfnf.request.v20190315.DescribeExecutionRequest import DescribeExecutionRequest
from aliyunsdkfnf.request.v20190315.DescribeFlowRequest import DescribeFlowRequest
from aliyunsdkfnf.request.v20190315.GetExecutionHistoryRequest import GetExecutionHistoryRequest
from aliyunsdkfnf.request.v20190315.ListExecutionsRequest import ListExecutionsRequest
from aliyunsdkfnf.request.v20190315.ListFlowsRequest import ListFlowsRequest
from aliyunsdkfnf.request.v20190315.ReportTaskFailedRequest import ReportTaskFailedRequest
from aliyunsdkfnf.request.v20190315.ReportTaskSucceededRequest import ReportTaskSucceededRequest
from aliyunsdkfnf.request.v20190315.StartExecutionRequest import StartExecutionRequest
from aliyunsdkfnf.request.v20190315.StopExecutionRequest import StopExecutionRequest
from aliyunsdkfnf.request.v20190315.UpdateFlowRequest import UpdateFlowRequest

import scenario

REGION = "local"  # any text: the endpoint is given


class Client:
    def __init__(self, key_id, secret):
        self.acs = AcsClient(key_id, secret, REGION)

    def send(self, request):
        request.set_endpoint(os.environ["FLOWLEDGER_ENDPOINT"])
        try:
            return json.loads(self.acs.do_action_with_exception(request))
        except ServerException as error:
            raise scenario.ApiError(
                error.get_error_code(), error.get_http_status(), error.get_error_msg()
            ) from error
        except ClientException as error:  # no answer at all, as after a broken connection
            raise scenario.ApiError(error.get_error_code(), None, error.get_error_msg()) from error

    def create_flow(self, name, definition, description, role_arn=None):
        request = CreateFlowRequest()
        request.set_Name(name)
        request.set_Definition(definition)
        request.set_Description(description)
        request.set_Type("FDL")
        if role_arn is not None:
            request.set_RoleArn(role_arn)
        return self.send(request)

    def describe_flow(self, name):
        request = DescribeFlowRequest()
        request.set_Name(name)
        return self.send(request)

    def update_flow(self, name, definition=None, description=None, role_arn=None):
        request = UpdateFlowRequest()
        request.set_Name(name)
        if definition is not None:
            request.set_Definition(definition)
        if description is not None:
            request.set_Description(description)
        if role_arn is not None:
            request.set_RoleArn(role_arn)
        return self.send(request)

    def delete_flow(self, name):
        request = DeleteFlowRequest()
        request.set_Name(name)
        return self.send(request)

    def list_flows(self, limit=None, next_token=None):
        request = ListFlowsRequest()
        if limit is not None:
            request.set_Limit(limit)
        if next_token is not None:
            request.set_NextToken(next_token)
        return self.send(request)

    def start_execution(self, flow, name, input=None):
        request = StartExecutionRequest()
        request.set_FlowName(flow)
        request.set_ExecutionName(name)
        if input is not None:
            request.set_Input(input)
        return self.send(request)

    def stop_execution(self, flow, name, error=None, cause=None):
        request = StopExecutionRequest()
        request.set_FlowName(flow)
        request.set_ExecutionName(name)
        if error is not None:
            request.set_Error(error)
        if cause is not None:
            request.set_Cause(cause)
        return self.send(request)

    def describe_execution(self, flow, name, wait=None):
        request = DescribeExecutionRequest()
        request.set_FlowName(flow)
        request.set_ExecutionName(name)
        if wait is not None:
            request.set_WaitTimeSeconds(wait)
        return self.send(request)

    def list_executions(
        self, flow, limit=None, next_token=None, status=None, prefix=None, begin=None, end=None, metadata_only=None
    ):
        request = ListExecutionsRequest()
        request.set_FlowName(flow)
        if limit is not None:
            request.set_Limit(limit)
        if next_token is not None:
            request.set_NextToken(next_token)
        if status is not None:
            request.set_Status(status)
        if prefix is not None:
            request.set_ExecutionNamePrefix(prefix)
        if begin is not None:
            request.set_StartedTimeBegin(begin)
        if end is not None:
            request.set_StartedTimeEnd(end)
        if metadata_only:  # newer than this SDK, which has no method for it
            request.add_query_param("MetadataOnly", True)
        return self.send(request)

    def get_execution_history(self, flow, name, limit=None, next_token=None):
        request = GetExecutionHistoryRequest()
        if flow is not None:
            request.set_FlowName(flow)
        request.set_ExecutionName(name)
        if limit is not None:
            request.set_Limit(limit)
        if next_token is not None:
            request.set_NextToken(next_token)
        return self.send(request)

    def report_task_succeeded(self, token, output):
        request = ReportTaskSucceededRequest()
        request.set_TaskToken(token)
        request.set_Output(output)
        return self.send(request)

    def report_task_failed(self, token, error, cause):
        request = ReportTaskFailedRequest()
        request.set_TaskToken(token)
        request.set_Error(error)
        if cause is not None:
            request.set_Cause(cause)
        return self.send(request)

    def append_execution_events(self, flow, name, events, expected_event_id=None):
        """FlowLedger's own action: the SDK has no class for it, so it goes through the generic one."""
        parameters = {"FlowName": flow, "ExecutionName": name, "Events": events}
        if expected_event_id is not None:
            parameters["ExpectedEventId"] = expected_event_id
        return self.call("AppendExecutionEvents", parameters)

    def call(self, action, parameters, version="2019-03-15"):
        """Any action by name."""
        request = CommonRequest(product="fnf", version=version, action_name=action)
        request.set_method("POST")
        for name, value in parameters.items():
            request.add_body_params(name, value)
        return self.send(request)


logging.disable()  # the SDK writes every error answer to its log; here they are wanted
scenario.main(lambda: scenario.run(Client))
