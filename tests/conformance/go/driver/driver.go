// Package driver runs one Go SDK for the conformance scenario: it reads calls from standard input and prints their
// answers. README.md describes the lines.
package driver

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// Version of the API.
const Version = "2019-03-15"

// Request is one call. What is not sent is empty.
type Request struct {
	Key        []string // id and secret; by default those in the environment
	Action     string
	Parameters map[string]any
	Version    string
	Method     string // GET or POST
	InQuery    bool   // of a POST
	JsonBody   bool   // parameters as JSON instead of a form
	Nonce      string
	Time       string
}

// Form returns the parameters as the API takes them outside a JSON body: each as text, events as JSON.
func (r Request) Form() map[string]string {
	form := map[string]string{}
	for name, value := range r.Parameters {
		if text, ok := value.(string); ok {
			form[name] = text
		} else {
			// json.Marshal spells <, >, & and U+2028 as \uXXXX; the server must not keep that spelling.
			form[name] = string(Must(json.Marshal(value)))
		}
	}
	return form
}

// ApiError is an error answer of the API, with what the SDK shows of it.
type ApiError struct {
	Code    string
	Status  int
	Message string
}

func (e *ApiError) Error() string { return fmt.Sprintf("%d %s: %s", e.Status, e.Code, e.Message) }

// Client makes a call; its answer has the names of the API in JSON.
type Client interface {
	Call(Request) (any, error)
}

// Must returns the value; an error ends the driver.
func Must[T any](value T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return value
}

// Serve answers the calls until standard input ends.
func Serve(connect func(keyId, secret string) Client) {
	clients := map[string]Client{}
	lines := bufio.NewReader(os.Stdin)
	for {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF {
			return
		}
		Must(line, err)
		request := Request{Key: []string{os.Getenv("FLOWLEDGER_ACCESS_KEY_ID"), os.Getenv("FLOWLEDGER_ACCESS_KEY_SECRET")}}
		Must(line, json.Unmarshal(line, &request))
		key := request.Key[0] + " " + request.Key[1]
		if clients[key] == nil {
			clients[key] = connect(request.Key[0], request.Key[1])
		}
		answer, err := clients[key].Call(request)
		var apiError *ApiError
		if errors.As(err, &apiError) {
			fmt.Println(string(Must(json.Marshal(map[string]any{"Error": apiError}))))
		} else {
			answer = Must(answer, err)
			fmt.Println(string(Must(json.Marshal(map[string]any{"Answer": answer}))))
		}
	}
}
