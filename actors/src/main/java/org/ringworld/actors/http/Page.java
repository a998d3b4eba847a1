package org.ringworld.actors.http;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.apache.pekko.http.javadsl.model.ContentType;
import org.apache.pekko.http.javadsl.model.ContentTypes;
import org.apache.pekko.http.javadsl.model.HttpCharsets;
import org.apache.pekko.http.javadsl.model.HttpEntities;
import org.apache.pekko.http.javadsl.model.HttpResponse;
import org.apache.pekko.http.javadsl.model.MediaTypes;
import org.apache.pekko.http.javadsl.model.headers.RawHeader;

/** The page at {@code /}: files that are as they are, and ask for nothing from elsewhere. */
final class Page {
    private static final String POLICY =
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
                    + " connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

    private Page() {}

    /** By their paths. */
    static Map<String, HttpResponse> files() {
        Map<String, String> files =
                Map.of(
                        "/", "index.html",
                        "/page.css", "page.css",
                        "/chat.js", "chat.js",
                        "/ring.js", "ring.js",
                        "/icon.svg", "icon.svg");
        return files.entrySet().stream()
                .collect(Collectors.toMap(Map.Entry::getKey, file -> response(file.getValue())));
    }

    private static HttpResponse response(String name) {
        try (InputStream in = Page.class.getResourceAsStream("/page/" + name)) {
            return HttpResponse.create()
                    .addHeaders(
                            List.of(
                                    RawHeader.create("Content-Security-Policy", POLICY),
                                    RawHeader.create("X-Content-Type-Options", "nosniff"),
                                    RawHeader.create("Referrer-Policy", "no-referrer"),
                                    RawHeader.create("Cache-Control", "no-cache")))
                    .withEntity(HttpEntities.create(type(name), in.readAllBytes()));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static ContentType type(String name) {
        return switch (name.substring(name.lastIndexOf('.') + 1)) {
            case "html" -> ContentTypes.TEXT_HTML_UTF8;
            case "css" -> MediaTypes.TEXT_CSS.toContentType(HttpCharsets.UTF_8);
            case "js" -> MediaTypes.APPLICATION_JAVASCRIPT.toContentType(HttpCharsets.UTF_8);
            default -> MediaTypes.IMAGE_SVG_XML.toContentType();
        };
    }
}
