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
import com.google.gson.JsonElement;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.util.Map;

/**
 * aliyun-java-sdk-fnf, the classic Java SDK. `Classic rpc` signs RPC v1 (HMAC-SHA1), its default; `Classic acs3` signs
 * ACS3-HMAC-SHA256, without the header `host`.
 *
 * <p>This SDK sets the nonce and the time stamp itself, shows no HTTP status of an error, and does not decode the
 * escapes of the form backslash-uXXXX in an answer: it drops the backslash. JSON has no other way to write the control
 * characters without a short escape, so they arrive like this whatever a server does.
 */
final class Classic implements Driver.Client {
    private static final String REGION = "local"; // any text: the endpoint is given

    private static boolean signsAcs3;

    private final IAcsClient acs;

    private Classic(String keyId, String secret) {
        DefaultProfile.addEndpoint(REGION, "fnf", System.getenv("FLOWLEDGER_ENDPOINT")); // plain HTTP by default
        acs = new DefaultAcsClient(DefaultProfile.getProfile(REGION, keyId, secret));
        if (signsAcs3) acs.setSignatureVersion(SignatureVersion.V3);
    }

    /** Uses the SDK's own class of request if it has one. */
    @Override
    public JsonElement call(Driver.Request request) {
        Map<String, String> p = request.form();
        try {
            if (request.has("Version")) return generic(request, p);
            return switch (request.action) {
                case "CreateFlow" -> send(createFlow(p));
                case "DescribeFlow" -> send(describeFlow(p));
                case "UpdateFlow" -> send(updateFlow(p));
                case "DeleteFlow" -> send(deleteFlow(p));
                case "ListFlows" -> send(listFlows(p));
                case "StartExecution" -> send(startExecution(p));
                case "StopExecution" -> send(stopExecution(p));
                case "DescribeExecution" -> send(describeExecution(p));
                case "ListExecutions" -> send(listExecutions(p));
                case "GetExecutionHistory" -> send(getExecutionHistory(p));
                case "ReportTaskSucceeded" -> send(reportTaskSucceeded(p));
                case "ReportTaskFailed" -> send(reportTaskFailed(p));
                default -> generic(request, p);
            };
        } catch (ClientException error) {
            throw new Driver.ApiError(error.getErrCode(), null, error.getErrMsg());
        }
    }

    private static CreateFlowRequest createFlow(Map<String, String> p) {
        CreateFlowRequest request = new CreateFlowRequest();
        request.setName(p.get("Name"));
        request.setDefinition(p.get("Definition"));
        request.setDescription(p.get("Description"));
        request.setType(p.get("Type"));
        request.setRoleArn(p.get("RoleArn"));
        return request;
    }

    private static DescribeFlowRequest describeFlow(Map<String, String> p) {
        DescribeFlowRequest request = new DescribeFlowRequest();
        request.setName(p.get("Name"));
        return request;
    }

    private static UpdateFlowRequest updateFlow(Map<String, String> p) {
        UpdateFlowRequest request = new UpdateFlowRequest();
        request.setName(p.get("Name"));
        request.setDefinition(p.get("Definition"));
        request.setDescription(p.get("Description"));
        request.setRoleArn(p.get("RoleArn"));
        return request;
    }

    private static DeleteFlowRequest deleteFlow(Map<String, String> p) {
        DeleteFlowRequest request = new DeleteFlowRequest(); // this SDK sends it by GET
        request.setName(p.get("Name"));
        return request;
    }

    private static ListFlowsRequest listFlows(Map<String, String> p) {
        ListFlowsRequest request = new ListFlowsRequest();
        if (p.containsKey("Limit")) request.setLimit(Integer.valueOf(p.get("Limit")));
        request.setNextToken(p.get("NextToken"));
        return request;
    }

    private static StartExecutionRequest startExecution(Map<String, String> p) {
        StartExecutionRequest request = new StartExecutionRequest();
        request.setFlowName(p.get("FlowName"));
        request.setExecutionName(p.get("ExecutionName"));
        request.setInput(p.get("Input"));
        return request;
    }

    private static StopExecutionRequest stopExecution(Map<String, String> p) {
        StopExecutionRequest request = new StopExecutionRequest();
        request.setFlowName(p.get("FlowName"));
        request.setExecutionName(p.get("ExecutionName"));
        request.setError(p.get("Error"));
        request.setCause(p.get("Cause"));
        return request;
    }

    private static DescribeExecutionRequest describeExecution(Map<String, String> p) {
        DescribeExecutionRequest request = new DescribeExecutionRequest();
        request.setFlowName(p.get("FlowName"));
        request.setExecutionName(p.get("ExecutionName"));
        if (p.containsKey("WaitTimeSeconds")) {
            int seconds = Integer.parseInt(p.get("WaitTimeSeconds"));
            request.setWaitTimeSeconds(seconds);
            request.setSysReadTimeout((seconds + 10) * 1000); // milliseconds; 10 seconds otherwise
        }
        return request;
    }

    private static ListExecutionsRequest listExecutions(Map<String, String> p) {
        ListExecutionsRequest request = new ListExecutionsRequest();
        request.setFlowName(p.get("FlowName"));
        if (p.containsKey("Limit")) request.setLimit(Integer.valueOf(p.get("Limit")));
        request.setNextToken(p.get("NextToken"));
        request.setStatus(p.get("Status"));
        request.setExecutionNamePrefix(p.get("ExecutionNamePrefix"));
        request.setStartedTimeBegin(p.get("StartedTimeBegin"));
        request.setStartedTimeEnd(p.get("StartedTimeEnd"));
        if (p.containsKey("MetadataOnly")) { // newer than this SDK, which has no method for it
            request.<Object>putQueryParameter("MetadataOnly", p.get("MetadataOnly"));
        }
        return request;
    }

    private static GetExecutionHistoryRequest getExecutionHistory(Map<String, String> p) {
        GetExecutionHistoryRequest request = new GetExecutionHistoryRequest();
        request.setFlowName(p.get("FlowName"));
        request.setExecutionName(p.get("ExecutionName"));
        if (p.containsKey("Limit")) request.setLimit(Integer.valueOf(p.get("Limit")));
        request.setNextToken(p.get("NextToken"));
        return request;
    }

    private static ReportTaskSucceededRequest reportTaskSucceeded(Map<String, String> p) {
        ReportTaskSucceededRequest request = new ReportTaskSucceededRequest();
        request.setTaskToken(p.get("TaskToken"));
        request.setOutput(p.get("Output"));
        return request;
    }

    private static ReportTaskFailedRequest reportTaskFailed(Map<String, String> p) {
        ReportTaskFailedRequest request = new ReportTaskFailedRequest();
        request.setTaskToken(p.get("TaskToken"));
        request.setError(p.get("Error"));
        request.setCause(p.get("Cause"));
        return request;
    }

    // The SDK's response classes name their fields like the API, but for the first letter.
    private static final Gson BY_NAME =
        new GsonBuilder().setFieldNamingPolicy(FieldNamingPolicy.UPPER_CAMEL_CASE).create();

    private JsonElement send(AcsRequest<?> request) throws ClientException {
        return BY_NAME.toJsonTree(acs.getAcsResponse(request));
    }

    /** The generic request. AppendExecutionEvents, FlowLedger's own action, has no class of its own. */
    private JsonElement generic(Driver.Request sent, Map<String, String> p) throws ClientException {
        CommonRequest request = new CommonRequest();
        request.setSysProduct("fnf");
        request.setSysVersion(sent.text("Version", Driver.VERSION));
        request.setSysAction(sent.action);
        request.setSysMethod(MethodType.POST);
        p.forEach(request::putBodyParameter);
        return JsonParser.parseString(acs.getCommonResponse(request).getData());
    }

    public static void main(String[] arguments) throws IOException {
        signsAcs3 = arguments[0].equals("acs3");
        Driver.serve(Classic::new);
    }
}
