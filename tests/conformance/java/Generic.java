import com.aliyun.tea.TeaException;
import com.aliyun.teaopenapi.models.Config;
import com.aliyun.teaopenapi.models.OpenApiRequest;
import com.aliyun.teaopenapi.models.Params;
import com.aliyun.teautil.models.RuntimeOptions;
import com.google.gson.JsonElement;
import java.io.IOException;
import java.util.HashMap;
import java.util.Map;

/**
 * The generic client of tea-openapi, on which the current Java SDKs are built. It knows no product: every action is
 * named, and its parameters go into the query (GET) or a form (POST).
 *
 * <p>`Generic rpc` signs RPC v1 (HMAC-SHA1), `Generic acs3` signs ACS3-HMAC-SHA256.
 */
final class Generic implements Driver.Client {
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

    /** Reads by GET and writes by POST unless the request says otherwise. */
    @Override
    public JsonElement call(Driver.Request request) {
        Map<String, String> form = request.form();
        boolean own = request.has("Nonce") || request.has("Time") || request.has("Version");
        boolean reads = request.action.matches("(Describe|List|GetExecutionHistory).*") && !own;
        // This client leaves an empty value out of a body. In the query it sends it, but signs it under ACS3 only; what
        // is not signed changes nothing.
        boolean clears = request.action.equals("UpdateFlow") && form.containsValue("");
        String method = request.text("Method", reads || clears ? "GET" : "POST");

        Map<String, String> query = new HashMap<>(), headers = new HashMap<>();
        OpenApiRequest sent = new OpenApiRequest();
        if (method.equals("GET") || request.has("InQuery")) {
            query.putAll(form);
        } else if (request.has("JsonBody")) {
            sent.setBody(Driver.GSON.fromJson(request.json.get("Parameters"), Map.class));
        } else {
            // Reports have their token in the query and the rest in the body, as the vendor describes these actions.
            if (form.containsKey("TaskToken")) query.put("TaskToken", form.remove("TaskToken"));
            sent.setBody(form);
        }
        // A nonce and a time of the caller's replace those of the client.
        Map<String, String> common = signsRpc ? query : headers;
        if (request.has("Nonce")) {
            common.put(signsRpc ? "SignatureNonce" : "x-acs-signature-nonce", request.text("Nonce", ""));
        }
        if (request.has("Time")) common.put(signsRpc ? "Timestamp" : "x-acs-date", request.text("Time", ""));
        if (!query.isEmpty()) sent.setQuery(query);
        if (!headers.isEmpty()) sent.setHeaders(headers);

        Params params = new Params()
            .setAction(request.action)
            .setVersion(request.text("Version", Driver.VERSION))
            .setMethod(method)
            .setProtocol("HTTP")
            .setPathname("/")
            .setStyle("RPC")
            .setAuthType("AK")
            .setReqBodyType(request.has("JsonBody") ? "json" : "formData")
            .setBodyType("json");
        RuntimeOptions options = new RuntimeOptions();
        if (query.containsKey("WaitTimeSeconds")) {
            int seconds = Integer.parseInt(query.get("WaitTimeSeconds"));
            options.setReadTimeout((seconds + 10) * 1000); // milliseconds; 10 seconds otherwise
        }
        try {
            return Driver.GSON.toJsonTree(openApi.callApi(params, sent, options).get("body"));
        } catch (TeaException error) {
            throw new Driver.ApiError(error.getCode(), error.getStatusCode(), error.getMessage());
        } catch (Exception error) {
            throw new IllegalStateException(error); // no answer, as after a broken connection
        }
    }

    public static void main(String[] arguments) throws IOException {
        signsRpc = arguments[0].equals("rpc");
        Driver.serve(Generic::new);
    }
}
