// The generic client of darabonba-openapi, on which the current Go SDKs stand. It knows no product: every action is
// named, and its parameters go into the query (GET) or a form (POST).
//
// It signs RPC v1 (HMAC-SHA1) or ACS3-HMAC-SHA256: `generic rpc` and `generic acs3`. What is checked stands in package
// scenario; this file shows how each action is called, and checks what only this client can do.
package main

import (
	"fmt"
	"os"
	"strconv"

	openapi "github.com/alibabacloud-go/darabonba-openapi/v2/client"
	"github.com/alibabacloud-go/darabonba-openapi/v2/models"
	"github.com/alibabacloud-go/tea/dara"
	"github.com/alibabacloud-go/tea/tea"

	"conformance/scenario"
)

var signsRpc = len(os.Args) > 1 && os.Args[1] == "rpc"

type client struct{ openapi *openapi.Client }

func newClient(keyId, secret string) client {
	config := new(openapi.Config).
		SetAccessKeyId(keyId).
		SetAccessKeySecret(secret).
		SetEndpoint(os.Getenv("FLOWLEDGER_ENDPOINT")).
		SetProtocol("http").
		SetReadTimeout(10000) // without it this client waits forever
	if signsRpc {
		config.SetSignatureAlgorithm("v2") // which means RPC v1; ACS3 is the default
	}
	return client{scenario.Must(openapi.NewClient(config))}
}

// A request to send. The query and the headers are strings; the body is a form unless bodyType says "json".
type request struct {
	method, action, version, bodyType string
	query, headers                    scenario.Parameters
	body                              any
}

// send answers the response's body: an object with the names of the API.
func (c client) send(r request) (map[string]any, error) {
	params := new(models.Params).
		SetAction(r.action).
		SetVersion(r.version).
		SetMethod(r.method).
		SetProtocol("HTTP").
		SetPathname("/").
		SetStyle("RPC").
		SetAuthType("AK").
		SetReqBodyType(r.bodyType).
		SetBodyType("json")
	sent := &models.OpenApiRequest{Headers: pointers(r.headers), Query: pointers(r.query), Body: r.body}
	options := new(dara.RuntimeOptions)
	if seconds, err := strconv.Atoi(r.query["WaitTimeSeconds"]); err == nil {
		options.SetReadTimeout((seconds + 10) * 1000)
	}
	response, err := c.openapi.CallApi(params, sent, options)
	if answer, ok := err.(*tea.SDKError); ok {
		return nil, &scenario.ApiError{
			Code:    tea.StringValue(answer.Code),
			Status:  tea.IntValue(answer.StatusCode),
			Message: tea.StringValue(answer.Message),
		}
	} else if err != nil {
		return nil, err
	}
	return response["body"].(map[string]any), nil
}

func pointers(p scenario.Parameters) map[string]*string {
	pointers := map[string]*string{}
	for name, value := range p {
		pointers[name] = &value
	}
	return pointers
}

func get[T any](c client, action string, p scenario.Parameters) (answer T, err error) {
	body, err := c.send(request{method: "GET", action: action, version: scenario.Version, query: p})
	if err != nil {
		return answer, err
	}
	return scenario.As[T](body)
}

func post[T any](c client, action string, p scenario.Parameters) (answer T, err error) {
	body, err := c.send(request{method: "POST", action: action, version: scenario.Version, body: p})
	if err != nil {
		return answer, err
	}
	return scenario.As[T](body)
}

func (c client) CreateFlow(p scenario.Parameters) (scenario.Flow, error) {
	return post[scenario.Flow](c, "CreateFlow", p)
}

func (c client) DescribeFlow(p scenario.Parameters) (scenario.Flow, error) {
	return get[scenario.Flow](c, "DescribeFlow", p)
}

func (c client) UpdateFlow(p scenario.Parameters) (scenario.Flow, error) {
	return post[scenario.Flow](c, "UpdateFlow", p)
}

func (c client) DeleteFlow(p scenario.Parameters) error {
	return scenario.ErrorOf(post[struct{}](c, "DeleteFlow", p))
}

func (c client) ListFlows(p scenario.Parameters) (scenario.Flows, error) {
	return get[scenario.Flows](c, "ListFlows", p)
}

func (c client) StartExecution(p scenario.Parameters) (scenario.Execution, error) {
	return post[scenario.Execution](c, "StartExecution", p)
}

func (c client) StopExecution(p scenario.Parameters) (scenario.Execution, error) {
	return post[scenario.Execution](c, "StopExecution", p)
}

func (c client) DescribeExecution(p scenario.Parameters) (scenario.Execution, error) {
	return get[scenario.Execution](c, "DescribeExecution", p)
}

func (c client) ListExecutions(p scenario.Parameters) (scenario.Executions, error) {
	return get[scenario.Executions](c, "ListExecutions", p)
}

func (c client) GetExecutionHistory(p scenario.Parameters) (scenario.History, error) {
	return get[scenario.History](c, "GetExecutionHistory", p)
}

func (c client) AppendExecutionEvents(p scenario.Parameters) (scenario.Appended, error) {
	return post[scenario.Appended](c, "AppendExecutionEvents", p)
}

// ReportTaskSucceeded and ReportTaskFailed have their token in the query and the rest in the body, as the vendor
// describes these actions.
func (c client) ReportTaskSucceeded(p scenario.Parameters) (scenario.Reported, error) {
	return report(c, "ReportTaskSucceeded", p["TaskToken"], scenario.Parameters{"Output": p["Output"]})
}

func (c client) ReportTaskFailed(p scenario.Parameters) (scenario.Reported, error) {
	return report(c, "ReportTaskFailed", p["TaskToken"], scenario.Parameters{"Error": p["Error"], "Cause": p["Cause"]})
}

func report(c client, action, token string, p scenario.Parameters) (reported scenario.Reported, err error) {
	body, err := c.send(request{
		method: "POST", action: action, version: scenario.Version,
		query: scenario.Parameters{"TaskToken": token}, body: p,
	})
	if err != nil {
		return reported, err
	}
	return scenario.As[scenario.Reported](body)
}

func (c client) Call(action, version string, p scenario.Parameters) error {
	return scenario.ErrorOf(c.send(request{method: "POST", action: action, version: version, body: p}))
}

// common is a nonce or a time of our own in place of the client's.
func common(r request, nonce, time string) request {
	values := map[string]string{"SignatureNonce": nonce, "Timestamp": time}
	if !signsRpc {
		values = map[string]string{"x-acs-signature-nonce": nonce, "x-acs-date": time}
	}
	own := scenario.Parameters{}
	for name, value := range values {
		if value != "" {
			own[name] = value
		}
	}
	if signsRpc {
		r.query = own
	} else {
		r.headers = own
	}
	return r
}

// genericRequests is what only this client can do.
func genericRequests() {
	c := newClient(os.Getenv("FLOWLEDGER_ACCESS_KEY_ID"), os.Getenv("FLOWLEDGER_ACCESS_KEY_SECRET"))
	flow := scenario.RandomName("conformance-")
	main := scenario.Parameters{"FlowName": flow, "ExecutionName": "main"}
	// Everything by GET, and everything in the query of a POST without a body.
	create := scenario.Parameters{"Name": flow, "Definition": scenario.Definition, "Description": "", "Type": "FDL"}
	scenario.Must(get[scenario.Flow](c, "CreateFlow", create))
	start := request{method: "POST", action: "StartExecution", version: scenario.Version, query: main}
	body := scenario.Must(c.send(start))
	scenario.Check("start with all in the query", body["Status"], any("Running"))
	history := request{method: "GET", action: "GetExecutionHistory", version: scenario.Version, query: main}
	body = scenario.Must(c.send(history))
	_, exists := body["NextToken"]
	scenario.Check("the last page has no NextToken, not an empty one", exists, false)

	events := scenario.Parameters{
		"FlowName": flow, "ExecutionName": "main", "Events": `[{"Type":"StepEntered","StepName":"步骤 %2B+ &="}]`,
	}
	appended := scenario.Must(get[scenario.Appended](c, "AppendExecutionEvents", events))
	scenario.Check("append by GET", appended.LastEventId, 2)
	if !signsRpc { // RPC v1 does not sign a JSON body, and this client sends none with it
		step := "步骤 \x00\u2028 🚀"
		scenario.Must(c.send(request{
			method: "POST", action: "AppendExecutionEvents", version: scenario.Version, bodyType: "json",
			body: map[string]any{
				"FlowName": flow, "ExecutionName": "main", "ExpectedEventId": 3,
				"Events": []map[string]any{{"Type": "StepExited", "StepName": step}},
			},
		}))
		last := scenario.Must(c.GetExecutionHistory(
			scenario.Parameters{"FlowName": flow, "ExecutionName": "main", "NextToken": "3"}))
		scenario.Check("append a JSON body", last.Events[0].StepName, step)
	}

	name := scenario.Parameters{"Name": flow}
	describe := request{method: "POST", action: "DescribeFlow", version: scenario.Version, body: name}
	write := request{method: "POST", action: "AppendExecutionEvents", version: scenario.Version, body: events}
	for _, once := range []request{describe, write} {
		once = common(once, scenario.RandomName("nonce-"), "")
		scenario.Must(c.send(once))
		scenario.CheckError(once.action+" with a nonce used before", "SignatureNonceUsed", 400, "",
			scenario.ErrorOf(c.send(once)))
	}
	for _, minutes := range []int{-20, 20} {
		scenario.CheckError(fmt.Sprintf("a request %d minutes from now", minutes), "RequestTimeTooSkewed", 403,
			"The difference between the request time",
			scenario.ErrorOf(c.send(common(describe, "", scenario.FromNow(minutes)))))
	}
	body = scenario.Must(c.send(common(describe, "", scenario.FromNow(-14))))
	scenario.Check("a request 14 minutes ago", body["Name"], any(flow))
}

func main() {
	connect := func(keyId, secret string) scenario.Client { return newClient(keyId, secret) }
	scenario.Run(connect, genericRequests)
}
