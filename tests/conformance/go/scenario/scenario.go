// Package scenario is what the Go drivers check; how each SDK is called stands in the driver itself.
package scenario

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Client is what a driver makes of its SDK: one method for each action used here.
type Client interface {
	CreateFlow(Parameters) (Flow, error)
	DescribeFlow(Parameters) (Flow, error)
	UpdateFlow(Parameters) (Flow, error)
	DeleteFlow(Parameters) error
	ListFlows(Parameters) (Flows, error)
	StartExecution(Parameters) (Execution, error)
	StopExecution(Parameters) (Execution, error)
	DescribeExecution(Parameters) (Execution, error)
	ListExecutions(Parameters) (Executions, error)
	GetExecutionHistory(Parameters) (History, error)
	AppendExecutionEvents(Parameters) (Appended, error)
	ReportTaskSucceeded(Parameters) (Reported, error)
	ReportTaskFailed(Parameters) (Reported, error)
	// Call is for any action by name; its answer is of no interest.
	Call(action, version string, parameters Parameters) error
}

// Parameters of a request by the names of the API. What is empty is sent empty if the SDK can do that.
type Parameters map[string]string

// The answers. A string that the answer does not have is "".
type (
	Flow struct {
		RequestId, Id, Name, Definition, Description, Type, RoleArn, CreatedTime, LastModifiedTime string
	}
	Flows struct {
		Flows     []Flow
		NextToken string
	}
	Execution struct {
		RequestId, FlowName, Name, Status, Input, Output, FlowDefinition, StartedTime, StoppedTime string
	}
	Executions struct {
		Executions []Execution
		NextToken  string
	}
	History struct {
		Events    []Event
		NextToken string
	}
	Event struct {
		EventId, ScheduleEventId          int64
		Type, Time, StepName, EventDetail string
	}
	Appended struct {
		FirstEventId, LastEventId int64
		TaskTokens                map[string]string // by the EventId of each TaskSubmitted event
	}
	Reported struct {
		EventId int64
	}
)

// ApiError is an error answer, with what the SDK shows of it.
type ApiError struct {
	Code    string
	Status  int
	Message string
}

func (e *ApiError) Error() string { return fmt.Sprintf("%d %s: %s", e.Status, e.Code, e.Message) }

// As gives what an SDK answered the form it has here: it goes by the fields' names in JSON.
func As[T any](answer any) (as T, err error) {
	text, err := json.Marshal(answer)
	if err == nil {
		err = json.Unmarshal(text, &as)
	}
	return as, err
}

// --- checking ----------------------------------------------------------------------------------

var checks int

func passed(what string) {
	checks++
	fmt.Println(what)
}

func fail(what string, expected, got any) {
	fmt.Fprintf(os.Stderr, "FAILED %s\n  expected %.500v\n  got      %.500v\n", what, expected, got)
	os.Exit(1)
}

// Check says whether two values are the same.
func Check[T any](what string, got, expected T) {
	if !reflect.DeepEqual(got, expected) {
		g, e := fmt.Sprintf("%#v", got), fmt.Sprintf("%#v", expected)
		// Long texts: from shortly before the first difference.
		at := 0
		for at < len(g) && at < len(e) && g[at] == e[at] {
			at++
		}
		at = max(0, at-100)
		fail(fmt.Sprintf("%s, from character %d", what, at), e[at:], g[at:])
	}
	passed(what)
}

func checkForm(what, got, pattern string) {
	if !regexp.MustCompile("^" + pattern + "$").MatchString(got) {
		fail(what, pattern, got)
	}
	passed(what)
}

// CheckError says whether a call failed with this code and HTTP status, and a message that contains `message`.
func CheckError(what, code string, status int, message string, err error) {
	var answer *ApiError
	expected := fmt.Sprintf("%d %s: …%s…", status, code, message)
	switch {
	case err == nil:
		fail(what, expected, "a success")
	case !errors.As(err, &answer), answer.Code != code, answer.Status != status, !strings.Contains(answer.Message, message):
		fail(what, expected, err)
	}
	passed(what + ": " + code)
}

// ErrorOf takes the error of a call that answers something, too.
func ErrorOf[T any](_ T, err error) error { return err }

// Must takes the answer of a call. An error that no check asked for ends the driver.
func Must[T any](answer T, err error) T {
	if err != nil {
		fail(fmt.Sprintf("a call after check %d", checks), "a success", err)
	}
	return answer
}

// --- what is sent ------------------------------------------------------------------------------

const form = `\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z`

var awkward = []string{
	"plain",
	"步骤 一, Übergröße, नमस्ते, שלום",
	"emoji 🚀 👩‍👩‍👧‍👦",
	"\"double\" 'single' `back`",
	`backslashes \ \\ \n \u0041 C:\new\table\`,
	"</script><script>alert(1)</script><!-- ]]>",
	"nul \x00 inside",
	"line separators \u2028 \u2029 \u0085",
	"controls " + controls() + "\x7f",
	"%2B+ &=?#/%00%u0041;",
	"\r\nlines\r\rand\ttabs\n",
	" blanks around ",
	"'; DROP TABLE events; --",
	"\ufeffbyte order mark, \uffff, \U0010ffff",
	"{not json",
}

func controls() (all string) {
	for c := rune(1); c < 32; c++ {
		all += string(c)
	}
	return all
}

const (
	Definition  = "version: v1\ntype: flow\n# 流程 “awkward” 🚀 %2B+ &=\\n\nsteps:\n  - type: pass\n    name: 步骤\t\r\n\n"
	description = " Überblick: 概述\nsecond line, \"quoted\", %41 + 🚀 "
	Input       = `{ "订单": "№ 7 + 3 & %2B=\n", "amount": 1.50, "big": 12345678901234567890, "b": [ ], "a": null }`
	output      = `{"总数":2500,  "text":"done </script> \u0041 \"🚀\"", "exact": 1.50, "nested": {"b":1, "a":[]}}`

	last      = 2500
	detailMax = 65536
	nameMax   = 256
)

// Every documented type that neither starts nor ends an execution, and a newer one.
var types = []string{
	"StepEntered", "StepStarted", "StepSucceeded", "StepFailed", "StepExited",
	"BranchEntered", "BranchExited", "IterationEntered", "IterationExited",
	"TaskScheduled", "TaskStarted", "TaskSubmitted", "TaskSubmitFailed",
	"TaskSucceeded", "TaskFailed", "TaskTimedOut", "StateEnter",
}

// A Time as sent, and as answered: in UTC, cut (not rounded) to three digits.
var times = [][2]string{
	{"2026-03-01T08:00:00.123456+08:00", "2026-03-01T00:00:00.123Z"},
	{"2026-02-28T20:29:59.999999999-03:30", "2026-02-28T23:59:59.999Z"},
	{"2024-02-29T23:59:59Z", "2024-02-29T23:59:59.000Z"},
	{"2026-03-01T00:00:00.5+00:00", "2026-03-01T00:00:00.500Z"},
}

var largeDetails = map[int]string{
	1200: strings.Repeat("a", detailMax),
	1201: `{"text":"` + strings.Repeat("b", detailMax-11) + `"}`,
	1777: strings.Repeat(`\`, detailMax),
	2200: strings.Repeat("c", detailMax),
	2201: strings.Repeat("步", detailMax/3) + "d", // the limit counts bytes of UTF-8
}

var longNames = map[int]string{ // that limit counts characters
	700: strings.Repeat("n", nameMax),
	701: strings.Repeat("🚀", nameMax),
}

// eventToSend is event `number` as it is sent, and as it must be answered: any field but Type is sent in some
// events and not in others. An answered Time of "" stands for the server's own.
func eventToSend(number int) (sent map[string]any, answered Event) {
	answered = Event{EventId: int64(number), ScheduleEventId: int64(number - 1), EventDetail: "{}"}
	switch number {
	case 1:
		answered.Type, answered.EventDetail = "ExecutionStarted", `{"input":`+Input+"}"
		return nil, answered
	case last:
		answered.Type, answered.EventDetail = "ExecutionSucceeded", `{"output":`+output+"}"
		return map[string]any{"Type": answered.Type, "EventDetail": answered.EventDetail}, answered
	}
	answered.Type = types[number%len(types)]
	sent = map[string]any{"Type": answered.Type}
	text := awkward[number/4%len(awkward)]
	if number%5 != 0 {
		answered.StepName = awkward[number%len(awkward)]
		if name, long := longNames[number]; long {
			answered.StepName = name
		}
		sent["StepName"] = answered.StepName
	}
	if detail, large := largeDetails[number]; large {
		answered.EventDetail = detail
		sent["EventDetail"] = detail
	} else if number%4 == 1 {
		answered.EventDetail = toJson(map[string]any{"n": number, "text": text})
		sent["EventDetail"] = answered.EventDetail
	} else if number%4 == 2 {
		answered.EventDetail = text
		sent["EventDetail"] = text
	}
	if number%3 == 0 {
		answered.ScheduleEventId = int64(number / 2)
		sent["ScheduleEventId"] = number / 2
	} else if number%9 == 1 {
		answered.ScheduleEventId = 0
		sent["ScheduleEventId"] = 0
	}
	if number%2 == 0 {
		sent["Time"], answered.Time = times[number/2%len(times)][0], times[number/2%len(times)][1]
	}
	if number%7 == 0 {
		sent["EventId"] = number
	}
	return sent, answered
}

func toJson(value any) string {
	// json.Marshal spells <, >, & and U+2028 as \uXXXX; the server must not keep that spelling of the request.
	return string(Must(json.Marshal(value)))
}

func batch(from, to int) (events []map[string]any) {
	for number := from; number <= to; number++ {
		sent, _ := eventToSend(number)
		events = append(events, sent)
	}
	return events
}

// RandomName is one that no earlier run used.
func RandomName(prefix string) string {
	random := make([]byte, 8)
	Must(rand.Read(random))
	return prefix + hex.EncodeToString(random)
}

// --- the scenario ------------------------------------------------------------------------------

// Run checks everything that every SDK can do, then what the driver adds.
func Run(connect func(keyId, secret string) Client, more ...func()) {
	admin := connect(os.Getenv("FLOWLEDGER_ACCESS_KEY_ID"), os.Getenv("FLOWLEDGER_ACCESS_KEY_SECRET"))
	reader := connect(os.Getenv("FLOWLEDGER_READER_KEY_ID"), os.Getenv("FLOWLEDGER_READER_KEY_SECRET"))
	flow := RandomName("conformance-")
	flows(admin, flow)
	finish := longWait(connect, flow)
	started := starting(admin, flow)
	appending(admin, flow)
	ended := ending(admin, flow)
	paging(admin, flow, started, ended)
	otherEnds(admin, flow)
	arguments(admin, flow)
	keys(connect, admin, reader, flow)
	updating(admin)
	listingExecutions(admin)
	listingFlows(admin, reader, flow)
	stopping(admin, flow)
	waiting(connect, admin, flow)
	tasks(admin, flow)
	deleting(admin, reader)
	finish()
	for _, part := range more {
		part()
	}
	fmt.Printf("ok: %d checks\n", checks)
}

func flows(client Client, flow string) {
	parameters := Parameters{
		"Name": flow, "Definition": Definition, "Description": description, "Type": "FDL",
		"RoleArn": "acs:ram::1234:role/conformance",
	}
	created := Must(client.CreateFlow(parameters))
	described := Must(client.DescribeFlow(Parameters{"Name": flow}))
	Check("DescribeFlow Name", described.Name, flow)
	Check("DescribeFlow Definition", described.Definition, Definition)
	Check("DescribeFlow Description", described.Description, description)
	Check("DescribeFlow Type", described.Type, "FDL")
	Check("DescribeFlow RoleArn", described.RoleArn, parameters["RoleArn"])
	checkForm("DescribeFlow Id", described.Id, "[0-9a-f-]{36}")
	checkForm("DescribeFlow CreatedTime", described.CreatedTime, form)
	checkForm("DescribeFlow LastModifiedTime", described.LastModifiedTime, form)
	checkForm("DescribeFlow RequestId", described.RequestId, "[0-9A-F-]{36}")
	Check("every answer has its own RequestId", created.RequestId != described.RequestId, true)
	created.RequestId = described.RequestId
	Check("CreateFlow answers the flow", created, described)
	CheckError("CreateFlow again", "FlowAlreadyExists", 409, "Flow '"+flow+"' already exists.",
		ErrorOf(client.CreateFlow(parameters)))
}

func starting(client Client, flow string) (started string) {
	main := Parameters{"FlowName": flow, "ExecutionName": "main"}
	Must(client.StartExecution(Parameters{"FlowName": flow, "ExecutionName": "main", "Input": Input}))
	execution := Must(client.DescribeExecution(main))
	Check("DescribeExecution FlowName", execution.FlowName, flow)
	Check("DescribeExecution Name", execution.Name, "main")
	Check("DescribeExecution Status", execution.Status, "Running")
	Check("DescribeExecution Input", execution.Input, Input)
	Check("DescribeExecution FlowDefinition", execution.FlowDefinition, Definition)
	checkForm("DescribeExecution StartedTime", execution.StartedTime, form)
	again := Must(client.StartExecution(Parameters{"FlowName": flow, "ExecutionName": "main", "Input": "{}"}))
	Check("StartExecution while it runs: StartedTime", again.StartedTime, execution.StartedTime)
	Check("StartExecution while it runs: Input", again.Input, Input)
	Check("StartExecution while it runs: Status", again.Status, "Running")
	page := Must(client.GetExecutionHistory(main))
	Check("the history begins with one event", len(page.Events), 1)
	Check("the only page has no NextToken", page.NextToken, "")
	return execution.StartedTime
}

func appending(client Client, flow string) {
	send := func(events any, expected ...int) (Appended, error) {
		parameters := Parameters{"FlowName": flow, "ExecutionName": "main", "Events": toJson(events)}
		for _, id := range expected {
			parameters["ExpectedEventId"] = strconv.Itoa(id)
		}
		return client.AppendExecutionEvents(parameters)
	}
	appended := func(from, to int, expected ...int) {
		answer := Must(send(batch(from, to), expected...))
		Check(fmt.Sprintf("append %d events", to-from+1),
			[]int64{answer.FirstEventId, answer.LastEventId}, []int64{int64(from), int64(to)})
	}
	conflict := func(what string, events []map[string]any, expected int) {
		CheckError(what, "ConcurrentUpdateError", 409, "", ErrorOf(send(events, expected)))
	}

	appended(2, 1001, 2) // 1000 events, as many as a batch may hold
	appended(2, 1001, 2) // a repeat answers the same ids and writes nothing
	appended(2, 3, 2)    // so does a part of it
	changed := batch(2, 1001)
	changed[500]["EventDetail"] = "changed"
	conflict("the same ids with another detail", changed, 2)
	conflict("a batch half over the end", batch(1000, 1003), 1000)
	conflict("a batch that leaves a gap", batch(1003, 1003), 1003)
	appended(1002, 1002) // ExpectedEventId may be left out
	appended(1003, 1600, 1003)
	appended(1601, 2100, 1601)
	appended(2101, last, 2101)
	appended(2101, last, 2101) // a repeat is answered after the end, too
	CheckError("append after the end", "ExecutionAlreadyCompleted", 400,
		"Execution 'main' for flow '"+flow+"' has already completed.",
		ErrorOf(send([]any{Parameters{"Type": "StepEntered"}}, last+1)))
}

func ending(client Client, flow string) (ended string) {
	main := Parameters{"FlowName": flow, "ExecutionName": "main"}
	execution := Must(client.DescribeExecution(main))
	Check("ended: Status", execution.Status, "Succeeded")
	Check("ended: Output", execution.Output, output)
	Check("ended: Input", execution.Input, Input)
	checkForm("ended: StoppedTime", execution.StoppedTime, form)
	CheckError("start again after the end", "ExecutionAlreadyExists", 400,
		"Execution 'main' for flow '"+flow+"' already exists.", ErrorOf(client.StartExecution(main)))
	return execution.StoppedTime
}

func paging(client Client, flow, started, ended string) {
	for _, limit := range []string{"none", "1000", "999", "60", "7", "1"} {
		parameters := Parameters{"FlowName": flow, "ExecutionName": "main"}
		size := 60 // the default
		if limit != "none" {
			parameters["Limit"] = limit
			size = Must(strconv.Atoi(limit))
		}
		var events []Event
		pages := 0
		for {
			page := Must(client.GetExecutionHistory(parameters))
			events = append(events, page.Events...)
			pages++
			if page.NextToken == "" {
				break
			}
			if len(page.Events) != size {
				fail(fmt.Sprintf("events on page %d, Limit %s", pages, limit), size, len(page.Events))
			}
			if next := strconv.Itoa(len(events) + 1); page.NextToken != next {
				fail("NextToken, Limit "+limit, next, page.NextToken)
			}
			parameters["NextToken"] = page.NextToken
		}
		Check("number of pages, Limit "+limit, pages, (last+size-1)/size)
		checkEvents(fmt.Sprintf("all %d events, Limit %s", last, limit), events, started, ended)
	}

	first := Must(client.GetExecutionHistory(
		Parameters{"FlowName": flow, "ExecutionName": "main", "Limit": "3", "NextToken": ""}))
	Check("an empty NextToken is none", []int64{first.Events[0].EventId, int64(len(first.Events))}, []int64{1, 3})
	for _, token := range []string{strconv.Itoa(last + 1), "9223372036854775807"} {
		page := Must(client.GetExecutionHistory(
			Parameters{"FlowName": flow, "ExecutionName": "main", "NextToken": token}))
		Check("beyond the end, NextToken "+token, page, History{Events: []Event{}}) // empty, not absent
	}
}

func checkEvents(what string, events []Event, started, ended string) {
	Check(what+": their number", len(events), last)
	for index, event := range events {
		_, expected := eventToSend(index + 1)
		if expected.Time == "" { // the server's own: it lies within the execution
			if event.Time < started || event.Time > ended || !regexp.MustCompile(form).MatchString(event.Time) {
				fail(fmt.Sprintf("%s: Time of event %d", what, index+1), started+" to "+ended, event.Time)
			}
			expected.Time = event.Time
		}
		if event != expected {
			Check(fmt.Sprintf("%s: event %d", what, index+1), event, expected)
		}
	}
	passed(what)
	Check(what+": the first at StartedTime", events[0].Time, started)
	Check(what+": the last at StoppedTime", events[last-1].Time, ended)
}

func otherEnds(client Client, flow string) {
	refused := Parameters{"FlowName": flow, "ExecutionName": "refused"}
	Must(client.StartExecution(refused))
	refusedEvents(client, flow)
	Check("refused batches left nothing", len(Must(client.GetExecutionHistory(refused)).Events), 1)
	Check("refused batches ended nothing", Must(client.DescribeExecution(refused)).Status, "Running")

	for _, status := range []string{"Failed", "Stopped", "TimedOut"} {
		this := Parameters{"FlowName": flow, "ExecutionName": status}
		Must(client.StartExecution(this))
		end := Parameters{
			"FlowName": flow, "ExecutionName": status, "ExpectedEventId": "2",
			"Events": `[{"Type":"Execution` + status + `","EventDetail":"{\"error\":\"E\",\"cause\":\"步骤\"}"}]`,
		}
		Check(status+": LastEventId", Must(client.AppendExecutionEvents(end)).LastEventId, 2)
		execution := Must(client.DescribeExecution(this))
		Check(status+": Status", execution.Status, status)
		checkForm(status+": StoppedTime", execution.StoppedTime, form)
		end["ExpectedEventId"], end["Events"] = "3", `[{"Type":"StepEntered"}]`
		CheckError(status+": append after the end", "ExecutionAlreadyCompleted", 400, "'"+status+"'",
			ErrorOf(client.AppendExecutionEvents(end)))
	}
}

func refusedEvents(client Client, flow string) {
	type event = map[string]any
	send := func(events string) error {
		return ErrorOf(client.AppendExecutionEvents(Parameters{
			"FlowName": flow, "ExecutionName": "refused", "Events": events, "ExpectedEventId": "2",
		}))
	}
	good := event{"Type": "StepEntered", "StepName": "good"}
	tooMany := make([]event, 1001)
	for index := range tooMany {
		tooMany[index] = good
	}
	for _, refused := range []struct {
		what, message string
		events        any
	}{
		{"no event", "Events", []event{}},
		{"1001 events", "Events", tooMany},
		{"an event without Type", "Type", []event{good, {"StepName": "x"}}},
		{"an unknown field", "Colour", []event{good, {"Type": "StepEntered", "Colour": "red"}}},
		{"a Type that is no word", "Type", []event{good, {"Type": "Step Entered"}}},
		{"a Type of 65 letters", "Type", []event{good, {"Type": strings.Repeat("T", 65)}}},
		{"a detail that is no string", "Events[1]", []event{good, {"Type": "StepEntered", "EventDetail": event{}}}},
		{"a detail over 64 KiB", "EventDetail",
			[]event{good, {"Type": "StepEntered", "EventDetail": strings.Repeat("a", detailMax+1)}}},
		{"a StepName over 256", "StepName",
			[]event{good, {"Type": "StepEntered", "StepName": strings.Repeat("步", nameMax+1)}}},
		{"a Time that is none", "Time", []event{good, {"Type": "StepEntered", "Time": "yesterday"}}},
		{"its own id as cause", "ScheduleEventId", []event{good, {"Type": "StepEntered", "ScheduleEventId": 3}}},
		{"a start in the middle", "Events", []event{good, {"Type": "ExecutionStarted"}}},
		{"an event after the end", "Events", []event{{"Type": "ExecutionFailed"}, good}},
		{"an object in place of the list", "Events", good},
	} {
		CheckError(refused.what, "InvalidArgument", 400, refused.message, send(toJson(refused.events)))
	}
	CheckError("Events that are no JSON", "InvalidArgument", 400, "Events", send(`[{"Type":"StepEntered"}`))
	for _, count := range []int{20, 50} {
		large := make([]event, count)
		for index := range large {
			large[index] = event{"Type": "StepEntered", "EventDetail": strings.Repeat("a", 60000)}
		}
		CheckError(fmt.Sprintf("a body of %d KB", count*60), "EntityTooLarge", 400,
			"The payload size exceeds maximum allowed size (1048576 bytes).", send(toJson(large)))
	}
}

func arguments(client Client, flow string) {
	missing := Parameters{
		"Name": "no-such-flow", "FlowName": "no-such-flow", "ExecutionName": "main",
		"Events": `[{"Type":"StepEntered"}]`,
	}
	for what, err := range map[string]error{
		"GetExecutionHistory":   ErrorOf(client.GetExecutionHistory(missing)),
		"DescribeFlow":          ErrorOf(client.DescribeFlow(missing)),
		"DescribeExecution":     ErrorOf(client.DescribeExecution(missing)),
		"StartExecution":        ErrorOf(client.StartExecution(missing)),
		"AppendExecutionEvents": ErrorOf(client.AppendExecutionEvents(missing)),
	} {
		CheckError(what+" of an unknown flow", "FlowNotExists", 404, noFlow, err)
	}
	missing["FlowName"], missing["ExecutionName"] = flow, "no-such-one"
	for what, err := range map[string]error{
		"GetExecutionHistory":   ErrorOf(client.GetExecutionHistory(missing)),
		"DescribeExecution":     ErrorOf(client.DescribeExecution(missing)),
		"AppendExecutionEvents": ErrorOf(client.AppendExecutionEvents(missing)),
	} {
		CheckError(what+" of an unknown one", "ExecutionNotExists", 404,
			"Execution 'no-such-one' for flow '"+flow+"' does not exist.", err)
	}

	history := func(name, value string) error {
		parameters := Parameters{"FlowName": flow, "ExecutionName": "main"}
		parameters[name] = value
		return ErrorOf(client.GetExecutionHistory(parameters))
	}
	for _, limit := range []string{"0", "1001", "-1", "ten", "1.0"} {
		CheckError("Limit "+limit, "InvalidArgument", 400, "Limit", history("Limit", limit))
	}
	for _, token := range []string{"abc", "0", "-1", "1.0", "9223372036854775808"} {
		CheckError("NextToken "+token, "InvalidArgument", 400, "NextToken", history("NextToken", token))
	}
	for _, name := range []string{"bad name", "1-digit-first", "步骤", strings.Repeat("n", 129)} {
		CheckError("FlowName "+name, "InvalidArgument", 400, "FlowName", history("FlowName", name))
		CheckError("Name "+name, "InvalidArgument", 400, "Name",
			ErrorOf(client.CreateFlow(Parameters{"Name": name, "Definition": Definition, "Type": "FDL"})))
	}
	CheckError("no FlowName", "MissingRequiredParams", 400, "The HTTP query 'FlowName' must be specified.",
		ErrorOf(client.GetExecutionHistory(Parameters{"ExecutionName": "main"})))
	for _, action := range []string{"ListSchedules", "MadeUp"} {
		CheckError("action "+action, "ActionNotSupported", 400,
			"The requested API operation '"+action+"' is incorrect. Please check.",
			client.Call(action, Version, Parameters{"FlowName": flow}))
	}
	CheckError("version 2016-01-01", "APIVersionNotSupported", 400,
		"The requested API version '2016-01-01' is not supported yet. Please check.",
		client.Call("DescribeFlow", "2016-01-01", Parameters{"Name": flow}))
}

// Version of the API.
const Version = "2019-03-15"

func keys(connect func(keyId, secret string) Client, admin, reader Client, flow string) {
	stranger := connect("no-such-key", os.Getenv("FLOWLEDGER_ACCESS_KEY_SECRET"))
	impostor := connect(os.Getenv("FLOWLEDGER_ACCESS_KEY_ID"), "wrong-secret")
	another := Parameters{"Name": flow, "FlowName": flow, "ExecutionName": "main"}
	CheckError("unknown key", "InvalidAccessKeyID", 403, "no-such-key", ErrorOf(stranger.DescribeFlow(another)))
	CheckError("wrong secret", "SignatureNotMatch", 403,
		"The request signature we calculated does not match the signature you provided.",
		ErrorOf(impostor.DescribeFlow(another)))

	name := RandomName("reader-")
	own := Parameters{
		"Name": name, "Definition": Definition, "Description": "", "Type": "FDL",
		"FlowName": name, "ExecutionName": "main", "Input": Input, "Events": `[{"Type":"StepEntered"}]`,
	}
	Must(admin.CreateFlow(own))
	Must(admin.StartExecution(own))
	Check("a reader reads its flows", Must(reader.DescribeFlow(own)).Definition, Definition)
	Check("a reader reads their histories", len(Must(reader.GetExecutionHistory(own)).Events), 1)
	for what, err := range map[string]error{
		"another flow":                           ErrorOf(reader.DescribeFlow(another)),
		"another flow's history":                 ErrorOf(reader.GetExecutionHistory(another)),
		"another flow, whether it exists or not": ErrorOf(reader.DescribeFlow(Parameters{"Name": "no-such-flow"})),
		"creating":                               ErrorOf(reader.CreateFlow(own)),
		"starting":                               ErrorOf(reader.StartExecution(own)),
		"appending":                              ErrorOf(reader.AppendExecutionEvents(own)),
	} {
		CheckError("a reader is refused "+what, "AccessDenied", 403, "The resources doesn't belong to you.", err)
	}
	Check("a refused append left nothing", len(Must(admin.GetExecutionHistory(own)).Events), 1)
}

func newFlow(client Client, prefix string) string {
	return Must(client.CreateFlow(Parameters{
		"Name": RandomName(prefix), "Definition": Definition, "Description": description, "Type": "FDL",
		"RoleArn": "acs:ram::1234:role/conformance",
	})).Name
}

const noFlow = "Flow 'no-such-flow' does not exist."

func updating(client Client) {
	flow := newFlow(client, "conformance-")
	before := Must(client.DescribeFlow(Parameters{"Name": flow}))
	Must(client.StartExecution(Parameters{"FlowName": flow, "ExecutionName": "before"}))
	time.Sleep(2 * time.Millisecond) // so that the update comes at another one
	updated := Must(client.UpdateFlow(Parameters{"Name": flow, "Definition": "version: v1\n# 新的 🚀\n"}))
	Check("UpdateFlow LastModifiedTime", updated.LastModifiedTime > before.LastModifiedTime, true)
	expected := before
	expected.Definition = "version: v1\n# 新的 🚀\n"
	expected.RequestId, expected.LastModifiedTime = updated.RequestId, updated.LastModifiedTime
	Check("UpdateFlow changes the definition and nothing else", updated, expected)
	described := Must(client.DescribeFlow(Parameters{"Name": flow}))
	expected.RequestId = described.RequestId
	Check("DescribeFlow after UpdateFlow", described, expected)

	Must(client.StartExecution(Parameters{"FlowName": flow, "ExecutionName": "after"}))
	for name, definition := range map[string]string{"before": Definition, "after": updated.Definition} {
		execution := Must(client.DescribeExecution(Parameters{"FlowName": flow, "ExecutionName": name}))
		Check("an execution keeps the definition it began with: "+name, execution.FlowDefinition, definition)
	}
	cleared := Must(client.UpdateFlow(Parameters{"Name": flow, "Description": "", "RoleArn": ""}))
	expected.Description, expected.RoleArn = "", ""
	expected.RequestId, expected.LastModifiedTime = cleared.RequestId, cleared.LastModifiedTime
	Check("an empty Description and RoleArn clear them", cleared, expected)
	CheckError("UpdateFlow of an unknown flow", "FlowNotExists", 404, noFlow,
		ErrorOf(client.UpdateFlow(Parameters{"Name": "no-such-flow", "Description": "x"})))
}

// allFlows and allExecutions are everything that a list answers, and the sizes of its pages.
func allFlows(client Client, parameters Parameters) (flows []Flow, sizes []int) {
	for {
		page := Must(client.ListFlows(parameters))
		flows, sizes = append(flows, page.Flows...), append(sizes, len(page.Flows))
		if page.NextToken == "" {
			return flows, sizes
		}
		parameters["NextToken"] = page.NextToken
	}
}

func allExecutions(client Client, parameters Parameters) (executions []Execution, sizes []int) {
	for {
		page := Must(client.ListExecutions(parameters))
		executions, sizes = append(executions, page.Executions...), append(sizes, len(page.Executions))
		if page.NextToken == "" {
			return executions, sizes
		}
		parameters["NextToken"] = page.NextToken
	}
}

func listingExecutions(client Client) {
	flow := newFlow(client, "conformance-")
	Check("no executions", Must(client.ListExecutions(Parameters{"FlowName": flow})), Executions{Executions: []Execution{}})
	ends := [][2]string{
		{"a-1", "Succeeded"}, {"a-2", "Running"}, {"b-1", "Failed"}, {"b_2", "Succeeded"}, {"a-3", "TimedOut"},
		{"A-4", "Running"}, {"a-5", "Stopped"},
	}
	for _, end := range ends {
		this := Parameters{"FlowName": flow, "ExecutionName": end[0], "Input": Input}
		Must(client.StartExecution(this))
		if end[1] != "Running" {
			this["Events"] = `[{"Type":"Execution` + end[1] + `"}]`
			Must(client.AppendExecutionEvents(this))
		}
	}
	those := func(wanted func(name, status string) bool) (names []string) { // the newest first
		for index := len(ends) - 1; index >= 0; index-- {
			if wanted(ends[index][0], ends[index][1]) {
				names = append(names, ends[index][0])
			}
		}
		return names
	}
	all := those(func(_, _ string) bool { return true })
	list := func(filters ...string) (names []string, sizes []int) {
		parameters := Parameters{"FlowName": flow}
		for index := 0; index < len(filters); index += 2 {
			parameters[filters[index]] = filters[index+1]
		}
		executions, sizes := allExecutions(client, parameters)
		for _, execution := range executions {
			names = append(names, execution.Name)
		}
		return names, sizes
	}

	for limit, expected := range map[string][]int{
		"100": {7}, "7": {7}, "3": {3, 3, 1}, "1": {1, 1, 1, 1, 1, 1, 1},
	} {
		names, sizes := list("Limit", limit)
		Check("pages of executions, Limit "+limit, sizes, expected)
		Check("executions, Limit "+limit, names, all)
	}
	for _, execution := range Must(client.ListExecutions(Parameters{"FlowName": flow})).Executions {
		described := Must(client.DescribeExecution(Parameters{"FlowName": flow, "ExecutionName": execution.Name}))
		described.RequestId = ""
		Check("ListExecutions answers what DescribeExecution does: "+execution.Name, execution, described)
	}
	for _, status := range []string{"Running", "Succeeded", "Failed", "TimedOut", "Stopped", "Starting"} {
		names, _ := list("Status", status, "Limit", "1")
		Check("executions that are "+status, names, those(func(_, is string) bool { return is == status }))
	}
	for _, prefix := range []string{"a-", "b", "A", "a-1", "a-11", "a_", "%"} {
		names, _ := list("ExecutionNamePrefix", prefix)
		Check("executions named "+prefix+"…", names,
			those(func(name, _ string) bool { return strings.HasPrefix(name, prefix) }))
	}
	names, _ := list("ExecutionNamePrefix", "a-", "Status", "Running")
	Check("both filters", names, []string{"a-2"})
	const early, late = "2000-01-01T00:00:00Z", "2100-01-01T08:00:00+08:00"
	names, _ = list("StartedTimeBegin", early, "StartedTimeEnd", late)
	Check("executions of a time", names, all)
	names, _ = list("StartedTimeEnd", early)
	Check("executions before their time", names, nil)
	names, _ = list("StartedTimeBegin", late)
	Check("executions after their time", names, nil)
	metadata := Must(client.ListExecutions(Parameters{"FlowName": flow, "MetadataOnly": "true"})).Executions
	for index, execution := range metadata {
		Check("MetadataOnly leaves out the texts of "+execution.Name,
			execution.Input+execution.Output+execution.FlowDefinition, "")
		Check("MetadataOnly: Status of "+execution.Name, execution.Status, ends[len(ends)-1-index][1])
	}
	for _, invalid := range [][2]string{
		{"Limit", "0"}, {"Limit", "101"}, {"Status", "Done"}, {"StartedTimeBegin", "noon"}, {"NextToken", "?"},
	} {
		CheckError("ListExecutions "+invalid[0]+" "+invalid[1], "InvalidArgument", 400, invalid[0],
			ErrorOf(client.ListExecutions(Parameters{"FlowName": flow, invalid[0]: invalid[1]})))
	}
	CheckError("ListExecutions of an unknown flow", "FlowNotExists", 404, noFlow,
		ErrorOf(client.ListExecutions(Parameters{"FlowName": "no-such-flow"})))
}

func listingFlows(client, reader Client, flow string) {
	own := newFlow(client, "reader-")
	described := Must(client.DescribeFlow(Parameters{"Name": flow}))
	described.RequestId = ""
	all, _ := allFlows(client, Parameters{"Limit": "1000"})
	var names []string
	var readable []Flow
	for _, one := range all {
		names = append(names, one.Name)
		if strings.HasPrefix(one.Name, "reader-") {
			readable = append(readable, one)
		}
		if one.Name == flow {
			Check("ListFlows answers what DescribeFlow does", one, described)
		}
	}
	Check("flows come by name", slices.IsSorted(names), true)
	Check("ListFlows knows the flows", slices.Contains(names, flow) && slices.Contains(names, own), true)
	small, sizes := allFlows(client, Parameters{"Limit": "2"})
	Check("pages of 2 flows", len(sizes), (len(names)+1)/2)
	Check("all flows in pages of 2", small, all)
	seen, _ := allFlows(reader, Parameters{})
	Check("a reader lists the flows it may see", seen, readable)
	for _, limit := range []string{"0", "1001"} {
		CheckError("ListFlows Limit "+limit, "InvalidArgument", 400, "Limit",
			ErrorOf(client.ListFlows(Parameters{"Limit": limit})))
	}
}

const reason = "步骤 \"x\" failed\n\\ </script> 🚀"

// detail reads an EventDetail that the server wrote.
func detail(event Event) (detail map[string]string) {
	if err := json.Unmarshal([]byte(event.EventDetail), &detail); err != nil {
		fail("EventDetail", "JSON", event.EventDetail)
	}
	return detail
}

func stopping(client Client, flow string) {
	main := Parameters{"FlowName": flow, "ExecutionName": "to-stop", "Events": `[{"Type":"StepEntered"}]`}
	Must(client.StartExecution(main))
	stopped := Must(client.StopExecution(
		Parameters{"FlowName": flow, "ExecutionName": "to-stop", "Error": "E.stop", "Cause": reason}))
	Check("StopExecution Status", stopped.Status, "Stopped")
	checkForm("StopExecution StoppedTime", stopped.StoppedTime, form)
	Check("DescribeExecution after StopExecution",
		Must(client.DescribeExecution(main)).StoppedTime, stopped.StoppedTime)
	last := Must(client.GetExecutionHistory(main)).Events[1]
	Check("StopExecution: Type", last.Type, "ExecutionStopped")
	Check("StopExecution: Time", last.Time, stopped.StoppedTime)
	Check("StopExecution: EventDetail", detail(last), map[string]string{"error": "E.stop", "cause": reason})
	completed := "Execution 'to-stop' for flow '" + flow + "' has already completed."
	CheckError("StopExecution again", "ExecutionAlreadyCompleted", 400, completed,
		ErrorOf(client.StopExecution(main)))
	CheckError("append after StopExecution", "ExecutionAlreadyCompleted", 400, completed,
		ErrorOf(client.AppendExecutionEvents(main)))
	CheckError("StopExecution of an unknown one", "ExecutionNotExists", 404, "'no-such-one'",
		ErrorOf(client.StopExecution(Parameters{"FlowName": flow, "ExecutionName": "no-such-one"})))
	another := Parameters{"FlowName": flow, "ExecutionName": "to-stop-too"}
	Must(client.StartExecution(another))
	Must(client.StopExecution(another))
	last = Must(client.GetExecutionHistory(another)).Events[1]
	Check("StopExecution without a reason: EventDetail", last.EventDetail, "{}")
	for what, text := range map[string]string{"Error": strings.Repeat("e", 129), "Cause": strings.Repeat("c", 4097)} {
		CheckError("StopExecution with a long "+what, "InvalidArgument", 400, what,
			ErrorOf(client.StopExecution(Parameters{"FlowName": flow, "ExecutionName": "refused", what: text})))
	}
}

func wait(client Client, main Parameters, seconds int) (status string, took time.Duration) {
	began := time.Now()
	execution := Must(client.DescribeExecution(Parameters{
		"FlowName": main["FlowName"], "ExecutionName": main["ExecutionName"], "WaitTimeSeconds": strconv.Itoa(seconds),
	}))
	return execution.Status, time.Since(began)
}

// longWait waits for longer than the SDKs do by default (10 s), while the scenario goes on.
func longWait(connect func(keyId, secret string) Client, flow string) (finish func()) {
	client := connect(os.Getenv("FLOWLEDGER_ACCESS_KEY_ID"), os.Getenv("FLOWLEDGER_ACCESS_KEY_SECRET"))
	main := Parameters{"FlowName": flow, "ExecutionName": "endless"}
	Must(client.StartExecution(main))
	var status string
	var took time.Duration
	over := make(chan bool)
	go func() {
		status, took = wait(client, main, 11)
		close(over)
	}()
	return func() {
		<-over
		Check("a wait of 11 seconds: Status", status, "Running")
		Check("a wait of 11 seconds took its time", took >= 11*time.Second && took < 21*time.Second, true)
	}
}

func waiting(connect func(keyId, secret string) Client, client Client, flow string) {
	main := Parameters{"FlowName": flow, "ExecutionName": "to-wait", "Events": `[{"Type":"ExecutionSucceeded"}]`}
	Must(client.StartExecution(main))
	status, took := wait(client, main, 1)
	Check("a wait that ends without an end: Status", status, "Running")
	Check("a wait that ends without an end took its time", took >= time.Second && took < 20*time.Second, true)
	time.AfterFunc(time.Second/2, func() {
		other := connect(os.Getenv("FLOWLEDGER_ACCESS_KEY_ID"), os.Getenv("FLOWLEDGER_ACCESS_KEY_SECRET"))
		Must(other.AppendExecutionEvents(main))
	})
	status, took = wait(client, main, 60)
	Check("a wait for an end: Status", status, "Succeeded")
	Check("a wait for an end is over when it comes", took < 30*time.Second, true)
	status, took = wait(client, main, 60)
	Check("a wait after the end: Status", status, "Succeeded")
	Check("a wait after the end is over at once", took < 30*time.Second, true)
	for _, seconds := range []string{"61", "-1"} {
		CheckError("WaitTimeSeconds "+seconds, "InvalidArgument", 400, "WaitTimeSeconds", ErrorOf(client.DescribeExecution(
			Parameters{"FlowName": flow, "ExecutionName": "to-wait", "WaitTimeSeconds": seconds})))
	}
}

func tasks(client Client, flow string) {
	main := Parameters{"FlowName": flow, "ExecutionName": "tasks", "ExpectedEventId": "2", "Events": toJson([]Parameters{
		{"Type": "TaskScheduled", "StepName": "步骤"},
		{"Type": "TaskSubmitted", "StepName": "步骤"},
		{"Type": "TaskSubmitted", "StepName": "another"},
	})}
	Must(client.StartExecution(main))
	tokens := Must(client.AppendExecutionEvents(main)).TaskTokens
	Check("a token for each task", len(tokens) == 2 && tokens["3"] != "" && tokens["4"] != "", true)
	Check("a repeat answers the same tokens", Must(client.AppendExecutionEvents(main)).TaskTokens, tokens)
	succeed := func(token, output string) (Reported, error) {
		return client.ReportTaskSucceeded(Parameters{"TaskToken": token, "Output": output})
	}
	failTask := func(token, error, cause string) (Reported, error) {
		return client.ReportTaskFailed(Parameters{"TaskToken": token, "Error": error, "Cause": cause})
	}
	Check("ReportTaskSucceeded EventId", Must(succeed(tokens["3"], Input)).EventId, 5)
	Check("ReportTaskFailed EventId", Must(failTask(tokens["4"], "E.task", reason)).EventId, 6)
	main["NextToken"] = "5"
	events := Must(client.GetExecutionHistory(main)).Events
	Check("TaskSucceeded", events[0], Event{
		Type: "TaskSucceeded", EventId: 5, ScheduleEventId: 3, StepName: "步骤",
		EventDetail: `{"output":` + Input + "}", Time: events[0].Time,
	})
	Check("TaskFailed", events[1], Event{
		Type: "TaskFailed", EventId: 6, ScheduleEventId: 4, StepName: "another",
		EventDetail: events[1].EventDetail, Time: events[1].Time,
	})
	Check("TaskFailed: EventDetail", detail(events[1]), map[string]string{"error": "E.task", "cause": reason})
	for what, err := range map[string]error{
		"ReportTaskSucceeded again":           ErrorOf(succeed(tokens["3"], "{}")),
		"ReportTaskFailed after it succeeded": ErrorOf(failTask(tokens["3"], "E", "C")),
		"ReportTaskSucceeded after it failed": ErrorOf(succeed(tokens["4"], "{}")),
	} {
		CheckError(what, "TaskAlreadyCompleted", 400, "has already completed.", err)
	}
	CheckError("a token that is none", "InvalidArgument", 400, "TaskToken", ErrorOf(succeed("no-such-token", "{}")))
	CheckError("a token that was changed", "InvalidArgument", 400, "TaskToken", ErrorOf(succeed(tokens["3"]+"?", "{}")))
	CheckError("an Output that is no JSON", "InvalidArgument", 400, "Output", ErrorOf(succeed(tokens["3"], "{")))
	CheckError("an Error too long", "InvalidArgument", 400, "Error",
		ErrorOf(failTask(tokens["3"], strings.Repeat("e", 129), "C")))
	delete(main, "NextToken")
	Check("refused reports left nothing", len(Must(client.GetExecutionHistory(main)).Events), 6)
}

func deleting(client, reader Client) {
	flow := newFlow(client, "reader-")
	old := Parameters{
		"Name": flow, "FlowName": flow, "ExecutionName": "old", "Events": `[{"Type":"TaskSubmitted"}]`, "Output": "{}",
		"Definition": Definition, "Type": "FDL",
	}
	Must(client.StartExecution(old))
	old["TaskToken"] = Must(client.AppendExecutionEvents(old)).TaskTokens["2"]
	for what, err := range map[string]error{
		"updating":         ErrorOf(reader.UpdateFlow(old)),
		"deleting":         reader.DeleteFlow(old),
		"stopping":         ErrorOf(reader.StopExecution(old)),
		"reporting a task": ErrorOf(reader.ReportTaskSucceeded(old)),
	} {
		CheckError("a reader is refused "+what, "AccessDenied", 403, "The resources doesn't belong to you.", err)
	}
	before := Must(client.DescribeFlow(old))
	if err := client.DeleteFlow(old); err != nil {
		fail("DeleteFlow", "a success", err)
	}
	passed("DeleteFlow")
	for what, err := range map[string]error{
		"DescribeFlow":          ErrorOf(client.DescribeFlow(old)),
		"GetExecutionHistory":   ErrorOf(client.GetExecutionHistory(old)),
		"DescribeExecution":     ErrorOf(client.DescribeExecution(old)),
		"ListExecutions":        ErrorOf(client.ListExecutions(old)),
		"StartExecution":        ErrorOf(client.StartExecution(old)),
		"AppendExecutionEvents": ErrorOf(client.AppendExecutionEvents(old)),
		"ReportTaskSucceeded":   ErrorOf(client.ReportTaskSucceeded(old)),
		"DeleteFlow":            client.DeleteFlow(old),
	} {
		CheckError(what+" of a deleted flow", "FlowNotExists", 404, "Flow '"+flow+"' does not exist.", err)
	}
	all, _ := allFlows(client, Parameters{"Limit": "1000"})
	gone := !slices.ContainsFunc(all, func(one Flow) bool { return one.Name == flow })
	Check("ListFlows without a deleted flow", gone, true)

	Must(client.CreateFlow(old))
	Check("a flow of that name is another", Must(client.DescribeFlow(old)).Id != before.Id, true)
	Check("it has no old executions", len(Must(client.ListExecutions(old)).Executions), 0)
	CheckError("it has no old history", "ExecutionNotExists", 404, "'old'", ErrorOf(client.GetExecutionHistory(old)))
	Must(client.StartExecution(old))
	Check("an execution of that name is another", len(Must(client.GetExecutionHistory(old)).Events), 1)
}

// FromNow is a time stamp as the SDKs write it, so many minutes from now.
func FromNow(minutes int) string {
	return time.Now().UTC().Add(time.Duration(minutes) * time.Minute).Format("2006-01-02T15:04:05Z")
}
