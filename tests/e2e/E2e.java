// A client of the action protocol for Java 17: one file, nothing but the language's own library.
//
//   java E2e.java HOST PORT ROOM TOKEN TOKEN TOKEN
//
// Three users go through the reference document: connect, join, chat, gzip, batch, a call, errors, leave.

import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import java.util.zip.GZIPInputStream;
import java.util.zip.GZIPOutputStream;

public class E2e {
    static final int WAIT_MS = 20_000;
    static int passed = 0;
    static int failed = 0;

    public static void main(String[] args) throws Exception {
        if (args.length != 6) {
            System.err.println("usage: java E2e.java HOST PORT ROOM TOKEN TOKEN TOKEN");
            System.exit(2);
        }
        String host = args[0];
        int port = Integer.parseInt(args[1]);
        long room = Long.parseLong(args[2]);
        try (Client a = new Client(host, port); Client b = new Client(host, port); Client c = new Client(host, port)) {
            List<Client> all = List.of(a, b, c);
            step("connect and ping", () -> connect(all, args));
            step("join", () -> join(all, room));
            step("chat", () -> chat(all, room));
            step("gzip", () -> gzip(all, room));
            step("batch", () -> batch(a, b, room));
            step("typing and read marks", () -> typing(a, b, room));
            step("history", () -> history(c, room));
            step("a call with offer, answer and candidates", () -> call(all, room));
            step("errors", () -> errors(a));
            step("leave", () -> leave(all, room));
        }
        step("a token that is none", () -> refused(host, port));
        System.out.println("java: " + passed + " passed, " + failed + " failed");
        System.exit(failed == 0 ? 0 : 1);
    }

    interface Step {
        void run() throws Exception;
    }

    static void step(String name, Step step) {
        try {
            step.run();
            passed++;
        } catch (Exception | AssertionError error) {
            failed++;
            System.out.println("java: FAILED " + name + ": " + error);
        }
    }

    static void check(boolean holds, Object what) {
        if (!holds) {
            throw new AssertionError(String.valueOf(what));
        }
    }

    // Steps

    static void connect(List<Client> all, String[] args) throws IOException {
        for (int i = 0; i < all.size(); i++) {
            Frame answer = all.get(i).ask("CONNECT", Map.of("jwt_token", args[3 + i]));
            check(answer.action.equals("CONNECT_SUCCESS"), answer);
            check(answer.text("session_id").matches("session_[0-9a-f]{32}"), answer);
            all.get(i).user = answer.number("user_id");
            check(all.get(i).ask("PING", Map.of()).action.equals("PONG"), "PONG");
        }
    }

    static void join(List<Client> all, long room) throws IOException {
        for (int i = 0; i < all.size(); i++) {
            Client client = all.get(i);
            Frame answer = client.ask("JOIN_ROOM", Map.of("chatroom_id", room));
            check(answer.action.equals("JOIN_ROOM_SUCCESS"), answer);
            check(answer.number("participants_count") == i + 1, answer);
            for (Client earlier : all.subList(0, i)) {
                Frame joined = earlier.expect("USER_JOINED", f -> f.number("user_id") == client.user);
                check(joined.number("chatroom_id") == room, joined);
            }
        }
    }

    static void chat(List<Client> all, long room) throws IOException {
        for (Client sender : all) {
            String content = "안녕하세요! 😀 \"따옴표\" \\ \n 줄 " + sender.user;
            String seqId = sender.send("SEND_MESSAGE", message(room, content));
            for (Client client : all) {
                Frame got = client.expect("NEW_MESSAGE", f -> f.text("content").equals(content));
                check(got.seqId.equals(seqId), got);
                check(sender.user == (long) ((Map<?, ?>) got.data.get("sender")).get("user_id"), got);
            }
        }
    }

    static void gzip(List<Client> all, long room) throws IOException {
        String content = "봉수 ".repeat(400).strip();
        String packed = pack(Json.write(message(room, content)));
        all.get(0).sendEnvelope("SEND_MESSAGE", packed, true);
        for (Client client : all) {
            client.expect("NEW_MESSAGE", f -> f.text("content").equals(content));
        }
    }

    static void batch(Client a, Client b, long room) throws IOException {
        List<Object> requests = new ArrayList<>();
        for (int i = 0; i < 10; i++) {
            requests.add(Map.of("action", "SEND_MESSAGE", "seq_id", "batch_" + i, "data", message(room, "b" + i)));
        }
        a.send("BATCH_MESSAGES", Map.of("messages", requests));
        for (Client client : List.of(a, b)) {
            long last = 0;
            for (int i = 0; i < 10; i++) {
                String content = "b" + i;
                Frame got = client.expect("NEW_MESSAGE", f -> f.text("content").equals(content));
                check(got.seqId.equals("batch_" + i), got);
                check(got.number("seq") > last, "in order");
                last = got.number("seq");
            }
        }
    }

    static void typing(Client a, Client b, long room) throws IOException {
        a.send("TYPING", Map.of("chatroom_id", room, "is_typing", true));
        b.expect("TYPING", f -> f.number("user_id") == a.user);
        Frame marked = b.ask("MARK_READ", Map.of("chatroom_id", room, "seq", 1L));
        check(marked.action.equals("MARK_READ_SUCCESS"), marked);
        a.expect("MESSAGE_READ", f -> f.number("user_id") == b.user && f.number("seq") == 1);
    }

    static void history(Client c, long room) throws IOException {
        long after = 0;
        int count = 0;
        while (true) {
            Frame page = c.ask("GET_MESSAGES", Map.of("chatroom_id", room, "after_seq", after, "limit", 5L));
            check(page.action.equals("BATCH_MESSAGES"), page);
            for (Object each : (List<?>) page.data.get("messages")) {
                check((long) ((Map<?, ?>) each).get("seq") == after + 1, "without holes: " + each);
                after++;
                count++;
            }
            if (!(boolean) page.data.get("has_more")) {
                break;
            }
        }
        check(count == 14, "3 of the chat, 1 compressed, 10 of the batch: " + count);
    }

    static void call(List<Client> all, long room) throws IOException {
        Client a = all.get(0);
        Frame created = a.ask(
            "CREATE_VIDEO_ROOM",
            Map.of("chatroom_id", room, "video_room_name", "영상회의", "max_participants", 10L));
        check(created.action.equals("VIDEO_ROOM_CREATED") && created.number("host_user_id") == a.user, created);
        long call = created.number("video_room_id");
        Map<String, Object> media = Map.of("audio_enabled", true, "video_enabled", true);
        for (Client client : all) {
            Frame in = client.ask("JOIN_VIDEO_ROOM", Map.of("video_room_id", call, "media_status", media));
            check(in.action.equals("JOIN_VIDEO_ROOM_SUCCESS"), in);
        }
        for (int i = 0; i < all.size(); i++) {
            for (int j = i + 1; j < all.size(); j++) {
                signal(all.get(i), all.get(j), call, "SDP_OFFER", "sdp", Map.of("type", "offer", "sdp", "v=0\r\n"));
                signal(all.get(j), all.get(i), call, "SDP_ANSWER", "sdp", Map.of("type", "answer", "sdp", "v=0\r\n"));
                Map<String, Object> candidate = Map.of("candidate", "candidate:1 1 UDP 1 192.168.1.100 54400 typ host",
                    "sdpMid", "0", "sdpMLineIndex", 0L);
                signal(all.get(i), all.get(j), call, "ICE_CANDIDATE", "candidate", candidate);
                signal(all.get(j), all.get(i), call, "ICE_CANDIDATE", "candidate", candidate);
            }
        }
        Map<String, Object> muted = Map.of("audio_enabled", false, "video_enabled", true, "screen_sharing", false);
        a.send("MEDIA_STATUS_CHANGE", Map.of("video_room_id", call, "media_status", muted));
        for (Client client : all) {
            Frame changed = client.expect("PARTICIPANT_MEDIA_CHANGED", f -> f.number("user_id") == a.user);
            check(muted.equals(changed.data.get("media_status")), changed);
        }
        a.send("END_VIDEO_ROOM", Map.of("video_room_id", call));
        for (Client client : all) {
            client.expect("VIDEO_ROOM_ENDED", f -> f.number("video_room_id") == call);
        }
    }

    static void signal(Client from, Client to, long call, String action, String field, Object value) throws IOException {
        String seqId = from.send(action, Map.of("video_room_id", call, "target_user_id", to.user, field, value));
        Frame got = to.expect(action, f -> f.number("from_user_id") == from.user && f.seqId.equals(seqId));
        check(value.equals(got.data.get(field)) && !got.data.containsKey("target_user_id"), got);
    }

    static void errors(Client a) throws IOException {
        Frame error = a.ask("FLY", Map.of());
        check(error.action.equals("ERROR") && error.text("error_code").equals("INVALID_ACTION"), error);
        error = a.ask("JOIN_ROOM", Map.of("chatroom_id", 999_999_999L));
        check(error.text("error_code").equals("ROOM_NOT_FOUND"), error);
        check(error.text("original_action").equals("JOIN_ROOM"), error);
    }

    static void leave(List<Client> all, long room) throws IOException {
        Client c = all.get(2);
        Frame left = c.ask("LEAVE_ROOM", Map.of("chatroom_id", room));
        check(left.action.equals("LEAVE_ROOM_SUCCESS"), left);
        for (Client client : all) {
            Frame gone = client.expect("USER_LEFT", f -> f.number("user_id") == c.user);
            check(gone.number("participants_count") == 2, gone);
        }
    }

    static void refused(String host, int port) throws IOException {
        try (Client client = new Client(host, port)) {
            Frame answer = client.ask("CONNECT", Map.of("jwt_token", "nonsense"));
            check(answer.action.equals("CONNECT_ERROR"), answer);
            check(answer.text("error_code").equals("INVALID_TOKEN"), answer);
            while (client.receive() != null) {
                continue; // Until the server closes.
            }
        }
    }

    static Map<String, Object> message(long room, String content) {
        return Map.of("chatroom_id", room, "content", content, "message_type", "text");
    }

    static String pack(String json) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (GZIPOutputStream gzip = new GZIPOutputStream(bytes)) {
            gzip.write(json.getBytes(StandardCharsets.UTF_8));
        }
        return Base64.getEncoder().encodeToString(bytes.toByteArray());
    }

    static String unpack(String packed) throws IOException {
        byte[] bytes = Base64.getDecoder().decode(packed);
        try (GZIPInputStream gzip = new GZIPInputStream(new ByteArrayInputStream(bytes))) {
            return new String(gzip.readAllBytes(), StandardCharsets.UTF_8);
        }
    }

    // The wire

    record Frame(String action, String seqId, Map<?, ?> data) {
        long number(String field) {
            return data.get(field) instanceof Long value ? value : -1;
        }

        String text(String field) {
            return data.get(field) instanceof String value ? value : "";
        }
    }

    static class Client implements AutoCloseable {
        static int numbers = 0;
        final Socket socket;
        final BufferedReader in;
        final OutputStream out;
        final List<Frame> inbox = new ArrayList<>();
        long user = 0;

        Client(String host, int port) throws IOException {
            socket = new Socket(host, port);
            socket.setTcpNoDelay(true);
            socket.setSoTimeout(WAIT_MS);
            in = new BufferedReader(new InputStreamReader(socket.getInputStream(), StandardCharsets.UTF_8));
            out = socket.getOutputStream();
        }

        String send(String action, Map<String, Object> data) throws IOException {
            return sendEnvelope(action, data, false);
        }

        String sendEnvelope(String action, Object data, boolean compressed) throws IOException {
            String seqId = "java_" + ++numbers;
            Map<String, Object> envelope = new LinkedHashMap<>();
            envelope.put("action", action);
            envelope.put("data", data);
            envelope.put("timestamp", Instant.now().toString());
            envelope.put("seq_id", seqId);
            if (user != 0) {
                envelope.put("user_id", user);
            }
            if (compressed) {
                envelope.put("compressed", true);
            }
            out.write(Json.write(envelope).getBytes(StandardCharsets.UTF_8));
            out.flush();
            return seqId;
        }

        Frame ask(String action, Map<String, Object> data) throws IOException {
            String seqId = send(action, data);
            return take(f -> f.seqId.equals(seqId) || f.text("original_seq_id").equals(seqId), "an answer to " + action);
        }

        Frame expect(String action, Predicate<Frame> match) throws IOException {
            return take(f -> f.action.equals(action) && match.test(f), action);
        }

        Frame take(Predicate<Frame> match, String what) throws IOException {
            for (int i = 0; i < inbox.size(); i++) {
                if (match.test(inbox.get(i))) {
                    return inbox.remove(i);
                }
            }
            while (true) {
                Frame frame = receive();
                if (frame == null) {
                    throw new IOException("closed while waiting for " + what);
                }
                if (match.test(frame)) {
                    return frame;
                }
                inbox.add(frame);
            }
        }

        /** The next frame; null when the server has closed. */
        Frame receive() throws IOException {
            String line = in.readLine();
            if (line == null) {
                return null;
            }
            Map<?, ?> frame = (Map<?, ?>) Json.read(line);
            Object data = frame.get("data");
            if (Boolean.TRUE.equals(frame.get("compressed"))) {
                data = Json.read(unpack((String) data));
            }
            return new Frame((String) frame.get("action"), (String) frame.get("seq_id"), (Map<?, ?>) data);
        }

        @Override
        public void close() throws IOException {
            socket.close();
        }
    }

    /** As much JSON as the protocol needs: whole numbers are Long, others Double. */
    static class Json {
        final String text;
        int at = 0;

        Json(String text) {
            this.text = text;
        }

        static Object read(String text) {
            Json json = new Json(text);
            Object value = json.value();
            json.space();
            check(json.at == text.length(), "more than one value: " + text);
            return value;
        }

        Object value() {
            space();
            switch (text.charAt(at)) {
                case '{':
                    return object();
                case '[':
                    return array();
                case '"':
                    return string();
                case 't':
                    return word("true", Boolean.TRUE);
                case 'f':
                    return word("false", Boolean.FALSE);
                case 'n':
                    return word("null", null);
                default:
                    return number();
            }
        }

        Map<String, Object> object() {
            Map<String, Object> object = new LinkedHashMap<>();
            at++;
            for (space(); text.charAt(at) != '}'; space()) {
                if (!object.isEmpty()) {
                    want(',');
                    space();
                }
                String key = string();
                space();
                want(':');
                check(!object.containsKey(key), "the key " + key + " stands twice");
                object.put(key, value());
            }
            at++;
            return object;
        }

        List<Object> array() {
            List<Object> array = new ArrayList<>();
            at++;
            for (space(); text.charAt(at) != ']'; space()) {
                if (!array.isEmpty()) {
                    want(',');
                }
                array.add(value());
            }
            at++;
            return array;
        }

        String string() {
            want('"');
            StringBuilder out = new StringBuilder();
            while (text.charAt(at) != '"') {
                char c = text.charAt(at++);
                if (c != '\\') {
                    out.append(c);
                    continue;
                }
                c = text.charAt(at++);
                switch (c) {
                    case 'n' -> out.append('\n');
                    case 't' -> out.append('\t');
                    case 'r' -> out.append('\r');
                    case 'b' -> out.append('\b');
                    case 'f' -> out.append('\f');
                    case 'u' -> {
                        out.append((char) Integer.parseInt(text.substring(at, at + 4), 16));
                        at += 4;
                    }
                    default -> out.append(c);
                }
            }
            at++;
            return out.toString();
        }

        Object number() {
            int start = at;
            while (at < text.length() && "+-.eE0123456789".indexOf(text.charAt(at)) >= 0) {
                at++;
            }
            String digits = text.substring(start, at);
            return digits.matches("-?\\d+") ? (Object) Long.parseLong(digits) : (Object) Double.parseDouble(digits);
        }

        Object word(String word, Object value) {
            check(text.startsWith(word, at), "no JSON at " + at + ": " + text);
            at += word.length();
            return value;
        }

        void want(char c) {
            check(text.charAt(at) == c, "no " + c + " at " + at + ": " + text);
            at++;
        }

        void space() {
            while (at < text.length() && Character.isWhitespace(text.charAt(at))) {
                at++;
            }
        }

        static String write(Object value) {
            StringBuilder out = new StringBuilder();
            write(value, out);
            return out.toString();
        }

        static void write(Object value, StringBuilder out) {
            if (value instanceof Map<?, ?> map) {
                String comma = "{";
                for (Map.Entry<?, ?> entry : map.entrySet()) {
                    out.append(comma);
                    write(entry.getKey(), out);
                    out.append(':');
                    write(entry.getValue(), out);
                    comma = ",";
                }
                out.append(map.isEmpty() ? "{}" : "}");
            } else if (value instanceof List<?> list) {
                String comma = "[";
                for (Object each : list) {
                    out.append(comma);
                    write(each, out);
                    comma = ",";
                }
                out.append(list.isEmpty() ? "[]" : "]");
            } else if (value instanceof String text) {
                out.append('"');
                for (char c : text.toCharArray()) {
                    if (c == '"' || c == '\\') {
                        out.append('\\').append(c);
                    } else if (c < ' ') {
                        out.append(String.format("\\u%04x", (int) c));
                    } else {
                        out.append(c);
                    }
                }
                out.append('"');
            } else {
                out.append(value);
            }
        }
    }
}
