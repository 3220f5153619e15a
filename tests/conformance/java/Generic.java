import com.aliyun.tea.TeaException;
import com.aliyun.teaopenapi.models.Config;
import com.aliyun.teaopenapi.models.OpenApiRequest;
import com.aliyun.teaopenapi.models.Params;
import com.aliyun.teautil.models.RuntimeOptions;
import com.google.gson.JsonObject;
import java.util.List;
import java.util.Map;

/**
 * The generic client of tea-openapi, on which the current Java SDKs stand. It knows no product: every action is named,
 * and its parameters go into the query (GET) or a form (POST).
 *
 * <p>`Generic rpc` signs RPC v1 (HMAC-SHA1), `Generic acs3` signs ACS3-HMAC-SHA256. What is checked stands in Scenario;
 * this file shows how each action is called, and checks what only this client can do.
 */
final class Generic implements Scenario.Client {
    private static boolean signsRpc;

    private final com.aliyun.teaopenapi.Client openApi;

    private Generic(String keyId, String secret) {
        Config config = new Config()
            .setAccessKeyId(keyId)
            .setAccessKeySecret(secret)
            .setEndpoint(System.getenv("FLOWLEDGER_ENDPOINT"))
            .setProtocol("http");
        if (signsRpc) config.setSignatureAlgorithm("v2"); // which means RPC v1; ACS3 is the default
        try {
            openApi = new com.aliyun.teaopenapi.Client(config);
        } catch (Exception error) {
            throw new IllegalArgumentException(error);
        }
    }

    @Override
    public JsonObject createFlow(Map<String, String> parameters) {
        return post("CreateFlow", parameters);
    }

    @Override
    public JsonObject describeFlow(Map<String, String> parameters) {
        return get("DescribeFlow", parameters);
    }

    @Override
    public JsonObject updateFlow(Map<String, String> parameters) {
        // What is empty is left out of a body. In the query it is sent, but signed under ACS3 only; what is not signed
        // changes nothing.
        return parameters.containsValue("") ? get("UpdateFlow", parameters) : post("UpdateFlow", parameters);
    }

    @Override
    public boolean canClear() {
        return !signsRpc;
    }

    @Override
    public JsonObject deleteFlow(Map<String, String> parameters) {
        return post("DeleteFlow", parameters);
    }

    @Override
    public JsonObject listFlows(Map<String, String> parameters) {
        return get("ListFlows", parameters);
    }

    @Override
    public JsonObject startExecution(Map<String, String> parameters) {
        return post("StartExecution", parameters);
    }

    @Override
    public JsonObject stopExecution(Map<String, String> parameters) {
        return post("StopExecution", parameters);
    }

    @Override
    public JsonObject describeExecution(Map<String, String> parameters) {
        return get("DescribeExecution", parameters);
    }

    @Override
    public JsonObject listExecutions(Map<String, String> parameters) {
        return get("ListExecutions", parameters);
    }

    @Override
    public JsonObject getExecutionHistory(Map<String, String> parameters) {
        return get("GetExecutionHistory", parameters);
    }

    @Override
    public JsonObject appendExecutionEvents(Map<String, String> parameters) {
        return post("AppendExecutionEvents", parameters);
    }

    @Override
    public JsonObject reportTaskSucceeded(Map<String, String> parameters) {
        return report("ReportTaskSucceeded", parameters);
    }

    @Override
    public JsonObject reportTaskFailed(Map<String, String> parameters) {
        return report("ReportTaskFailed", parameters);
    }

    /** The token in the query and the rest in the body, as the vendor describes these actions. */
    private JsonObject report(String action, Map<String, String> parameters) {
        Map<String, String> body = Scenario.with(parameters);
        Map<String, String> query = Map.of("TaskToken", body.remove("TaskToken"));
        return send(action, Scenario.VERSION, "POST", "formData", new OpenApiRequest().setQuery(query).setBody(body));
    }

    @Override
    public JsonObject call(String action, String version, Map<String, String> parameters) {
        return send(action, version, "POST", "formData", new OpenApiRequest().setBody(parameters));
    }

    private JsonObject get(String action, Map<String, String> parameters) {
        return send(action, Scenario.VERSION, "GET", "formData", new OpenApiRequest().setQuery(parameters));
    }

    private JsonObject post(String action, Map<String, String> parameters) {
        return send(action, Scenario.VERSION, "POST", "formData", new OpenApiRequest().setBody(parameters));
    }

    private JsonObject send(String action, String version, String method, String bodyType, OpenApiRequest request) {
        Params params = new Params()
            .setAction(action)
            .setVersion(version)
            .setMethod(method)
            .setProtocol("HTTP")
            .setPathname("/")
            .setStyle("RPC")
            .setAuthType("AK")
            .setReqBodyType(bodyType)
            .setBodyType("json");
        RuntimeOptions options = new RuntimeOptions();
        if (request.getQuery() != null && request.getQuery().containsKey("WaitTimeSeconds")) {
            int seconds = Integer.parseInt(request.getQuery().get("WaitTimeSeconds"));
            options.setReadTimeout((seconds + 10) * 1000); // milliseconds; 10 seconds otherwise
        }
        try {
            Map<String, ?> response = openApi.callApi(params, request, options);
            return Scenario.GSON.toJsonTree(response.get("body")).getAsJsonObject();
        } catch (TeaException error) {
            throw new Scenario.ApiError(error.getCode(), error.getStatusCode(), error.getMessage());
        } catch (Exception error) {
            throw new IllegalStateException(error); // no answer at all, as after a broken connection
        }
    }

    /** A request with a nonce or a time of our own in place of the client's. */
    private static OpenApiRequest common(Map<String, String> parameters, String rpcName, String acs3Name, String value) {
        OpenApiRequest request = new OpenApiRequest().setBody(parameters);
        return signsRpc
            ? request.setQuery(Map.of(rpcName, value))
            : request.setHeaders(Map.of(acs3Name, value));
    }

    /** What only this client can do. */
    private static void genericRequests() {
        Generic client =
            new Generic(System.getenv("FLOWLEDGER_ACCESS_KEY_ID"), System.getenv("FLOWLEDGER_ACCESS_KEY_SECRET"));
        String flow = Scenario.randomName("conformance-");
        Map<String, String> main = Map.of("FlowName", flow, "ExecutionName", "main");
        Map<String, String> events =
            Scenario.with(main, "Events", "[{\"Type\":\"StepEntered\",\"StepName\":\"步骤 %2B+ &=\"}]");

        // Everything by GET, and everything in the query of a POST without a body. Under RPC v1 this client sends empty
        // values in the query but leaves them out of what it signs: they count as absent.
        client.get("CreateFlow",
            Map.of("Name", flow, "Definition", Scenario.DEFINITION, "Description", "", "Type", "FDL"));
        JsonObject started = client.send("StartExecution", Scenario.VERSION, "POST", "formData",
            new OpenApiRequest().setQuery(Scenario.with(main, "Input", "", "CallbackFnFTaskToken", "")));
        Scenario.check("start with all in the query", Scenario.text(started, "Status"), "Running");
        JsonObject appended = client.get("AppendExecutionEvents", Scenario.with(events, "ExpectedEventId", ""));
        Scenario.check("append by GET", Scenario.text(appended, "LastEventId"), "2");
        if (!signsRpc) { // RPC v1 does not sign a JSON body, and this client sends none with it
            String step = "步骤 \0\u2028 🚀";
            client.send("AppendExecutionEvents", Scenario.VERSION, "POST", "json", new OpenApiRequest().setBody(Map.of(
                "FlowName", flow, "ExecutionName", "main", "ExpectedEventId", 3,
                "Events", List.of(Map.of("Type", "StepExited", "StepName", step)))));
            JsonObject page = client.getExecutionHistory(Scenario.with(main, "NextToken", "3"));
            JsonObject last = page.getAsJsonArray("Events").get(0).getAsJsonObject();
            Scenario.check("append a JSON body", Scenario.text(last, "StepName"), step);
        }
        for (String limit : List.of("ten", "1.0", "99999999999999999999")) {
            Scenario.checkError("Limit " + limit, "InvalidArgument", 400, "Limit",
                () -> client.getExecutionHistory(Scenario.with(main, "Limit", limit)));
        }

        Map<String, String> name = Map.of("Name", flow);
        Map.of("DescribeFlow", name, "AppendExecutionEvents", events).forEach((action, parameters) -> {
            OpenApiRequest once =
                common(parameters, "SignatureNonce", "x-acs-signature-nonce", Scenario.randomName("nonce-"));
            client.send(action, Scenario.VERSION, "POST", "formData", once);
            Scenario.checkError(action + " with a nonce used before", "SignatureNonceUsed", 400, "",
                () -> client.send(action, Scenario.VERSION, "POST", "formData", once));
        });
        for (int minutes : new int[] {-20, 20}) {
            Scenario.checkError("a request " + minutes + " minutes from now", "RequestTimeTooSkewed", 403,
                "The difference between the request time",
                () -> client.send("DescribeFlow", Scenario.VERSION, "POST", "formData",
                    common(name, "Timestamp", "x-acs-date", Scenario.fromNow(minutes))));
        }
        JsonObject late = client.send("DescribeFlow", Scenario.VERSION, "POST", "formData",
            common(name, "Timestamp", "x-acs-date", Scenario.fromNow(-14)));
        Scenario.check("a request 14 minutes ago", Scenario.text(late, "Name"), flow);
    }

    public static void main(String[] arguments) {
        signsRpc = arguments[0].equals("rpc");
        Scenario.run(Generic::new, Generic::genericRequests);
    }
}
