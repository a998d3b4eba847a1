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

    /**
     * @param param the field of the request that is wrong; null: none
     * @param code for programs; null: none
     */
    public ApiFault(int status, String type, String param, String code, String sentence) {
        super(sentence, null, false, false);
        this.status = status;
        this.type = type;
        this.param = param;
        this.code = code;
    }

    /** The request is wrong. */
    public static ApiFault request(String param, String sentence) {
        return new ApiFault(400, "invalid_request_error", param, null, sentence);
    }

    /** There are too many: the client is to come again. */
    public static ApiFault busy(String sentence) {
        return new ApiFault(429, "rate_limit_error", null, "rate_limit_exceeded", sentence);
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
        return switch (status) {
            case 401 -> response.addHeader(RawHeader.create("WWW-Authenticate", "Bearer"));
            case 429 -> response.addHeader(RawHeader.create("Retry-After", "1"));
            default -> response;
        };
    }
}
