import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.gson.ToNumberPolicy;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.BiFunction;

/**
 * Runs one Java SDK for the conformance scenario: reads calls from standard input and prints their answers. README.md
 * describes the lines.
 */
final class Driver {
    static final String VERSION = "2019-03-15";

    // Gson spells <, >, &, =, ' and U+2028 as escapes; the server must not keep that spelling of a request.
    static final Gson GSON =
        new GsonBuilder().setObjectToNumberStrategy(ToNumberPolicy.LONG_OR_DOUBLE).create();

    /** Makes a call; the answer has the names of the API, and an error answer is thrown as ApiError. */
    interface Client {
        JsonElement call(Request request);
    }

    /** An error answer of the API, with what the SDK shows of it. Status null: the SDK does not show it. */
    static final class ApiError extends RuntimeException {
        final String code;
        final Integer status;

        ApiError(String code, Integer status, String message) {
            super(message);
            this.code = code;
            this.status = status;
        }
    }

    /** One call. What is not sent is null. */
    static final class Request {
        final JsonObject json;
        final String action;

        Request(JsonObject json) {
            this.json = json;
            this.action = json.get("Action").getAsString();
        }

        String text(String name, String otherwise) {
            return json.has(name) ? json.get(name).getAsString() : otherwise;
        }

        boolean has(String name) {
            return json.has(name);
        }

        /** The parameters as the API takes them outside a JSON body: each as text, events as JSON. */
        Map<String, String> form() {
            Map<String, String> form = new LinkedHashMap<>();
            json.getAsJsonObject("Parameters").entrySet().forEach(parameter -> {
                JsonElement value = parameter.getValue();
                form.put(parameter.getKey(), value.isJsonPrimitive() ? value.getAsString() : GSON.toJson(value));
            });
            return form;
        }
    }

    private static JsonObject answer(Client client, Request request) {
        JsonObject answer = new JsonObject();
        try {
            answer.add("Answer", client.call(request));
        } catch (ApiError error) {
            JsonObject refused = new JsonObject();
            refused.addProperty("Code", error.code);
            refused.addProperty("Status", error.status);
            refused.addProperty("Message", error.getMessage());
            answer.add("Error", refused);
        }
        return answer;
    }

    /** Answers the calls until standard input ends. */
    static void serve(BiFunction<String, String, Client> connect) throws IOException {
        Map<String, Client> clients = new HashMap<>();
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            JsonObject json = JsonParser.parseString(line).getAsJsonObject();
            String id = System.getenv("FLOWLEDGER_ACCESS_KEY_ID"), secret = System.getenv("FLOWLEDGER_ACCESS_KEY_SECRET");
            if (json.has("Key")) {
                id = json.getAsJsonArray("Key").get(0).getAsString();
                secret = json.getAsJsonArray("Key").get(1).getAsString();
            }
            String key = id + " " + secret;
            if (!clients.containsKey(key)) clients.put(key, connect.apply(id, secret));
            out.println(GSON.toJson(answer(clients.get(key), new Request(json))));
        }
        System.exit(0); // the SDKs leave threads behind
    }
}
