// alibaba-cloud-sdk-go, the classic Go SDK. It signs RPC v1 (HMAC-SHA1) and sets the nonce and the time stamp itself.
package main

import (
	"encoding/json"
	"os"
	"strconv"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/errors"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/fnf"

	"conformance/driver"
)

type client struct{ fnf *fnf.Client }

func connect(keyId, secret string) driver.Client {
	sdk := driver.Must(fnf.NewClientWithAccessKey("local", keyId, secret)) // any region: the endpoint is given
	sdk.Domain = os.Getenv("FLOWLEDGER_ENDPOINT")                          // plain HTTP is this SDK's default
	return client{sdk}
}

// Call uses the SDK's own method if it has one.
func (c client) Call(r driver.Request) (any, error) {
	typed := map[string]func(map[string]string) (any, error){
		"CreateFlow":          c.createFlow,
		"DescribeFlow":        c.describeFlow,
		"UpdateFlow":          c.updateFlow,
		"DeleteFlow":          c.deleteFlow,
		"ListFlows":           c.listFlows,
		"StartExecution":      c.startExecution,
		"StopExecution":       c.stopExecution,
		"DescribeExecution":   c.describeExecution,
		"ListExecutions":      c.listExecutions,
		"GetExecutionHistory": c.getExecutionHistory,
		"ReportTaskSucceeded": c.reportTaskSucceeded,
		"ReportTaskFailed":    c.reportTaskFailed,
	}[r.Action]
	var answer any
	var err error
	if typed != nil && r.Version == "" {
		answer, err = typed(r.Form())
	} else {
		version := driver.Version
		if r.Version != "" {
			version = r.Version
		}
		answer, err = c.generic(r.Action, version, r.Form())
	}
	if refused, ok := err.(*errors.ServerError); ok {
		return nil, &driver.ApiError{Code: refused.ErrorCode(), Status: refused.HttpStatus(), Message: refused.Message()}
	}
	return answer, err // an error here: no answer, as after a broken connection
}

func (c client) createFlow(p map[string]string) (any, error) {
	request := fnf.CreateCreateFlowRequest()
	request.Name = p["Name"]
	request.Definition = p["Definition"]
	request.Description = p["Description"] // one that is empty is not sent
	request.Type = p["Type"]
	request.RoleArn = p["RoleArn"]
	return c.fnf.CreateFlow(request)
}

func (c client) describeFlow(p map[string]string) (any, error) {
	request := fnf.CreateDescribeFlowRequest()
	request.Name = p["Name"]
	return c.fnf.DescribeFlow(request)
}

func (c client) updateFlow(p map[string]string) (any, error) {
	for _, value := range p {
		if value == "" { // which the SDK's own method drops: only the generic request can clear something
			return c.generic("UpdateFlow", driver.Version, p)
		}
	}
	request := fnf.CreateUpdateFlowRequest()
	request.Name = p["Name"]
	request.Definition = p["Definition"]
	request.Description = p["Description"]
	request.RoleArn = p["RoleArn"]
	return c.fnf.UpdateFlow(request)
}

func (c client) deleteFlow(p map[string]string) (any, error) {
	request := fnf.CreateDeleteFlowRequest()
	request.Name = p["Name"]
	return c.fnf.DeleteFlow(request)
}

func (c client) listFlows(p map[string]string) (any, error) {
	request := fnf.CreateListFlowsRequest()
	request.Limit = requests.Integer(p["Limit"])
	request.NextToken = p["NextToken"]
	return c.fnf.ListFlows(request)
}

func (c client) startExecution(p map[string]string) (any, error) {
	request := fnf.CreateStartExecutionRequest()
	request.FlowName = p["FlowName"]
	request.ExecutionName = p["ExecutionName"]
	request.Input = p["Input"]
	return c.fnf.StartExecution(request)
}

func (c client) stopExecution(p map[string]string) (any, error) {
	request := fnf.CreateStopExecutionRequest()
	request.FlowName = p["FlowName"]
	request.ExecutionName = p["ExecutionName"]
	request.Error = p["Error"]
	request.Cause = p["Cause"]
	return c.fnf.StopExecution(request)
}

func (c client) describeExecution(p map[string]string) (any, error) {
	request := fnf.CreateDescribeExecutionRequest()
	request.FlowName = p["FlowName"]
	request.ExecutionName = p["ExecutionName"]
	request.WaitTimeSeconds = requests.Integer(p["WaitTimeSeconds"])
	if seconds, err := strconv.Atoi(p["WaitTimeSeconds"]); err == nil && seconds > 0 {
		request.SetReadTimeout(time.Duration(seconds+10) * time.Second) // it is 10 seconds otherwise
	}
	return c.fnf.DescribeExecution(request)
}

func (c client) listExecutions(p map[string]string) (any, error) {
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
	return c.fnf.ListExecutions(request)
}

func (c client) getExecutionHistory(p map[string]string) (any, error) {
	request := fnf.CreateGetExecutionHistoryRequest()
	request.FlowName = p["FlowName"]
	request.ExecutionName = p["ExecutionName"]
	request.Limit = requests.Integer(p["Limit"])
	request.NextToken = p["NextToken"]
	return c.fnf.GetExecutionHistory(request)
}

func (c client) reportTaskSucceeded(p map[string]string) (any, error) {
	request := fnf.CreateReportTaskSucceededRequest()
	request.TaskToken = p["TaskToken"]
	request.Output = p["Output"]
	return c.fnf.ReportTaskSucceeded(request)
}

func (c client) reportTaskFailed(p map[string]string) (any, error) {
	request := fnf.CreateReportTaskFailedRequest()
	request.TaskToken = p["TaskToken"]
	request.Error = p["Error"]
	request.Cause = p["Cause"]
	return c.fnf.ReportTaskFailed(request)
}

// generic sends any action by name. AppendExecutionEvents, FlowLedger's own action, has no method of its own.
func (c client) generic(action, version string, p map[string]string) (any, error) {
	request := requests.NewCommonRequest()
	request.Product = "fnf"
	request.Version = version
	request.ApiName = action
	request.Method = requests.POST
	request.FormParams = p
	response, err := c.fnf.ProcessCommonRequest(request)
	if err != nil {
		return nil, err
	}
	return json.RawMessage(response.GetHttpContentBytes()), nil
}

func main() {
	driver.Serve(connect)
}
