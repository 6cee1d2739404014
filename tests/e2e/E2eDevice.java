// A device for Java 17, beside E2e.java, whose JSON it reads with: nothing but the language's own library.
//
//   java -cp CLASSES E2eDevice PORT DEVICE TOKEN
//
// Keeps a connection, comes back when it is lost, does each command once, and tells each step in one line.

import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.WebSocket;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

public class E2eDevice implements WebSocket.Listener {
    static final int REPLACED = 4409;
    /** What was answered last, by the command's id: a repeat is answered alike and done no more. */
    final Map<String, Map<String, Object>> journal = new LinkedHashMap<>();
    final BlockingQueue<Object> heard = new LinkedBlockingQueue<>();
    final StringBuilder part = new StringBuilder();
    final String device;
    long epoch = 0;

    E2eDevice(String device) {
        this.device = device;
    }

    public static void main(String[] args) throws Exception {
        URI address = URI.create("ws://127.0.0.1:" + args[0] + "/device");
        HttpClient http = HttpClient.newHttpClient();
        E2eDevice self = new E2eDevice(args[1]);
        while (true) {
            try {
                WebSocket socket = http.newWebSocketBuilder()
                    .connectTimeout(Duration.ofSeconds(5))
                    .subprotocols("bongsu.device.json.v1")
                    .header("Authorization", "Bearer " + args[2])
                    .buildAsync(address, self)
                    .join();
                if (self.serve(socket) == REPLACED) {
                    tell("replaced");
                    System.exit(0);
                }
            } catch (CompletionException error) {
                // Nobody is there yet.
                TimeUnit.MILLISECONDS.sleep(50);
            }
        }
    }

    static void tell(String line) {
        System.out.println(line);
        System.out.flush();
    }

    /** Until the connection ends; the close code. */
    int serve(WebSocket socket) throws InterruptedException {
        heard.clear();
        say(socket, Map.of("type", "hello", "device_id", device, "kind", "java", "capabilities", List.of("window.set")));
        long beat = 5_000;
        while (true) {
            Object next = heard.poll(beat, TimeUnit.MILLISECONDS);
            if (next == null) {
                say(socket, Map.of("type", "heartbeat", "clock", System.currentTimeMillis()));
            } else if (next instanceof Integer code) {
                tell("closed " + code);
                return code;
            } else {
                Map<?, ?> frame = (Map<?, ?>) next;
                if (frame.containsKey("cmd")) {
                    carryOut(socket, frame);
                } else if ("welcome".equals(frame.get("type"))) {
                    epoch = (long) frame.get("epoch");
                    beat = (long) frame.get("heartbeat_ms") / 2;
                    tell("welcome " + epoch);
                }
            }
        }
    }

    void carryOut(WebSocket socket, Map<?, ?> frame) {
        String id = (String) frame.get("msg_id");
        if ((long) frame.get("epoch") != epoch) {
            tell("stale " + id);
            return;
        }
        Map<String, Object> answer = journal.get(id);
        if (answer == null) {
            word(socket, id, Map.of("status", "received"));
            tell("did " + id);
            answer = Map.of("status", "ok", "result", frame.get("args"));
            journal.put(id, answer);
        } else {
            tell("again " + id);
        }
        word(socket, id, answer);
    }

    void word(WebSocket socket, String id, Map<String, Object> said) {
        Map<String, Object> word = new LinkedHashMap<>(said);
        word.put("reply_to", id);
        word.put("epoch", epoch);
        say(socket, word);
    }

    void say(WebSocket socket, Map<String, Object> frame) {
        try {
            socket.sendText(E2e.Json.write(frame), true).join();
        } catch (CompletionException error) {
            heard.add(1006);
        }
    }

    // What the library calls

    @Override
    public CompletionStage<?> onText(WebSocket socket, CharSequence data, boolean last) {
        part.append(data);
        if (last) {
            heard.add(E2e.Json.read(part.toString()));
            part.setLength(0);
        }
        socket.request(1);
        return null;
    }

    @Override
    public CompletionStage<?> onClose(WebSocket socket, int code, String reason) {
        heard.add(code);
        return null;
    }

    @Override
    public void onError(WebSocket socket, Throwable error) {
        heard.add(1006);
    }
}
