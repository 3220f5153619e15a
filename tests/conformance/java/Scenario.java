import com.google.gson.Gson;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.BiFunction;
import java.util.function.Function;
import java.util.function.Supplier;

/** What the Java drivers check; how each SDK is called stands in the driver itself. */
final class Scenario {
    static final String VERSION = "2019-03-15";

    /**
     * What a driver makes of its SDK: one method for each action used here. Parameters and answers have the names of
     * the API; an error answer is thrown as ApiError.
     */
    interface Client {
        JsonObject createFlow(Map<String, String> parameters);

        JsonObject describeFlow(Map<String, String> parameters);

        JsonObject updateFlow(Map<String, String> parameters);

        JsonObject deleteFlow(Map<String, String> parameters);

        JsonObject listFlows(Map<String, String> parameters);

        JsonObject startExecution(Map<String, String> parameters);

        JsonObject stopExecution(Map<String, String> parameters);

        JsonObject describeExecution(Map<String, String> parameters);

        JsonObject listExecutions(Map<String, String> parameters);

        JsonObject getExecutionHistory(Map<String, String> parameters);

        JsonObject appendExecutionEvents(Map<String, String> parameters);

        JsonObject reportTaskSucceeded(Map<String, String> parameters);

        JsonObject reportTaskFailed(Map<String, String> parameters);

        /** Any action by name. */
        JsonObject call(String action, String version, Map<String, String> parameters);

        /** Whether UpdateFlow can be sent a Description that is empty, which clears it. */
        default boolean canClear() {
            return true;
        }

        /** What the SDK makes of this text in an answer. */
        default String received(String text) {
            return text;
        }
    }

    /** An error answer, with what the SDK shows of it. Status null: it does not show it. */
    static final class ApiError extends RuntimeException {
        final String code;
        final Integer status;

        ApiError(String code, Integer status, String message) {
            super(message);
            this.code = code;
            this.status = status;
        }
    }

    // --- checking --------------------------------------------------------------------------------

    private static int checks;

    private static void passed(String what) {
        checks++;
        System.out.println(what);
    }

    static void fail(String what, Object expected, Object got) {
        System.err.printf("FAILED %s%n  expected %.500s%n  got      %.500s%n", what, expected, got);
        System.exit(1);
    }

    static void check(String what, Object got, Object expected) {
        if (!Objects.equals(got, expected)) {
            String g = String.valueOf(got), e = String.valueOf(expected);
            // Long texts: from shortly before the first difference.
            int at = 0;
            while (at < Math.min(g.length(), e.length()) && g.charAt(at) == e.charAt(at)) at++;
            at = Math.max(0, at - 100);
            fail(what + ", from character " + at, e.substring(at), g.substring(at));
        }
        passed(what);
    }

    private static void checkForm(String what, String got, String pattern) {
        if (got == null || !got.matches(pattern)) fail(what, pattern, got);
        passed(what);
    }

    /** The call must fail with this code and HTTP status, and a message that contains `message`. */
    static void checkError(String what, String code, int status, String message, Supplier<?> call) {
        String expected = status + " " + code + ": …" + message + "…";
        try {
            fail(what, expected, call.get());
        } catch (ApiError error) {
            boolean sameStatus = error.status == null || error.status == status;
            if (!sameStatus || !code.equals(error.code) || !error.getMessage().contains(message)) {
                fail(what, expected, error.status + " " + error.code + ": " + error.getMessage());
            }
        }
        passed(what + ": " + code);
    }

    static String text(JsonObject answer, String name) {
        JsonElement value = answer.get(name);
        return value == null ? null : value.getAsString();
    }

    private static JsonArray events(JsonObject page) {
        return page.getAsJsonArray("Events");
    }

    /** The same parameters and some more. */
    static Map<String, String> with(Map<String, String> parameters, String... namesAndValues) {
        Map<String, String> more = new LinkedHashMap<>(parameters);
        for (int i = 0; i < namesAndValues.length; i += 2) more.put(namesAndValues[i], namesAndValues[i + 1]);
        return more;
    }

    // --- what is sent ----------------------------------------------------------------------------

    private static final String TIME = "\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z";

    private static final String[] AWKWARD = {
        "plain",
        "步骤 一, Übergröße, नमस्ते, שלום",
        "emoji 🚀 👩‍👩‍👧‍👦",
        "\"double\" 'single' `back`",
        "backslashes \\ \\\\ \\n \\u0041 C:\\new\\table\\",
        "</script><script>alert(1)</script><!-- ]]>",
        "nul \0 inside",
        "line separators \u2028 \u2029 \u0085",
        "controls " + controls() + "\u007f",
        "%2B+ &=?#/%00%u0041;",
        "\r\nlines\r\rand\ttabs\n",
        " blanks around ",
        "'; DROP TABLE events; --",
        "\ufeffbyte order mark, \uffff, \udbff\udfff",
        "{not json",
    };

    private static String controls() {
        StringBuilder all = new StringBuilder();
        for (char c = 1; c < 32; c++) all.append(c);
        return all.toString();
    }

    static final String DEFINITION =
        "version: v1\ntype: flow\n# 流程 “awkward” 🚀 %2B+ &=\\n\nsteps:\n  - type: pass\n    name: 步骤\t\r\n\n";
    private static final String DESCRIPTION = " Überblick: 概述\nsecond line, \"quoted\", %41 + 🚀 ";
    static final String INPUT =
        "{ \"订单\": \"№ 7 + 3 & %2B=\\n\", \"amount\": 1.50, \"big\": 12345678901234567890, \"b\": [ ], \"a\": null }";
    private static final String OUTPUT =
        "{\"总数\":2500,  \"text\":\"done </script> \\u0041 \\\"🚀\\\"\", \"exact\": 1.50, \"nested\": {\"b\":1, \"a\":[]}}";

    // Every documented type that neither starts nor ends an execution, and a newer one.
    private static final String[] TYPES = {
        "StepEntered", "StepStarted", "StepSucceeded", "StepFailed", "StepExited",
        "BranchEntered", "BranchExited", "IterationEntered", "IterationExited",
        "TaskScheduled", "TaskStarted", "TaskSubmitted", "TaskSubmitFailed",
        "TaskSucceeded", "TaskFailed", "TaskTimedOut", "StateEnter",
    };

    // A Time as sent, and as answered: in UTC, cut (not rounded) to three digits.
    private static final String[][] TIMES = {
        {"2026-03-01T08:00:00.123456+08:00", "2026-03-01T00:00:00.123Z"},
        {"2026-02-28T20:29:59.999999999-03:30", "2026-02-28T23:59:59.999Z"},
        {"2024-02-29T23:59:59Z", "2024-02-29T23:59:59.000Z"},
        {"2026-03-01T00:00:00.5+00:00", "2026-03-01T00:00:00.500Z"},
    };

    private static final int LAST = 2500;
    private static final int DETAIL_MAX = 65536;
    private static final int NAME_MAX = 256;

    private static final Map<Integer, String> LARGE_DETAILS = Map.of(
        1200, "a".repeat(DETAIL_MAX),
        1201, "{\"text\":\"" + "b".repeat(DETAIL_MAX - 11) + "\"}",
        1777, "\\".repeat(DETAIL_MAX),
        2200, "c".repeat(DETAIL_MAX),
        2201, "步".repeat(DETAIL_MAX / 3) + "d"); // the limit counts bytes of UTF-8
    private static final Map<Integer, String> LONG_NAMES = Map.of(
        700, "n".repeat(NAME_MAX), 701, "🚀".repeat(NAME_MAX)); // that limit counts characters

    // Gson spells <, >, &, =, ' and U+2028 as escapes; the server must not keep that spelling of the request.
    static final Gson GSON = new Gson();

    /** Event `number` as it is sent: any field but Type is there in some events and not in others. */
    private static Map<String, Object> eventToSend(int number) {
        Map<String, Object> event = new LinkedHashMap<>();
        if (number == LAST) {
            event.put("Type", "ExecutionSucceeded");
            event.put("EventDetail", "{\"output\":" + OUTPUT + "}");
            return event;
        }
        event.put("Type", TYPES[number % TYPES.length]);
        String text = AWKWARD[number / 4 % AWKWARD.length];
        if (number % 5 != 0) {
            event.put("StepName", LONG_NAMES.getOrDefault(number, AWKWARD[number % AWKWARD.length]));
        }
        if (LARGE_DETAILS.containsKey(number)) event.put("EventDetail", LARGE_DETAILS.get(number));
        else if (number % 4 == 1) event.put("EventDetail", GSON.toJson(Map.of("n", number, "text", text)));
        else if (number % 4 == 2) event.put("EventDetail", text);
        if (number % 3 == 0) event.put("ScheduleEventId", number / 2);
        else if (number % 9 == 1) event.put("ScheduleEventId", 0);
        if (number % 2 == 0) event.put("Time", TIMES[number / 2 % TIMES.length][0]);
        if (number % 7 == 0) event.put("EventId", number);
        return event;
    }

    /** The same event as it must be answered. No Time: the server's own. */
    private static JsonObject eventToGet(Client client, int number) {
        Map<String, Object> event = new HashMap<>();
        if (number == 1) {
            event.put("Type", "ExecutionStarted");
            event.put("EventDetail", "{\"input\":" + INPUT + "}");
        } else {
            event.putAll(eventToSend(number));
        }
        event.put("EventId", number);
        event.putIfAbsent("ScheduleEventId", number - 1);
        event.putIfAbsent("StepName", "");
        event.putIfAbsent("EventDetail", "{}");
        for (String[] time : TIMES) event.replace("Time", time[0], time[1]);
        for (String name : List.of("StepName", "EventDetail")) {
            event.put(name, client.received((String) event.get(name)));
        }
        return GSON.toJsonTree(event).getAsJsonObject();
    }

    private static List<Map<String, Object>> batch(int from, int to) {
        List<Map<String, Object>> events = new ArrayList<>();
        for (int number = from; number <= to; number++) events.add(eventToSend(number));
        return events;
    }

    /** A name that no earlier run used. */
    static String randomName(String prefix) {
        return prefix + UUID.randomUUID();
    }

    /** A time stamp as the SDKs write it, so many minutes from now. */
    static String fromNow(int minutes) {
        return Instant.now().plus(minutes, ChronoUnit.MINUTES).truncatedTo(ChronoUnit.SECONDS).toString();
    }

    // --- the scenario ----------------------------------------------------------------------------

    /** Checks everything that every SDK can do, then what the driver adds. */
    static void run(BiFunction<String, String, Client> connect, Runnable... more) {
        Map<String, String> env = System.getenv();
        Client admin = connect.apply(env.get("FLOWLEDGER_ACCESS_KEY_ID"), env.get("FLOWLEDGER_ACCESS_KEY_SECRET"));
        Client reader = connect.apply(env.get("FLOWLEDGER_READER_KEY_ID"), env.get("FLOWLEDGER_READER_KEY_SECRET"));
        String flow = randomName("conformance-");
        try {
            flows(admin, flow);
            CompletableFuture<Runnable> longWait = longWait(admin, flow);
            String started = starting(admin, flow);
            appending(admin, flow);
            String ended = ending(admin, flow);
            paging(admin, flow, started, ended);
            otherEnds(admin, flow);
            arguments(admin, flow);
            keys(connect, admin, reader, flow);
            updating(admin);
            listingExecutions(admin);
            listingFlows(admin, reader, flow);
            stopping(admin, flow);
            waiting(admin, flow);
            tasks(admin, flow);
            deleting(admin, reader);
            longWait.join().run();
            for (Runnable part : more) part.run();
        } catch (ApiError error) {
            String got = error.status + " " + error.code + ": " + error.getMessage();
            fail("a call after check " + checks, "a success", got);
        }
        System.out.println("ok: " + checks + " checks");
        System.exit(0); // the SDKs leave threads behind
    }

    private static void flows(Client client, String flow) {
        Map<String, String> sent = Map.of(
            "Name", flow, "Definition", DEFINITION, "Description", DESCRIPTION, "Type", "FDL",
            "RoleArn", "acs:ram::1234:role/conformance");
        JsonObject created = client.createFlow(sent);
        JsonObject described = client.describeFlow(Map.of("Name", flow));
        sent.forEach((name, value) -> check("DescribeFlow " + name, text(described, name), value));
        checkForm("DescribeFlow Id", text(described, "Id"), "[0-9a-f-]{36}");
        checkForm("DescribeFlow CreatedTime", text(described, "CreatedTime"), TIME);
        checkForm("DescribeFlow LastModifiedTime", text(described, "LastModifiedTime"), TIME);
        checkForm("DescribeFlow RequestId", text(described, "RequestId"), "[0-9A-F-]{36}");
        boolean same = created.remove("RequestId").equals(described.remove("RequestId"));
        check("every answer has its own RequestId", same, false);
        check("CreateFlow answers the flow", created, described);
        checkError("CreateFlow again", "FlowAlreadyExists", 409, "Flow '" + flow + "' already exists.",
            () -> client.createFlow(sent));
    }

    private static String starting(Client client, String flow) {
        Map<String, String> main = Map.of("FlowName", flow, "ExecutionName", "main");
        client.startExecution(with(main, "Input", INPUT));
        JsonObject execution = client.describeExecution(main);
        check("DescribeExecution FlowName", text(execution, "FlowName"), flow);
        check("DescribeExecution Name", text(execution, "Name"), "main");
        check("DescribeExecution Status", text(execution, "Status"), "Running");
        check("DescribeExecution Input", text(execution, "Input"), INPUT);
        check("DescribeExecution FlowDefinition", text(execution, "FlowDefinition"), DEFINITION);
        checkForm("DescribeExecution StartedTime", text(execution, "StartedTime"), TIME);
        JsonObject again = client.startExecution(with(main, "Input", "{}"));
        for (String name : List.of("StartedTime", "Input", "Status")) {
            check("StartExecution while it runs: " + name, text(again, name), text(execution, name));
        }
        JsonObject page = client.getExecutionHistory(main);
        check("the history begins with one event", events(page).size(), 1);
        check("the only page has no NextToken", text(page, "NextToken"), null);
        return text(execution, "StartedTime");
    }

    private static void appending(Client client, String flow) {
        Map<String, String> main = Map.of("FlowName", flow, "ExecutionName", "main");

        appended(client, main, 2, 1001, "ExpectedEventId", "2"); // 1000 events, as many as a batch may hold
        appended(client, main, 2, 1001, "ExpectedEventId", "2"); // a repeat answers the same ids and writes nothing
        appended(client, main, 2, 3, "ExpectedEventId", "2"); // so does a part of it
        List<Map<String, Object>> changed = batch(2, 1001);
        changed.get(500).put("EventDetail", "changed");
        conflict("the same ids with another detail", client, main, changed, 2);
        conflict("a batch half over the end", client, main, batch(1000, 1003), 1000);
        conflict("a batch that leaves a gap", client, main, batch(1003, 1003), 1003);
        appended(client, main, 1002, 1002); // ExpectedEventId may be left out
        appended(client, main, 1003, 1600, "ExpectedEventId", "1003");
        appended(client, main, 1601, 2100, "ExpectedEventId", "1601");
        appended(client, main, 2101, LAST, "ExpectedEventId", "2101");
        appended(client, main, 2101, LAST, "ExpectedEventId", "2101"); // a repeat is answered after the end, too
        checkError("append after the end", "ExecutionAlreadyCompleted", 400,
            "Execution 'main' for flow '" + flow + "' has already completed.",
            () -> client.appendExecutionEvents(with(main, "Events", "[{\"Type\":\"StepEntered\"}]")));
    }

    private static void appended(Client client, Map<String, String> main, int from, int to, String... expected) {
        JsonObject answer =
            client.appendExecutionEvents(with(with(main, "Events", GSON.toJson(batch(from, to))), expected));
        check("append " + (to - from + 1) + " events",
            List.of(answer.get("FirstEventId").getAsLong(), answer.get("LastEventId").getAsLong()),
            List.of((long) from, (long) to));
    }

    private static void conflict(String what, Client client, Map<String, String> main, Object events, int expected) {
        checkError(what, "ConcurrentUpdateError", 409, "", () -> client.appendExecutionEvents(
            with(main, "Events", GSON.toJson(events), "ExpectedEventId", "" + expected)));
    }

    private static String ending(Client client, String flow) {
        Map<String, String> main = Map.of("FlowName", flow, "ExecutionName", "main");
        JsonObject execution = client.describeExecution(main);
        check("ended: Status", text(execution, "Status"), "Succeeded");
        check("ended: Output", text(execution, "Output"), OUTPUT);
        check("ended: Input", text(execution, "Input"), INPUT);
        checkForm("ended: StoppedTime", text(execution, "StoppedTime"), TIME);
        checkError("start again after the end", "ExecutionAlreadyExists", 400,
            "Execution 'main' for flow '" + flow + "' already exists.", () -> client.startExecution(main));
        return text(execution, "StoppedTime");
    }

    private static void paging(Client client, String flow, String started, String ended) {
        Map<String, String> main = Map.of("FlowName", flow, "ExecutionName", "main");
        for (String limit : List.of("none", "1000", "999", "60", "7", "1")) {
            Map<String, String> parameters = with(main);
            int size = 60; // the default
            if (!limit.equals("none")) {
                parameters.put("Limit", limit);
                size = Integer.parseInt(limit);
            }
            JsonArray events = new JsonArray();
            for (int pages = 1; ; pages++) {
                JsonObject page = client.getExecutionHistory(parameters);
                events.addAll(events(page));
                String token = text(page, "NextToken");
                if (token == null) {
                    check("number of pages, Limit " + limit, pages, (LAST + size - 1) / size);
                    break;
                }
                String next = "" + (events.size() + 1);
                if (events(page).size() != size) fail("events on a page, Limit " + limit, size, events(page).size());
                if (!token.equals(next)) fail("NextToken, Limit " + limit, next, token);
                parameters.put("NextToken", token);
            }
            checkEvents("all " + LAST + " events, Limit " + limit, client, events, started, ended);
        }

        JsonArray first = events(client.getExecutionHistory(with(main, "Limit", "3", "NextToken", "")));
        check("an empty NextToken is none", List.of(first.size(), text(first.get(0).getAsJsonObject(), "EventId")),
            List.of(3, "1"));
        for (String token : List.of("" + (LAST + 1), "9223372036854775807")) {
            JsonObject page = client.getExecutionHistory(with(main, "NextToken", token));
            check("beyond the end, NextToken " + token + ": Events", events(page), new JsonArray());
            check("beyond the end, NextToken " + token + ": NextToken", text(page, "NextToken"), null);
        }
    }

    private static void checkEvents(String what, Client client, JsonArray events, String started, String ended) {
        check(what + ": their number", events.size(), LAST);
        for (int number = 1; number <= LAST; number++) {
            JsonObject event = events.get(number - 1).getAsJsonObject();
            JsonObject expected = eventToGet(client, number);
            if (!expected.has("Time")) { // the server's own: it lies within the execution
                String time = text(event, "Time");
                if (!time.matches(TIME) || time.compareTo(started) < 0 || time.compareTo(ended) > 0) {
                    fail(what + ": Time of event " + number, started + " to " + ended, time);
                }
                expected.addProperty("Time", time);
            }
            if (event.equals(expected)) continue;
            for (String name : expected.keySet()) {
                check(what + ": " + name + " of event " + number, event.get(name), expected.get(name));
            }
            check(what + ": fields of event " + number, event.keySet(), expected.keySet());
        }
        passed(what);
        check(what + ": the first at StartedTime", text(events.get(0).getAsJsonObject(), "Time"), started);
        check(what + ": the last at StoppedTime", text(events.get(LAST - 1).getAsJsonObject(), "Time"), ended);
    }

    private static void otherEnds(Client client, String flow) {
        Map<String, String> refused = Map.of("FlowName", flow, "ExecutionName", "refused");
        client.startExecution(refused);
        refusedEvents(client, refused);
        check("refused batches left nothing", events(client.getExecutionHistory(refused)).size(), 1);
        check("refused batches ended nothing", text(client.describeExecution(refused), "Status"), "Running");

        for (String status : List.of("Failed", "Stopped", "TimedOut")) {
            Map<String, String> main = Map.of("FlowName", flow, "ExecutionName", status);
            client.startExecution(main);
            String end = GSON.toJson(List.of(
                Map.of("Type", "Execution" + status, "EventDetail", "{\"error\":\"E\",\"cause\":\"步骤\"}")));
            JsonObject answer = client.appendExecutionEvents(with(main, "Events", end, "ExpectedEventId", "2"));
            check(status + ": LastEventId", text(answer, "LastEventId"), "2");
            JsonObject execution = client.describeExecution(main);
            check(status + ": Status", text(execution, "Status"), status);
            checkForm(status + ": StoppedTime", text(execution, "StoppedTime"), TIME);
            checkError(status + ": append after the end", "ExecutionAlreadyCompleted", 400, "'" + status + "'",
                () -> client.appendExecutionEvents(with(main, "Events", "[{\"Type\":\"StepEntered\"}]")));
        }
    }

    private static void refusedEvents(Client client, Map<String, String> main) {
        Map<String, Object> good = Map.of("Type", "StepEntered", "StepName", "good");
        String[][] refused = {
            {"no event", "Events", "[]"},
            {"1001 events", "Events", GSON.toJson(Collections.nCopies(1001, good))},
            {"an event without Type", "Type", GSON.toJson(List.of(good, Map.of("StepName", "x")))},
            {"an unknown field", "Colour", second("Colour", "red")},
            {"a Type that is no word", "Type", second("Type", "Step Entered")},
            {"a Type of 65 letters", "Type", second("Type", "T".repeat(65))},
            {"a detail that is no string", "Events[1]", second("EventDetail", Map.of())},
            {"a detail over 64 KiB", "EventDetail", second("EventDetail", "a".repeat(DETAIL_MAX + 1))},
            {"a StepName over 256", "StepName", second("StepName", "步".repeat(NAME_MAX + 1))},
            {"a Time that is none", "Time", second("Time", "yesterday")},
            {"its own id as cause", "ScheduleEventId", second("ScheduleEventId", 3)},
            {"a start in the middle", "Events", second("Type", "ExecutionStarted")},
            {"an event after the end", "Events", GSON.toJson(List.of(Map.of("Type", "ExecutionFailed"), good))},
            {"an object in place of the list", "Events", GSON.toJson(good)},
            {"text that is no JSON", "Events", "[{\"Type\":\"StepEntered\"}"},
        };
        for (String[] one : refused) {
            checkError(one[0], "InvalidArgument", 400, one[1],
                () -> client.appendExecutionEvents(with(main, "Events", one[2], "ExpectedEventId", "2")));
        }
        for (int count : new int[] {20, 50}) {
            Map<String, Object> large = Map.of("Type", "StepEntered", "EventDetail", "a".repeat(60000));
            checkError("a body of " + count * 60 + " KB", "EntityTooLarge", 400,
                "The payload size exceeds maximum allowed size (1048576 bytes).",
                () -> client.appendExecutionEvents(with(main, "Events", GSON.toJson(Collections.nCopies(count, large)))));
        }
    }

    /** A good event and one with this field. */
    private static String second(String name, Object value) {
        Map<String, Object> event = new HashMap<>(Map.of("Type", "StepEntered"));
        event.put(name, value);
        return GSON.toJson(List.of(Map.of("Type", "StepEntered"), event));
    }

    private static void arguments(Client client, String flow) {
        Map<String, String> main = Map.of("FlowName", flow, "ExecutionName", "main");
        Map<String, String> noFlow = Map.of(
            "Name", "no-such-flow", "FlowName", "no-such-flow", "ExecutionName", "main",
            "Events", "[{\"Type\":\"StepEntered\"}]");
        Map<String, Supplier<?>> calls = Map.of(
            "getExecutionHistory", () -> client.getExecutionHistory(noFlow),
            "describeFlow", () -> client.describeFlow(noFlow),
            "describeExecution", () -> client.describeExecution(noFlow),
            "startExecution", () -> client.startExecution(noFlow),
            "appendExecutionEvents", () -> client.appendExecutionEvents(noFlow));
        calls.forEach((what, call) -> checkError(what + " of an unknown flow", "FlowNotExists", 404,
            "Flow 'no-such-flow' does not exist.", call));
        Map<String, String> noExecution = with(noFlow, "FlowName", flow, "ExecutionName", "no-such-one");
        calls = Map.of(
            "getExecutionHistory", () -> client.getExecutionHistory(noExecution),
            "describeExecution", () -> client.describeExecution(noExecution),
            "appendExecutionEvents", () -> client.appendExecutionEvents(noExecution));
        calls.forEach((what, call) -> checkError(what + " of an unknown one", "ExecutionNotExists", 404,
            "Execution 'no-such-one' for flow '" + flow + "' does not exist.", call));

        for (String limit : List.of("0", "1001", "-1")) {
            checkError("Limit " + limit, "InvalidArgument", 400, "Limit",
                () -> client.getExecutionHistory(with(main, "Limit", limit)));
        }
        for (String token : List.of("abc", "0", "-1", "1.0", "9223372036854775808")) {
            checkError("NextToken " + token, "InvalidArgument", 400, "NextToken",
                () -> client.getExecutionHistory(with(main, "NextToken", token)));
        }
        for (String name : List.of("bad name", "1-digit-first", "步骤", "n".repeat(129))) {
            checkError("FlowName " + name, "InvalidArgument", 400, "FlowName",
                () -> client.getExecutionHistory(with(main, "FlowName", name)));
            checkError("Name " + name, "InvalidArgument", 400, "Name",
                () -> client.createFlow(Map.of("Name", name, "Definition", DEFINITION, "Type", "FDL")));
        }
        checkError("no FlowName", "MissingRequiredParams", 400, "The HTTP query 'FlowName' must be specified.",
            () -> client.getExecutionHistory(Map.of("ExecutionName", "main")));
        for (String action : List.of("ListSchedules", "MadeUp")) {
            checkError("action " + action, "ActionNotSupported", 400,
                "The requested API operation '" + action + "' is incorrect. Please check.",
                () -> client.call(action, VERSION, Map.of("FlowName", flow)));
        }
        checkError("version 2016-01-01", "APIVersionNotSupported", 400,
            "The requested API version '2016-01-01' is not supported yet. Please check.",
            () -> client.call("DescribeFlow", "2016-01-01", Map.of("Name", flow)));
    }

    private static void keys(BiFunction<String, String, Client> connect, Client admin, Client reader, String flow) {
        Client stranger = connect.apply("no-such-key", System.getenv("FLOWLEDGER_ACCESS_KEY_SECRET"));
        Client impostor = connect.apply(System.getenv("FLOWLEDGER_ACCESS_KEY_ID"), "wrong-secret");
        Map<String, String> another = Map.of("Name", flow, "FlowName", flow, "ExecutionName", "main");
        checkError("unknown key", "InvalidAccessKeyID", 403, "no-such-key", () -> stranger.describeFlow(another));
        checkError("wrong secret", "SignatureNotMatch", 403,
            "The request signature we calculated does not match the signature you provided.",
            () -> impostor.describeFlow(another));

        String name = randomName("reader-");
        Map<String, String> own = Map.of(
            "Name", name, "Definition", DEFINITION, "Description", "", "Type", "FDL",
            "FlowName", name, "ExecutionName", "main", "Input", INPUT, "Events", "[{\"Type\":\"StepEntered\"}]");
        admin.createFlow(own);
        admin.startExecution(own);
        check("a reader reads its flows", text(reader.describeFlow(own), "Definition"), DEFINITION);
        check("a reader reads their histories", events(reader.getExecutionHistory(own)).size(), 1);
        Map<String, Supplier<?>> calls = Map.of(
            "another flow", () -> reader.describeFlow(another),
            "another flow's history", () -> reader.getExecutionHistory(another),
            "another flow, whether it exists or not", () -> reader.describeFlow(Map.of("Name", "no-such-flow")),
            "creating", () -> reader.createFlow(own),
            "starting", () -> reader.startExecution(own),
            "appending", () -> reader.appendExecutionEvents(own));
        calls.forEach((what, call) -> checkError("a reader is refused " + what, "AccessDenied", 403,
            "The resources doesn't belong to you.", call));
        check("a refused append left nothing", events(admin.getExecutionHistory(own)).size(), 1);
    }

    private static String newFlow(Client client, String prefix) {
        return text(client.createFlow(Map.of(
            "Name", randomName(prefix), "Definition", DEFINITION, "Description", DESCRIPTION, "Type", "FDL",
            "RoleArn", "acs:ram::1234:role/conformance")), "Name");
    }

    private static final String NO_FLOW = "Flow 'no-such-flow' does not exist.";

    private static void updating(Client client) {
        String flow = newFlow(client, "conformance-");
        client.startExecution(Map.of("FlowName", flow, "ExecutionName", "before"));
        JsonObject before = client.describeFlow(Map.of("Name", flow));
        pause(2); // so that the update comes at another millisecond
        String definition = "version: v1\n# 新的 🚀\n";
        JsonObject updated = client.updateFlow(Map.of("Name", flow, "Definition", definition));
        check("UpdateFlow Definition", text(updated, "Definition"), definition);
        for (String name : List.of("Description", "RoleArn", "Id", "Type", "CreatedTime")) {
            check("UpdateFlow keeps " + name, text(updated, name), text(before, name));
        }
        check("UpdateFlow LastModifiedTime",
            text(updated, "LastModifiedTime").compareTo(text(before, "LastModifiedTime")) > 0, true);
        JsonObject described = client.describeFlow(Map.of("Name", flow));
        for (String name : List.of("Definition", "Description", "RoleArn", "Type", "LastModifiedTime")) {
            check("DescribeFlow after UpdateFlow: " + name, text(described, name), text(updated, name));
        }

        client.startExecution(Map.of("FlowName", flow, "ExecutionName", "after"));
        Map.of("before", DEFINITION, "after", definition).forEach((name, began) -> {
            JsonObject execution = client.describeExecution(Map.of("FlowName", flow, "ExecutionName", name));
            check("an execution keeps the definition it began with: " + name, text(execution, "FlowDefinition"), began);
        });
        JsonObject cleared = client.updateFlow(Map.of("Name", flow, "Description", "", "RoleArn", ""));
        boolean clears = client.canClear();
        check("an empty Description clears it", text(cleared, "Description"), clears ? "" : DESCRIPTION);
        check("an empty RoleArn clears it", text(cleared, "RoleArn"), clears ? null : text(before, "RoleArn"));
        check("and nothing else", text(cleared, "Definition"), definition);
        checkError("UpdateFlow of an unknown flow", "FlowNotExists", 404, NO_FLOW,
            () -> client.updateFlow(Map.of("Name", "no-such-flow", "Description", "x")));
    }

    /** Everything that a list answers; the sizes of its pages are added to `sizes`. */
    private static List<JsonObject> pages(
            Function<Map<String, String>, JsonObject> list, String items, Map<String, String> parameters,
            List<Integer> sizes) {
        Map<String, String> next = with(parameters);
        List<JsonObject> all = new ArrayList<>();
        while (true) {
            JsonObject page = list.apply(next);
            page.getAsJsonArray(items).forEach(item -> all.add(item.getAsJsonObject()));
            sizes.add(page.getAsJsonArray(items).size());
            if (!page.has("NextToken")) return all;
            next.put("NextToken", text(page, "NextToken"));
        }
    }

    private static List<String> names(List<JsonObject> items) {
        return items.stream().map(item -> text(item, "Name")).toList();
    }

    private static void listingExecutions(Client client) {
        Map<String, String> flow = Map.of("FlowName", newFlow(client, "conformance-"));
        JsonObject none = client.listExecutions(flow);
        check("no executions", none.get("Executions"), new JsonArray());
        check("no executions: NextToken", text(none, "NextToken"), null);
        Map<String, String> ends = new LinkedHashMap<>();
        for (String end : List.of("a-1 Succeeded", "a-2 Running", "b-1 Failed", "b_2 Succeeded", "a-3 TimedOut",
                "A-4 Running", "a-5 Stopped")) {
            ends.put(end.split(" ")[0], end.split(" ")[1]);
        }
        List<String> newestFirst = new ArrayList<>();
        ends.forEach((name, status) -> {
            newestFirst.add(0, name);
            Map<String, String> one = with(flow, "ExecutionName", name, "Input", INPUT);
            client.startExecution(one);
            if (!status.equals("Running")) {
                client.appendExecutionEvents(with(one, "Events", "[{\"Type\":\"Execution" + status + "\"}]"));
            }
        });
        Map.of("100", List.of(7), "7", List.of(7), "3", List.of(3, 3, 1), "1", List.of(1, 1, 1, 1, 1, 1, 1))
            .forEach((limit, expected) -> {
                List<Integer> sizes = new ArrayList<>();
                List<JsonObject> all = pages(client::listExecutions, "Executions", with(flow, "Limit", limit), sizes);
                check("pages of executions, Limit " + limit, sizes, expected);
                check("executions, Limit " + limit, names(all), newestFirst);
            });
        for (JsonElement execution : client.listExecutions(flow).getAsJsonArray("Executions")) {
            String name = text(execution.getAsJsonObject(), "Name");
            JsonObject described = client.describeExecution(with(flow, "ExecutionName", name));
            described.remove("RequestId");
            check("ListExecutions answers what DescribeExecution does: " + name, execution, described);
        }
        Function<Map<String, String>, List<String>> filtered = filters ->
            names(pages(client::listExecutions, "Executions", filters, new ArrayList<>()));
        for (String status : List.of("Running", "Succeeded", "Failed", "TimedOut", "Stopped", "Starting")) {
            check("executions that are " + status, filtered.apply(with(flow, "Status", status, "Limit", "1")),
                newestFirst.stream().filter(name -> ends.get(name).equals(status)).toList());
        }
        for (String prefix : List.of("a-", "b", "A", "a-1", "a-11", "a_", "%")) {
            check("executions named " + prefix + "…", filtered.apply(with(flow, "ExecutionNamePrefix", prefix)),
                newestFirst.stream().filter(name -> name.startsWith(prefix)).toList());
        }
        check("both filters", filtered.apply(with(flow, "ExecutionNamePrefix", "a-", "Status", "Running")),
            List.of("a-2"));
        String early = "2000-01-01T00:00:00Z", late = "2100-01-01T08:00:00+08:00";
        check("executions of a time", filtered.apply(with(flow, "StartedTimeBegin", early, "StartedTimeEnd", late)),
            newestFirst);
        check("executions before their time", filtered.apply(with(flow, "StartedTimeEnd", early)), List.of());
        check("executions after their time", filtered.apply(with(flow, "StartedTimeBegin", late)), List.of());
        JsonObject metadata = client.listExecutions(with(flow, "MetadataOnly", "true"));
        for (JsonElement execution : metadata.getAsJsonArray("Executions")) {
            JsonObject one = execution.getAsJsonObject();
            check("MetadataOnly leaves out the texts", one.keySet(), one.has("StoppedTime")
                ? Set.of("FlowName", "Name", "Status", "StartedTime", "StoppedTime")
                : Set.of("FlowName", "Name", "Status", "StartedTime"));
            check("MetadataOnly: Status", text(one, "Status"), ends.get(text(one, "Name")));
        }
        for (String invalid : List.of("Limit 0", "Limit 101", "Status Done", "StartedTimeBegin noon", "NextToken ?")) {
            String[] parameter = invalid.split(" ");
            checkError("ListExecutions " + invalid, "InvalidArgument", 400, parameter[0],
                () -> client.listExecutions(with(flow, parameter)));
        }
        checkError("ListExecutions of an unknown flow", "FlowNotExists", 404, NO_FLOW,
            () -> client.listExecutions(Map.of("FlowName", "no-such-flow")));
    }

    private static void listingFlows(Client client, Client reader, String flow) {
        String own = newFlow(client, "reader-");
        List<JsonObject> all = pages(client::listFlows, "Flows", Map.of("Limit", "1000"), new ArrayList<>());
        List<String> names = names(all);
        check("flows come by name", names, List.copyOf(new TreeSet<>(names)));
        check("ListFlows knows the flows", names.containsAll(List.of(flow, own)), true);
        JsonObject described = client.describeFlow(Map.of("Name", flow));
        described.remove("RequestId");
        check("ListFlows answers what DescribeFlow does", all.get(names.indexOf(flow)), described);
        List<Integer> sizes = new ArrayList<>();
        check("all flows in pages of 2", pages(client::listFlows, "Flows", Map.of("Limit", "2"), sizes), all);
        check("pages of 2 flows", sizes.size(), (names.size() + 1) / 2);
        check("a reader lists the flows it may see",
            names(pages(reader::listFlows, "Flows", Map.of(), new ArrayList<>())),
            names.stream().filter(name -> name.startsWith("reader-")).toList());
        for (String limit : List.of("0", "1001")) {
            checkError("ListFlows Limit " + limit, "InvalidArgument", 400, "Limit",
                () -> client.listFlows(Map.of("Limit", limit)));
        }
    }

    private static final String REASON = "步骤 \"x\" failed\n\\ </script> 🚀";

    private static JsonObject event(Client client, Map<String, String> main, String id) {
        return events(client.getExecutionHistory(with(main, "NextToken", id))).get(0).getAsJsonObject();
    }

    private static Map<?, ?> detail(JsonObject event) {
        return GSON.fromJson(text(event, "EventDetail"), Map.class);
    }

    private static void stopping(Client client, String flow) {
        Map<String, String> main = Map.of("FlowName", flow, "ExecutionName", "to-stop");
        client.startExecution(main);
        JsonObject stopped = client.stopExecution(with(main, "Error", "E.stop", "Cause", REASON));
        check("StopExecution Status", text(stopped, "Status"), "Stopped");
        checkForm("StopExecution StoppedTime", text(stopped, "StoppedTime"), TIME);
        check("DescribeExecution after StopExecution",
            text(client.describeExecution(main), "StoppedTime"), text(stopped, "StoppedTime"));
        JsonObject last = event(client, main, "2");
        check("StopExecution: Type", text(last, "Type"), "ExecutionStopped");
        check("StopExecution: Time", text(last, "Time"), text(stopped, "StoppedTime"));
        check("StopExecution: EventDetail", detail(last), Map.of("error", "E.stop", "cause", REASON));
        String completed = "Execution 'to-stop' for flow '" + flow + "' has already completed.";
        checkError("StopExecution again", "ExecutionAlreadyCompleted", 400, completed, () -> client.stopExecution(main));
        checkError("append after StopExecution", "ExecutionAlreadyCompleted", 400, completed,
            () -> client.appendExecutionEvents(with(main, "Events", "[{\"Type\":\"StepEntered\"}]")));
        checkError("StopExecution of an unknown one", "ExecutionNotExists", 404, "'no-such-one'",
            () -> client.stopExecution(with(main, "ExecutionName", "no-such-one")));
        Map<String, String> another = with(main, "ExecutionName", "to-stop-too");
        client.startExecution(another);
        client.stopExecution(another);
        check("StopExecution without a reason: EventDetail", text(event(client, another, "2"), "EventDetail"), "{}");
        Map.of("Error", "e".repeat(129), "Cause", "c".repeat(4097)).forEach((what, text) ->
            checkError("StopExecution with a long " + what, "InvalidArgument", 400, what,
                () -> client.stopExecution(with(main, "ExecutionName", "refused", what, text))));
    }

    /** An execution after a wait, and how long that took. */
    private record Waited(String status, long milliseconds) {
        static Waited until(Client client, Map<String, String> main, int seconds) {
            long began = System.nanoTime();
            JsonObject execution = client.describeExecution(with(main, "WaitTimeSeconds", "" + seconds));
            return new Waited(text(execution, "Status"), (System.nanoTime() - began) / 1_000_000);
        }

        void check(String what, String expected, long atLeast, long lessThan) {
            Scenario.check(what + ": Status", status, expected);
            Scenario.check(what + " took its time", milliseconds >= atLeast && milliseconds < lessThan, true);
        }
    }

    /** Waits for longer than the SDKs do by default (10 s), while the scenario goes on. */
    private static CompletableFuture<Runnable> longWait(Client client, String flow) {
        Map<String, String> main = Map.of("FlowName", flow, "ExecutionName", "endless");
        client.startExecution(main);
        return CompletableFuture.supplyAsync(() -> Waited.until(client, main, 11))
            .thenApply(waited -> () -> waited.check("a wait of 11 seconds", "Running", 11000, 21000));
    }

    private static void waiting(Client client, String flow) {
        Map<String, String> main = Map.of("FlowName", flow, "ExecutionName", "to-wait");
        client.startExecution(main);
        Waited.until(client, main, 1).check("a wait that ends without an end", "Running", 1000, 20000);
        CompletableFuture.delayedExecutor(500, TimeUnit.MILLISECONDS).execute(() ->
            client.appendExecutionEvents(with(main, "Events", "[{\"Type\":\"ExecutionSucceeded\"}]")));
        Waited.until(client, main, 60).check("a wait for an end", "Succeeded", 0, 30000);
        Waited.until(client, main, 60).check("a wait after the end", "Succeeded", 0, 30000);
        for (String seconds : List.of("61", "-1")) {
            checkError("WaitTimeSeconds " + seconds, "InvalidArgument", 400, "WaitTimeSeconds",
                () -> client.describeExecution(with(main, "WaitTimeSeconds", seconds)));
        }
    }

    private static void pause(long milliseconds) {
        try {
            Thread.sleep(milliseconds);
        } catch (InterruptedException error) {
            throw new IllegalStateException(error);
        }
    }

    private static void tasks(Client client, String flow) {
        Map<String, String> main = Map.of("FlowName", flow, "ExecutionName", "tasks");
        client.startExecution(main);
        Map<String, String> submitted = with(main, "ExpectedEventId", "2", "Events", GSON.toJson(List.of(
            Map.of("Type", "TaskScheduled", "StepName", "步骤"),
            Map.of("Type", "TaskSubmitted", "StepName", "步骤"),
            Map.of("Type", "TaskSubmitted", "StepName", "another"))));
        JsonObject tokens = client.appendExecutionEvents(submitted).getAsJsonObject("TaskTokens");
        check("a token for each task", tokens.keySet(), Set.of("3", "4"));
        check("a repeat answers the same tokens",
            client.appendExecutionEvents(submitted).getAsJsonObject("TaskTokens"), tokens);
        Map<String, String> third = Map.of("TaskToken", text(tokens, "3")), fourth = Map.of("TaskToken", text(tokens, "4"));
        check("ReportTaskSucceeded EventId",
            text(client.reportTaskSucceeded(with(third, "Output", INPUT)), "EventId"), "5");
        check("ReportTaskFailed EventId",
            text(client.reportTaskFailed(with(fourth, "Error", "E.task", "Cause", REASON)), "EventId"), "6");
        JsonObject succeeded = event(client, main, "5"), failed = event(client, main, "6");
        check("TaskSucceeded: Type", text(succeeded, "Type"), "TaskSucceeded");
        check("TaskSucceeded: StepName", text(succeeded, "StepName"), "步骤");
        check("TaskSucceeded: ScheduleEventId is its task's EventId", text(succeeded, "ScheduleEventId"), "3");
        check("TaskSucceeded: EventDetail", text(succeeded, "EventDetail"), "{\"output\":" + INPUT + "}");
        check("TaskFailed: Type", text(failed, "Type"), "TaskFailed");
        check("TaskFailed: StepName", text(failed, "StepName"), "another");
        check("TaskFailed: ScheduleEventId is its task's EventId", text(failed, "ScheduleEventId"), "4");
        check("TaskFailed: EventDetail", detail(failed), Map.of("error", "E.task", "cause", REASON));
        Map<String, Supplier<?>> calls = Map.of(
            "ReportTaskSucceeded again", () -> client.reportTaskSucceeded(with(third, "Output", "{}")),
            "ReportTaskFailed after it succeeded", () -> client.reportTaskFailed(with(third, "Error", "E")),
            "ReportTaskSucceeded after it failed", () -> client.reportTaskSucceeded(with(fourth, "Output", "{}")));
        calls.forEach((what, call) -> checkError(what, "TaskAlreadyCompleted", 400, "has already completed.", call));
        for (String token : List.of("no-such-token", third.get("TaskToken") + "?")) {
            checkError("TaskToken " + token, "InvalidArgument", 400, "TaskToken",
                () -> client.reportTaskSucceeded(Map.of("TaskToken", token, "Output", "{}")));
        }
        checkError("an Output that is no JSON", "InvalidArgument", 400, "Output",
            () -> client.reportTaskSucceeded(with(third, "Output", "{")));
        checkError("an Error too long", "InvalidArgument", 400, "Error",
            () -> client.reportTaskFailed(with(third, "Error", "e".repeat(129))));
        check("refused reports left nothing", events(client.getExecutionHistory(main)).size(), 6);
    }

    private static void deleting(Client client, Client reader) {
        String flow = newFlow(client, "reader-");
        Map<String, String> old = with(Map.of(), "Name", flow, "FlowName", flow, "ExecutionName", "old",
            "Definition", DEFINITION, "Type", "FDL", "Events", "[{\"Type\":\"TaskSubmitted\"}]", "Output", "{}");
        client.startExecution(old);
        old.put("TaskToken", text(client.appendExecutionEvents(old).getAsJsonObject("TaskTokens"), "2"));
        Map<String, Supplier<?>> calls = Map.of(
            "updating", () -> reader.updateFlow(old),
            "deleting", () -> reader.deleteFlow(old),
            "stopping", () -> reader.stopExecution(old),
            "reporting a task", () -> reader.reportTaskSucceeded(old));
        calls.forEach((what, call) -> checkError("a reader is refused " + what, "AccessDenied", 403,
            "The resources doesn't belong to you.", call));
        String id = text(client.describeFlow(old), "Id");
        check("DeleteFlow answers", client.deleteFlow(old).keySet(), Set.of("RequestId"));
        calls = Map.of(
            "DescribeFlow", () -> client.describeFlow(old),
            "GetExecutionHistory", () -> client.getExecutionHistory(old),
            "DescribeExecution", () -> client.describeExecution(old),
            "ListExecutions", () -> client.listExecutions(old),
            "StartExecution", () -> client.startExecution(old),
            "AppendExecutionEvents", () -> client.appendExecutionEvents(old),
            "ReportTaskSucceeded", () -> client.reportTaskSucceeded(old),
            "DeleteFlow", () -> client.deleteFlow(old));
        calls.forEach((what, call) -> checkError(what + " of a deleted flow", "FlowNotExists", 404,
            "Flow '" + flow + "' does not exist.", call));
        List<JsonObject> left = pages(client::listFlows, "Flows", Map.of("Limit", "1000"), new ArrayList<>());
        check("ListFlows without a deleted flow", names(left).contains(flow), false);

        client.createFlow(old);
        check("a flow of that name is another", text(client.describeFlow(old), "Id").equals(id), false);
        check("it has no old executions", client.listExecutions(old).get("Executions"), new JsonArray());
        checkError("it has no old history", "ExecutionNotExists", 404, "'old'", () -> client.getExecutionHistory(old));
        client.startExecution(old);
        check("an execution of that name is another", events(client.getExecutionHistory(old)).size(), 1);
    }
}
