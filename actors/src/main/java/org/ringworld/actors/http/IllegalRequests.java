package org.ringworld.actors.http;

import org.apache.pekko.event.LoggingAdapter;
import org.apache.pekko.http.ParsingErrorHandler;
import org.apache.pekko.http.javadsl.model.HttpResponse;
import org.apache.pekko.http.scaladsl.model.ErrorInfo;
import org.apache.pekko.http.scaladsl.model.StatusCode;
import org.apache.pekko.http.scaladsl.settings.ServerSettings;
import org.ringworld.actors.http.openai.ApiFault;

/** What is not HTTP is answered in the shape of the API, too. Pekko finds it by its name. */
public final class IllegalRequests extends ParsingErrorHandler {
    /** As Scala names what there is one of. */
    public static final IllegalRequests MODULE$ = new IllegalRequests();

    private IllegalRequests() {}

    @Override
    public HttpResponse handle(
            StatusCode status, ErrorInfo error, LoggingAdapter log, ServerSettings settings) {
        return new ApiFault(status.intValue(), "invalid_request_error", null, null, error.summary())
                .response();
    }
}
