import com.aliyuncs.AcsRequest;
import com.aliyuncs.CommonRequest;
import com.aliyuncs.DefaultAcsClient;
import com.aliyuncs.IAcsClient;
import com.aliyuncs.auth.SignatureVersion;
import com.aliyuncs.exceptions.ClientException;
import com.aliyuncs.fnf.model.v20190315.CreateFlowRequest;
import com.aliyuncs.fnf.model.v20190315.DeleteFlowRequest;
import com.aliyuncs.fnf.model.v20190315.DescribeExecutionRequest;
import com.aliyuncs.fnf.model.v20190315.DescribeFlowRequest;
import com.aliyuncs.fnf.model.v20190315.GetExecutionHistoryRequest;
import com.aliyuncs.fnf.model.v20190315.ListExecutionsRequest;
import com.aliyuncs.fnf.model.v20190315.ListFlowsRequest;
import com.aliyuncs.fnf.model.v20190315.ReportTaskFailedRequest;
import com.aliyuncs.fnf.model.v20190315.ReportTaskSucceededRequest;
import com.aliyuncs.fnf.model.v20190315.StartExecutionRequest;
import com.aliyuncs.fnf.model.v20190315.StopExecutionRequest;
import com.aliyuncs.fnf.model.v20190315.UpdateFlowRequest;
import com.aliyuncs.http.MethodType;
import com.aliyuncs.profile.DefaultProfile;
import com.google.gson.FieldNamingPolicy;
import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.util.Map;

/**
 * aliyun-java-sdk-fnf, the classic Java SDK. `Classic rpc` signs RPC v1 (HMAC-SHA1), its default; `Classic acs3` signs
 * ACS3-HMAC-SHA256, without the header `host`.
 *
 * <p>What is checked stands in Scenario; this file shows how each action is called. This SDK sets the nonce and the
 * time stamp itself, so it cannot provoke SignatureNonceUsed or RequestTimeTooSkewed; and it shows no HTTP status.
 */
final class Classic implements Scenario.Client {
    private static final String REGION = "local"; // any text: the endpoint is given

    private static boolean signsAcs3;

    private final IAcsClient acs;

    private Classic(String keyId, String secret) {
        DefaultProfile.addEndpoint(REGION, "fnf", System.getenv("FLOWLEDGER_ENDPOINT")); // plain HTTP by default
        acs = new DefaultAcsClient(DefaultProfile.getProfile(REGION, keyId, secret));
        if (signsAcs3) acs.setSignatureVersion(SignatureVersion.V3);
    }

    @Override
    public JsonObject createFlow(Map<String, String> parameters) {
        CreateFlowRequest request = new CreateFlowRequest();
        request.setName(parameters.get("Name"));
        request.setDefinition(parameters.get("Definition"));
        request.setDescription(parameters.get("Description"));
        request.setType(parameters.get("Type"));
        request.setRoleArn(parameters.get("RoleArn"));
        return send(request);
    }

    @Override
    public JsonObject describeFlow(Map<String, String> parameters) {
        DescribeFlowRequest request = new DescribeFlowRequest();
        request.setName(parameters.get("Name"));
        return send(request);
    }

    @Override
    public JsonObject updateFlow(Map<String, String> parameters) {
        UpdateFlowRequest request = new UpdateFlowRequest();
        request.setName(parameters.get("Name"));
        request.setDefinition(parameters.get("Definition"));
        request.setDescription(parameters.get("Description"));
        request.setRoleArn(parameters.get("RoleArn"));
        return send(request);
    }

    @Override
    public JsonObject deleteFlow(Map<String, String> parameters) {
        DeleteFlowRequest request = new DeleteFlowRequest(); // this SDK does it by GET
        request.setName(parameters.get("Name"));
        return send(request);
    }

    @Override
    public JsonObject listFlows(Map<String, String> parameters) {
        ListFlowsRequest request = new ListFlowsRequest();
        if (parameters.containsKey("Limit")) request.setLimit(Integer.valueOf(parameters.get("Limit")));
        request.setNextToken(parameters.get("NextToken"));
        return send(request);
    }

    @Override
    public JsonObject startExecution(Map<String, String> parameters) {
        StartExecutionRequest request = new StartExecutionRequest();
        request.setFlowName(parameters.get("FlowName"));
        request.setExecutionName(parameters.get("ExecutionName"));
        request.setInput(parameters.get("Input"));
        return send(request);
    }

    @Override
    public JsonObject stopExecution(Map<String, String> parameters) {
        StopExecutionRequest request = new StopExecutionRequest();
        request.setFlowName(parameters.get("FlowName"));
        request.setExecutionName(parameters.get("ExecutionName"));
        request.setError(parameters.get("Error"));
        request.setCause(parameters.get("Cause"));
        return send(request);
    }

    @Override
    public JsonObject describeExecution(Map<String, String> parameters) {
        DescribeExecutionRequest request = new DescribeExecutionRequest();
        request.setFlowName(parameters.get("FlowName"));
        request.setExecutionName(parameters.get("ExecutionName"));
        if (parameters.containsKey("WaitTimeSeconds")) {
            int seconds = Integer.parseInt(parameters.get("WaitTimeSeconds"));
            request.setWaitTimeSeconds(seconds);
            request.setSysReadTimeout((seconds + 10) * 1000); // milliseconds; 10 seconds otherwise
        }
        return send(request);
    }

    @Override
    public JsonObject listExecutions(Map<String, String> parameters) {
        ListExecutionsRequest request = new ListExecutionsRequest();
        request.setFlowName(parameters.get("FlowName"));
        if (parameters.containsKey("Limit")) request.setLimit(Integer.valueOf(parameters.get("Limit")));
        request.setNextToken(parameters.get("NextToken"));
        request.setStatus(parameters.get("Status"));
        request.setExecutionNamePrefix(parameters.get("ExecutionNamePrefix"));
        request.setStartedTimeBegin(parameters.get("StartedTimeBegin"));
        request.setStartedTimeEnd(parameters.get("StartedTimeEnd"));
        if (parameters.containsKey("MetadataOnly")) { // newer than this SDK, which has no method for it
            request.<Object>putQueryParameter("MetadataOnly", parameters.get("MetadataOnly"));
        }
        return send(request);
    }

    @Override
    public JsonObject getExecutionHistory(Map<String, String> parameters) {
        GetExecutionHistoryRequest request = new GetExecutionHistoryRequest();
        request.setFlowName(parameters.get("FlowName"));
        request.setExecutionName(parameters.get("ExecutionName"));
        if (parameters.containsKey("Limit")) request.setLimit(Integer.valueOf(parameters.get("Limit")));
        request.setNextToken(parameters.get("NextToken"));
        return send(request);
    }

    @Override
    public JsonObject reportTaskSucceeded(Map<String, String> parameters) {
        ReportTaskSucceededRequest request = new ReportTaskSucceededRequest();
        request.setTaskToken(parameters.get("TaskToken"));
        request.setOutput(parameters.get("Output"));
        return send(request);
    }

    @Override
    public JsonObject reportTaskFailed(Map<String, String> parameters) {
        ReportTaskFailedRequest request = new ReportTaskFailedRequest();
        request.setTaskToken(parameters.get("TaskToken"));
        request.setError(parameters.get("Error"));
        request.setCause(parameters.get("Cause"));
        return send(request);
    }

    /** FlowLedger's own action: the SDK has no class for it, so it goes through the generic request. */
    @Override
    public JsonObject appendExecutionEvents(Map<String, String> parameters) {
        return call("AppendExecutionEvents", Scenario.VERSION, parameters);
    }

    @Override
    public JsonObject call(String action, String version, Map<String, String> parameters) {
        CommonRequest request = new CommonRequest();
        request.setSysProduct("fnf");
        request.setSysVersion(version);
        request.setSysAction(action);
        request.setSysMethod(MethodType.POST);
        parameters.forEach(request::putBodyParameter);
        try {
            return JsonParser.parseString(acs.getCommonResponse(request).getData()).getAsJsonObject();
        } catch (ClientException error) {
            throw apiError(error);
        }
    }

    /**
     * This SDK does not decode the escapes of the form backslash-uXXXX: it drops the backslash. JSON has no other way to
     * write the control characters without a short escape, so they arrive like this whatever a server does.
     */
    @Override
    public String received(String text) {
        StringBuilder received = new StringBuilder();
        for (char c : text.toCharArray()) {
            if (c < ' ' && "\b\f\n\r\t".indexOf(c) < 0) received.append(String.format("u%04x", (int) c));
            else received.append(c);
        }
        return received.toString();
    }

    // The SDK's response classes name their fields like the API, but for the first letter.
    private static final Gson BY_NAME =
        new GsonBuilder().setFieldNamingPolicy(FieldNamingPolicy.UPPER_CAMEL_CASE).create();

    private JsonObject send(AcsRequest<?> request) {
        try {
            return BY_NAME.toJsonTree(acs.getAcsResponse(request)).getAsJsonObject();
        } catch (ClientException error) {
            throw apiError(error);
        }
    }

    private static Scenario.ApiError apiError(ClientException error) {
        return new Scenario.ApiError(error.getErrCode(), null, error.getErrMsg());
    }

    public static void main(String[] arguments) {
        signsAcs3 = arguments[0].equals("acs3");
        Scenario.run(Classic::new);
    }
}
