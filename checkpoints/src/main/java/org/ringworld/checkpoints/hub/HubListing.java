package org.ringworld.checkpoints.hub;

import java.io.IOException;
import java.io.InputStream;
import java.net.URLEncoder;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import org.ringworld.checkpoints.CheckpointException;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * What a repository holds at a revision.
 *
 * @param commit that the revision is now
 */
record HubListing(String commit, List<HubFile> files) {
    private static final int MOST_TOLD = 8;

    /** Longer lists may end too early. */
    private static final int MOST_LISTED = 50_000;

    private static final int OK = 200;

    /**
     * Asks the hub.
     *
     * @throws CheckpointException where there is no such repository, or the answer is damaged or
     *     has names that lead out of it
     */
    static HubListing of(HubName name, HubClient client) throws IOException {
        String revision = URLEncoder.encode(name.revision(), StandardCharsets.UTF_8);
        String path = "/api/%s/revision/%s?blobs=true".formatted(name.api(), revision);
        HttpResponse<InputStream> answer = client.get(path, 0);
        try (InputStream body = client.body(answer)) {
            if (answer.statusCode() != OK) {
                throw client.refused(name, answer);
            }
            return read(name, JsonMapper.shared().readTree(body.readAllBytes()));
        } catch (JacksonException e) {
            throw damaged(name, "no JSON");
        } catch (CheckpointException e) {
            throw e;
        } catch (IOException e) {
            throw new CheckpointException(name + ": the hub's answer broke off: try again", e);
        }
    }

    private static HubListing read(HubName name, JsonNode json) throws CheckpointException {
        String commit = json.path("sha").asString("");
        if (!commit.matches("[0-9a-f]{40}")) {
            throw damaged(name, "no commit");
        }
        if (json.path("siblings").size() >= MOST_LISTED) {
            throw new CheckpointException(
                    "%s: has more files than the hub lists at once: fetch it with hf download, and name its directory"
                            .formatted(name));
        }
        List<HubFile> files = new ArrayList<>();
        for (JsonNode file : json.path("siblings")) {
            String path = file.path("rfilename").asString("");
            JsonNode lfs = file.path("lfs");
            boolean isLarge = lfs.isObject();
            String hash =
                    isLarge ? lfs.path("sha256").asString("") : file.path("blobId").asString("");
            long size = file.path("size").asLong(-1);
            if (path.isEmpty() || !HubName.isInside(path)) {
                throw damaged(name, "a file called " + path);
            }
            if (size < 0 || !hash.matches(isLarge ? "[0-9a-f]{64}" : "[0-9a-f]{40}")) {
                throw damaged(name, "no size or checksum of " + path);
            }
            files.add(new HubFile(path, size, hash, isLarge));
        }
        return new HubListing(commit, files);
    }

    private static CheckpointException damaged(HubName name, String what) {
        return new CheckpointException(
                "%s: the hub's answer has %s: it cannot be used, and nothing was fetched"
                        .formatted(name, what));
    }

    /** The first names, for an error's sentence. */
    String told() {
        String names =
                files.stream()
                        .limit(MOST_TOLD)
                        .map(HubFile::name)
                        .collect(Collectors.joining(", "));
        return files.size() > MOST_TOLD ? names + ", …" : names;
    }
}
