// io.socket:socket.io-client of one version, told what to do: one JSON object a line on stdin, what happens on stdout.
//
//   java -cp CLASSES:JARS Driver
//
// Commands are {"do", "as", ..}: `as` names a client.

import io.socket.client.Ack;
import io.socket.client.IO;
import io.socket.client.Manager;
import io.socket.client.Socket;
import io.socket.engineio.client.Transport;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.Field;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import okhttp3.OkHttpClient;
import org.json.JSONArray;
import org.json.JSONException;
import org.json.JSONObject;

public class Driver {
    static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    static final Map<String, Socket> CLIENTS = new ConcurrentHashMap<>();
    static final Map<String, String> TRANSPORTS = new ConcurrentHashMap<>();

    public static void main(String[] args) throws Exception {
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            JSONObject command = new JSONObject(line);
            String as = command.getString("as");
            switch (command.getString("do")) {
                case "connect" -> connect(as, command);
                case "emit" -> emit(as, command, null);
                case "attach" -> emit(as, command, new byte[command.getInt("size")]);
                case "transport" -> tell(as, "transport", "transport", TRANSPORTS.get(as));
                case "disconnect" -> CLIENTS.get(as).disconnect();
                default -> throw new IllegalArgumentException(line);
            }
        }
        System.exit(0);
    }

    static void connect(String as, JSONObject command) throws Exception {
        IO.Options options = new IO.Options();
        options.forceNew = true;
        options.reconnectionDelay = 50;
        options.reconnectionDelayMax = 200;
        options.randomizationFactor = 0;
        options.transports = strings(command.getJSONArray("transports"));
        options.query = command.isNull("query") ? null : command.getString("query");
        // Each its own: one shared HTTP client makes no more than five calls at a time, and a poll is one.
        OkHttpClient http = new OkHttpClient.Builder().readTimeout(1, TimeUnit.MINUTES).build();
        options.callFactory = http;
        options.webSocketFactory = http;
        if (!command.isNull("auth")) {
            Field auth = options.getClass().getField("auth");
            auth.set(options, texts(command.getJSONObject("auth")));
        }
        Socket socket = IO.socket(URI.create(command.getString("url") + command.getString("namespace")), options);
        CLIENTS.put(as, socket);
        Map<String, String> headers = command.isNull("headers") ? Map.of() : texts(command.getJSONObject("headers"));
        socket.io().on(Manager.EVENT_TRANSPORT, given -> {
            Transport transport = (Transport) given[0];
            transport.on(Transport.EVENT_OPEN, none -> TRANSPORTS.put(as, transport.name));
            transport.on(Transport.EVENT_REQUEST_HEADERS, sent -> {
                @SuppressWarnings("unchecked")
                Map<String, List<String>> all = (Map<String, List<String>>) sent[0];
                headers.forEach((name, value) -> all.put(name, List.of(value)));
            });
        });
        listen(as, socket, strings(command.getJSONArray("listen")));
        socket.connect();
    }

    static void listen(String as, Socket socket, String[] events) {
        socket.on(Socket.EVENT_CONNECT, none ->
            tell(as, "connected", "sid", socket.id(), "recovered", null, "transport", TRANSPORTS.get(as)));
        socket.on(Socket.EVENT_DISCONNECT, why -> tell(as, "disconnected", "reason", why[0]));
        socket.on(Socket.EVENT_CONNECT_ERROR, why -> refused(as, why));
        socket.on("error", why -> refused(as, why));
        for (String event : events) {
            socket.on(event, args -> tell(as, "event", "event", event, "args", plain(args)));
        }
    }

    /** A refusal is what the server said; what the library says itself is an exception. */
    static void refused(String as, Object[] why) {
        Object error = why.length == 0 ? null : why[0];
        JSONObject said = error instanceof JSONObject ? (JSONObject) error : new JSONObject();
        Object message = error instanceof JSONObject ? said.opt("message") : String.valueOf(error);
        tell(as, "refused", "message", message, "data", said.opt("data"), "refusal", !(error instanceof Exception));
    }

    static void emit(String as, JSONObject command, byte[] attached) throws JSONException {
        JSONArray given = command.getJSONArray("args");
        Object[] args = new Object[given.length()];
        for (int i = 0; i < args.length; i++) {
            args[i] = given.get(i);
        }
        if (attached != null) {
            ((JSONObject) args[args.length - 1]).put("file", attached);
        }
        String event = command.getString("event");
        if (command.isNull("ack")) {
            CLIENTS.get(as).emit(event, args);
        } else {
            int ack = command.getInt("ack");
            CLIENTS.get(as).emit(event, args, (Ack) answer -> tell(as, "ack", "ack", ack, "args", plain(answer)));
        }
    }

    /** An acknowledgement's own callback comes last among the arguments of an event: it is no data. */
    static JSONArray plain(Object[] args) {
        JSONArray plain = new JSONArray();
        for (Object arg : args) {
            if (!(arg instanceof Ack)) {
                plain.put(arg);
            }
        }
        return plain;
    }

    static synchronized void tell(String as, String told, Object... fields) {
        try {
            JSONObject line = new JSONObject().put("as", as).put("told", told);
            for (int i = 0; i < fields.length; i += 2) {
                line.put((String) fields[i], fields[i + 1] == null ? JSONObject.NULL : fields[i + 1]);
            }
            OUT.println(line);
        } catch (JSONException impossible) {
            throw new IllegalStateException(Arrays.toString(fields), impossible);
        }
    }

    static String[] strings(JSONArray array) throws JSONException {
        String[] strings = new String[array.length()];
        for (int i = 0; i < strings.length; i++) {
            strings[i] = array.getString(i);
        }
        return strings;
    }

    static Map<String, String> texts(JSONObject object) throws JSONException {
        Map<String, String> texts = new HashMap<>();
        for (Iterator<?> keys = object.keys(); keys.hasNext(); ) {
            String key = (String) keys.next();
            texts.put(key, object.getString(key));
        }
        return texts;
    }
}
