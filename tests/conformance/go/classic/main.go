// alibaba-cloud-sdk-go, the classic Go SDK. It signs RPC v1 (HMAC-SHA1).
//
// What is checked stands in package scenario; this file shows how each action is called. This SDK sets the nonce
// and the time stamp itself, so it cannot provoke SignatureNonceUsed or RequestTimeTooSkewed.
package main

import (
	"encoding/json"
	"os"
	"strconv"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/errors"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/fnf"

	"conformance/scenario"
)

type client struct{ fnf *fnf.Client }

func connect(keyId, secret string) scenario.Client {
	sdk := scenario.Must(fnf.NewClientWithAccessKey("local", keyId, secret)) // any region: the endpoint is given
	sdk.Domain = os.Getenv("FLOWLEDGER_ENDPOINT")                            // plain HTTP is this SDK's default
	return client{sdk}
}

func (c client) CreateFlow(p scenario.Parameters) (scenario.Flow, error) {
	request := fnf.CreateCreateFlowRequest()
	request.Name = p["Name"]
	request.Definition = p["Definition"]
	request.Description = p["Description"] // one that is empty is not sent
	request.Type = p["Type"]
	request.RoleArn = p["RoleArn"]
	return answer[scenario.Flow](c.fnf.CreateFlow(request))
}

func (c client) DescribeFlow(p scenario.Parameters) (scenario.Flow, error) {
	request := fnf.CreateDescribeFlowRequest()
	request.Name = p["Name"]
	return answer[scenario.Flow](c.fnf.DescribeFlow(request))
}

func (c client) UpdateFlow(p scenario.Parameters) (flow scenario.Flow, err error) {
	for _, value := range p {
		if value == "" { // which the SDK's own method drops: only the generic request can clear something
			err = c.call("UpdateFlow", scenario.Version, p, &flow)
			return flow, err
		}
	}
	request := fnf.CreateUpdateFlowRequest()
	request.Name = p["Name"]
	request.Definition = p["Definition"]
	request.Description = p["Description"]
	request.RoleArn = p["RoleArn"]
	return answer[scenario.Flow](c.fnf.UpdateFlow(request))
}

func (c client) DeleteFlow(p scenario.Parameters) error {
	request := fnf.CreateDeleteFlowRequest()
	request.Name = p["Name"]
	return scenario.ErrorOf(answer[struct{}](c.fnf.DeleteFlow(request)))
}

func (c client) ListFlows(p scenario.Parameters) (scenario.Flows, error) {
	request := fnf.CreateListFlowsRequest()
	request.Limit = requests.Integer(p["Limit"])
	request.NextToken = p["NextToken"]
	return answer[scenario.Flows](c.fnf.ListFlows(request))
}

func (c client) StartExecution(p scenario.Parameters) (scenario.Execution, error) {
	request := fnf.CreateStartExecutionRequest()
	request.FlowName = p["FlowName"]
	request.ExecutionName = p["ExecutionName"]
	request.Input = p["Input"]
	return answer[scenario.Execution](c.fnf.StartExecution(request))
}

func (c client) StopExecution(p scenario.Parameters) (scenario.Execution, error) {
	request := fnf.CreateStopExecutionRequest()
	request.FlowName = p["FlowName"]
	request.ExecutionName = p["ExecutionName"]
	request.Error = p["Error"]
	request.Cause = p["Cause"]
	return answer[scenario.Execution](c.fnf.StopExecution(request))
}

func (c client) DescribeExecution(p scenario.Parameters) (scenario.Execution, error) {
	request := fnf.CreateDescribeExecutionRequest()
	request.FlowName = p["FlowName"]
	request.ExecutionName = p["ExecutionName"]
	request.WaitTimeSeconds = requests.Integer(p["WaitTimeSeconds"])
	if seconds, err := strconv.Atoi(p["WaitTimeSeconds"]); err == nil && seconds > 0 {
		request.SetReadTimeout(time.Duration(seconds+10) * time.Second) // it is 10 seconds otherwise
	}
	return answer[scenario.Execution](c.fnf.DescribeExecution(request))
}

func (c client) ListExecutions(p scenario.Parameters) (scenario.Executions, error) {
	request := fnf.CreateListExecutionsRequest()
	request.FlowName = p["FlowName"]
	request.Limit = requests.Integer(p["Limit"])
	request.NextToken = p["NextToken"]
	request.Status = p["Status"]
	request.ExecutionNamePrefix = p["ExecutionNamePrefix"]
	request.StartedTimeBegin = p["StartedTimeBegin"]
	request.StartedTimeEnd = p["StartedTimeEnd"]
	if metadataOnly, given := p["MetadataOnly"]; given { // newer than this SDK, which has no field for it
		request.QueryParams["MetadataOnly"] = metadataOnly
	}
	return answer[scenario.Executions](c.fnf.ListExecutions(request))
}

func (c client) GetExecutionHistory(p scenario.Parameters) (scenario.History, error) {
	request := fnf.CreateGetExecutionHistoryRequest()
	request.FlowName = p["FlowName"]
	request.ExecutionName = p["ExecutionName"]
	request.Limit = requests.Integer(p["Limit"])
	request.NextToken = p["NextToken"]
	return answer[scenario.History](c.fnf.GetExecutionHistory(request))
}

func (c client) ReportTaskSucceeded(p scenario.Parameters) (scenario.Reported, error) {
	request := fnf.CreateReportTaskSucceededRequest()
	request.TaskToken = p["TaskToken"]
	request.Output = p["Output"]
	return answer[scenario.Reported](c.fnf.ReportTaskSucceeded(request))
}

func (c client) ReportTaskFailed(p scenario.Parameters) (scenario.Reported, error) {
	request := fnf.CreateReportTaskFailedRequest()
	request.TaskToken = p["TaskToken"]
	request.Error = p["Error"]
	request.Cause = p["Cause"]
	return answer[scenario.Reported](c.fnf.ReportTaskFailed(request))
}

// AppendExecutionEvents is FlowLedger's own action: the SDK has no method for it, so it goes through the generic one.
func (c client) AppendExecutionEvents(p scenario.Parameters) (appended scenario.Appended, err error) {
	err = c.call("AppendExecutionEvents", scenario.Version, p, &appended)
	return appended, err
}

func (c client) Call(action, version string, p scenario.Parameters) error {
	return c.call(action, version, p, &struct{}{})
}

func (c client) call(action, version string, p scenario.Parameters, into any) error {
	request := requests.NewCommonRequest()
	request.Product = "fnf"
	request.Version = version
	request.ApiName = action
	request.Method = requests.POST
	request.FormParams = p
	response, err := c.fnf.ProcessCommonRequest(request)
	if err != nil {
		return apiError(err)
	}
	return json.Unmarshal(response.GetHttpContentBytes(), into)
}

func answer[T any](response any, err error) (T, error) {
	if err != nil {
		var none T
		return none, apiError(err)
	}
	return scenario.As[T](response)
}

func apiError(err error) error {
	if answer, ok := err.(*errors.ServerError); ok {
		return &scenario.ApiError{Code: answer.ErrorCode(), Status: answer.HttpStatus(), Message: answer.Message()}
	}
	return err // no answer at all, as after a broken connection
}

func main() {
	scenario.Run(connect)
}
