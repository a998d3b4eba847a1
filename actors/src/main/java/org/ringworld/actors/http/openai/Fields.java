package org.ringworld.actors.http.openai;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.ringworld.tokenizer.Utf8;
import org.ringworld.tokenizer.chat.TemplateValue;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.ObjectReader;
import tools.jackson.databind.json.JsonMapper;

/**
 * The fields of a JSON object that a client sent. What is of the wrong type or out of its range is
 * refused by its name; null is as if it were not there, as in OpenAI's API.
 */
public final class Fields {
    private static final ObjectReader READER =
            JsonMapper.shared().reader().with(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);

    private final JsonNode json;
    private final String path;

    private Fields(JsonNode json, String path) {
        this.json = json;
        this.path = path;
    }

    /** Of the body of a request. */
    public static Fields of(byte[] body) {
        int fault = Utf8.firstFault(body);
        if (fault >= 0) {
            throw ApiFault.request(null, "the body is not UTF-8 at byte " + fault);
        }
        JsonNode json;
        try {
            json = READER.readTree(new String(body, StandardCharsets.UTF_8));
        } catch (JacksonException e) {
            throw ApiFault.request(null, "the body is not valid JSON: " + e.getOriginalMessage());
        }
        if (!json.isObject()) {
            throw ApiFault.request(null, "the body must be a JSON object");
        }
        return new Fields(json, "");
    }

    /** A fault of a field. */
    public ApiFault fault(String name, String sentence) {
        return ApiFault.request(path + name, path + name + " " + sentence);
    }

    public JsonNode node(String name) {
        return json.path(name);
    }

    public boolean has(String name) {
        return json.hasNonNull(name);
    }

    /** A text that must be there. */
    public String text(String name) {
        if (!has(name)) {
            throw fault(name, "is missing");
        }
        return text(name, null);
    }

    public String text(String name, String unlessGiven) {
        if (!has(name)) {
            return unlessGiven;
        }
        if (!node(name).isString()) {
            throw fault(name, "must be a string");
        }
        return node(name).stringValue();
    }

    public boolean flag(String name) {
        if (has(name) && !node(name).isBoolean()) {
            throw fault(name, "must be true or false");
        }
        return node(name).asBoolean(false);
    }

    public int integer(String name, int unlessGiven, int least, int most) {
        return (int) integer(name, (long) unlessGiven, least, most);
    }

    public long integer(String name, long unlessGiven, long least, long most) {
        if (!has(name)) {
            return unlessGiven;
        }
        if (!node(name).isIntegralNumber()) {
            throw fault(name, "must be an integer");
        }
        boolean fits = node(name).canConvertToLong();
        if (!fits || node(name).longValue() < least || node(name).longValue() > most) {
            throw fault(name, "must be %d to %d".formatted(least, most));
        }
        return node(name).longValue();
    }

    public double number(String name, double unlessGiven, double least, double most) {
        if (!has(name)) {
            return unlessGiven;
        }
        if (!node(name).isNumber()) {
            throw fault(name, "must be a number");
        }
        double value = node(name).doubleValue();
        if (!(value >= least && value <= most)) {
            throw fault(name, "must be %s to %s".formatted(plain(least), plain(most)));
        }
        return value;
    }

    private static String plain(double value) {
        return value == Math.rint(value) ? Long.toString((long) value) : Double.toString(value);
    }

    /** An object; one without fields where there is none. */
    public Fields object(String name) {
        if (has(name) && !node(name).isObject()) {
            throw fault(name, "must be an object");
        }
        return new Fields(node(name), path + name + ".");
    }

    /** A list of objects that must be there. */
    public List<Fields> objects(String name) {
        if (!has(name)) {
            throw fault(name, "is missing");
        }
        if (!node(name).isArray()) {
            throw fault(name, "must be a list");
        }
        List<Fields> objects = new ArrayList<>();
        for (JsonNode one : node(name)) {
            String place = "%s[%d]".formatted(name, objects.size());
            if (!one.isObject()) {
                throw fault(place, "must be an object");
            }
            objects.add(new Fields(one, path + place + "."));
        }
        return objects;
    }

    /** Tokens, at least one. */
    public int[] ids(String name, JsonNode list, int vocabSize) {
        int[] ids = new int[list.size()];
        int i = 0;
        for (JsonNode id : list) {
            boolean right = id.isIntegralNumber() && id.canConvertToInt();
            if (!right || id.intValue() < 0 || id.intValue() >= vocabSize) {
                throw fault(name, "must have tokens, which are 0 to " + (vocabSize - 1));
            }
            ids[i++] = id.intValue();
        }
        if (i == 0) {
            throw fault(name, "must have at least one token");
        }
        return ids;
    }

    /** All fields as a template knows values. */
    public Map<String, Object> values() {
        return TemplateValue.fields(json, true);
    }

    /** What a text says as JSON, where it does; the text itself where not. */
    public static Object parsed(Object text) {
        if (!(text instanceof String string)) {
            return text;
        }
        try {
            return TemplateValue.of(READER.readTree(string), true);
        } catch (JacksonException e) {
            return string;
        }
    }
}
