// The generic client of darabonba-openapi, on which the current Go SDKs are built. It knows no product: every action
// is named, and its parameters go into the query (GET) or a form (POST).
//
// It signs RPC v1 (HMAC-SHA1) or ACS3-HMAC-SHA256: `generic rpc` and `generic acs3`.
package main

import (
	"os"
	"strconv"
	"strings"

	openapi "github.com/alibabacloud-go/darabonba-openapi/v2/client"
	"github.com/alibabacloud-go/darabonba-openapi/v2/models"
	"github.com/alibabacloud-go/tea/dara"
	"github.com/alibabacloud-go/tea/tea"

	"conformance/driver"
)

var signsRpc = len(os.Args) > 1 && os.Args[1] == "rpc"

type client struct{ openapi *openapi.Client }

func connect(keyId, secret string) driver.Client {
	config := new(openapi.Config).
		SetAccessKeyId(keyId).
		SetAccessKeySecret(secret).
		SetEndpoint(os.Getenv("FLOWLEDGER_ENDPOINT")).
		SetProtocol("http").
		SetReadTimeout(10000) // milliseconds; without it this client waits forever
	if signsRpc {
		config.SetSignatureAlgorithm("v2") // which means RPC v1; ACS3 is the default
	}
	return client{driver.Must(openapi.NewClient(config))}
}

// Call reads by GET and writes by POST unless the request says otherwise.
func (c client) Call(r driver.Request) (any, error) {
	form := r.Form()
	if r.Version == "" {
		r.Version = driver.Version
	}
	if r.Method == "" {
		r.Method = "POST"
		reads := strings.HasPrefix(r.Action, "Describe") || strings.HasPrefix(r.Action, "List") || r.Action == "GetExecutionHistory"
		if reads && r.Nonce == "" && r.Time == "" && r.Version == driver.Version {
			r.Method = "GET"
		}
	}
	query, headers := map[string]string{}, map[string]string{}
	var body any
	switch {
	case r.Method == "GET" || r.InQuery:
		query = form
	case r.JsonBody:
		body = r.Parameters
	default:
		// Reports have their token in the query and the rest in the body, as the vendor describes these actions.
		if token, reports := form["TaskToken"]; reports {
			query["TaskToken"] = token
			delete(form, "TaskToken")
		}
		body = form
	}
	// A nonce and a time of the caller's replace those of the client.
	common := map[string]string{"SignatureNonce": r.Nonce, "Timestamp": r.Time}
	place := query
	if !signsRpc {
		common = map[string]string{"x-acs-signature-nonce": r.Nonce, "x-acs-date": r.Time}
		place = headers
	}
	for name, value := range common {
		if value != "" {
			place[name] = value
		}
	}
	bodyType := "formData"
	if r.JsonBody {
		bodyType = "json"
	}
	params := new(models.Params).
		SetAction(r.Action).
		SetVersion(r.Version).
		SetMethod(r.Method).
		SetProtocol("HTTP").
		SetPathname("/").
		SetStyle("RPC").
		SetAuthType("AK").
		SetReqBodyType(bodyType).
		SetBodyType("json")
	options := new(dara.RuntimeOptions)
	if seconds, err := strconv.Atoi(query["WaitTimeSeconds"]); err == nil && seconds > 0 {
		options.SetReadTimeout((seconds + 10) * 1000)
	}
	sent := &models.OpenApiRequest{Headers: pointers(headers), Query: pointers(query), Body: body}
	response, err := c.openapi.CallApi(params, sent, options)
	if refused, ok := err.(*tea.SDKError); ok {
		return nil, &driver.ApiError{
			Code:    tea.StringValue(refused.Code),
			Status:  tea.IntValue(refused.StatusCode),
			Message: tea.StringValue(refused.Message),
		}
	} else if err != nil {
		return nil, err
	}
	return response["body"], nil
}

func pointers(texts map[string]string) map[string]*string {
	pointers := map[string]*string{}
	for name, text := range texts {
		pointers[name] = &text
	}
	return pointers
}

func main() {
	driver.Serve(connect)
}
