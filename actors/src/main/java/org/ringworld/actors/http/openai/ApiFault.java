package org.ringworld.actors.http.openai;

import org.apache.pekko.http.javadsl.model.ContentTypes;
import org.apache.pekko.http.javadsl.model.HttpResponse;
import org.apache.pekko.http.javadsl.model.StatusCodes;
import org.apache.pekko.http.javadsl.model.headers.RawHeader;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** Why a request is not answered, in the shape of OpenAI's API. */
public final class ApiFault extends RuntimeException {
    private static final long serialVersionUID = 1;

    private final int status;
    private final String type;
    private final String param;
    private final String code;
    private final transient RawHeader header;

    /**
     * @param param the field of the request that is wrong; null: none
     * @param code for programs; null: none
     */
    public ApiFault(int status, String type, String param, String code, String sentence) {
        this(status, type, param, code, null, sentence);
    }

    private ApiFault(
            int status, String type, String param, String code, RawHeader header, String sentence) {
        super(sentence, null, false, false);
        this.status = status;
        this.type = type;
        this.param = param;
        this.code = code;
        this.header = header;
    }

    /** The request is wrong. */
    public static ApiFault request(String param, String sentence) {
        return new ApiFault(400, "invalid_request_error", param, null, sentence);
    }

    /** A path is for that method only. */
    public static ApiFault method(String path, String method) {
        return new ApiFault(
                405,
                "invalid_request_error",
                null,
                null,
                RawHeader.create("Allow", method),
                "%s is for %s".formatted(path, method));
    }

    /** No key, or not the right one. */
    public static ApiFault key(String sentence) {
        return new ApiFault(
                401,
                "invalid_request_error",
                null,
                "invalid_api_key",
                RawHeader.create("WWW-Authenticate", "Bearer"),
                sentence);
    }

    /** There are too many: the client is to come again. */
    public static ApiFault busy(String sentence) {
        return new ApiFault(
                429,
                "rate_limit_error",
                null,
                "rate_limit_exceeded",
                RawHeader.create("Retry-After", "1"),
                sentence);
    }

    /** The server cannot go on. */
    public static ApiFault server(int status, String code, String sentence) {
        return new ApiFault(status, "server_error", null, code, sentence);
    }

    public ObjectNode json() {
        ObjectNode all = JsonMapper.shared().createObjectNode();
        all.putObject("error")
                .put("message", getMessage())
                .put("type", type)
                .put("param", param)
                .put("code", code);
        return all;
    }

    public HttpResponse response() {
        HttpResponse response =
                HttpResponse.create()
                        .withStatus(StatusCodes.get(status))
                        .withEntity(ContentTypes.APPLICATION_JSON, json().toString());
        return header == null ? response : response.addHeader(header);
    }
}
