"""aliyun-python-sdk-fnf, the classic Python SDK. It signs RPC v1 (HMAC-SHA1) and sets nonce and time stamp itself."""

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
from aliyunsdkfnf.request.v20190315.ListSchedulesRequest import ListSchedulesRequest
from aliyunsdkfnf.request.v20190315.ReportTaskFailedRequest import ReportTaskFailedRequest
from aliyunsdkfnf.request.v20190315.ReportTaskSucceededRequest import ReportTaskSucceededRequest
from aliyunsdkfnf.request.v20190315.StartExecutionRequest import StartExecutionRequest
from aliyunsdkfnf.request.v20190315.StopExecutionRequest import StopExecutionRequest
from aliyunsdkfnf.request.v20190315.UpdateFlowRequest import UpdateFlowRequest

from driver import ApiError, serve

REGION = "local"  # any text: the endpoint is given

REQUESTS = {
    "CreateFlow": CreateFlowRequest,
    "DescribeFlow": DescribeFlowRequest,
    "UpdateFlow": UpdateFlowRequest,
    "DeleteFlow": DeleteFlowRequest,
    "ListFlows": ListFlowsRequest,
    "ListSchedules": ListSchedulesRequest,
    "StartExecution": StartExecutionRequest,
    "StopExecution": StopExecutionRequest,
    "DescribeExecution": DescribeExecutionRequest,
    "ListExecutions": ListExecutionsRequest,
    "GetExecutionHistory": GetExecutionHistoryRequest,
    "ReportTaskSucceeded": ReportTaskSucceededRequest,
    "ReportTaskFailed": ReportTaskFailedRequest,
}


class Client:
    def __init__(self, key_id, secret):
        self.acs = AcsClient(key_id, secret, REGION)

    def call(self, r):
        if r["Action"] in REQUESTS and "Version" not in r:
            request = self.typed(r["Action"], r["Parameters"])
        else:
            request = self.generic(r)
        request.set_endpoint(os.environ["FLOWLEDGER_ENDPOINT"])
        try:
            return json.loads(self.acs.do_action_with_exception(request))
        except ServerException as error:
            raise ApiError(error.get_error_code(), error.get_http_status(), error.get_error_msg()) from error
        except ClientException as error:  # no answer, as after a broken connection
            raise ApiError(error.get_error_code(), None, error.get_error_msg()) from error

    def typed(self, action, parameters):
        """A request of the action's own class, by its setters: request.set_FlowName("f")."""
        request = REQUESTS[action]()
        for name, value in parameters.items():
            if name == "MetadataOnly":  # newer than this SDK, which has no setter for it
                request.add_query_param(name, value)
            else:
                getattr(request, "set_" + name)(value)
        if "WaitTimeSeconds" in parameters:
            request.set_read_timeout(parameters["WaitTimeSeconds"] + 10)  # seconds; 10 if not set
        return request

    def generic(self, r):
        """The generic request. AppendExecutionEvents, FlowLedger's own action, has no class of its own."""
        request = CommonRequest(product="fnf", version=r.get("Version", "2019-03-15"), action_name=r["Action"])
        request.set_method("POST")
        for name, value in r["Parameters"].items():
            request.add_body_params(name, value)
        return request


logging.disable()  # the SDK writes every error answer to its log; here they are expected
serve(Client)
