package org.ringworld.tokenizer.media;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.NoSuchElementException;
import java.util.concurrent.CompletableFuture;
import org.ringworld.tokenizer.DataException;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** A video as a file: its frames one after the other, whatever its length, and back. */
final class VideoFile {
    /** Local files alone, whatever a playlist in one says. */
    private static final List<String> LOCAL = List.of("-protocol_whitelist", "file,pipe");

    private static final long MOST_PIXELS = 1L << 26;
    private static final long MOST_ALLOCATED = 1L << 30;

    /** Hours of video at 60 frames a second. */
    private static final long MOST_FRAMES = 2_000_000;

    private VideoFile() {}

    /** How many frames a file says it has. */
    static long frames(Path file) throws DataException {
        List<String> arguments = new ArrayList<>(List.of("-v", "error"));
        arguments.addAll(LOCAL);
        arguments.addAll(
                List.of(
                        "-select_streams",
                        // Not the picture on the cover of a record.
                        "V:0",
                        "-count_packets",
                        "-show_entries",
                        "stream=nb_read_packets,width,height",
                        "-of",
                        "json",
                        url(file)));
        String[] said = new String[1];
        JsonNode stream;
        try {
            Process probe = Ffmpeg.command("ffprobe", arguments).start();
            probe.getOutputStream().close();
            CompletableFuture<String> errors = all(probe.getErrorStream());
            String told = new String(probe.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            said[0] = errors.join();
            stream = JsonMapper.shared().readTree(told).path("streams").path(0);
        } catch (DataException e) {
            throw e;
        } catch (IOException | JacksonException e) {
            throw unreadable(file, e.getMessage());
        }
        if (!stream.isObject()) {
            throw unreadable(
                    file, said[0].isBlank() ? "it has no video in it" : Ffmpeg.reason(said[0]));
        }
        long width = stream.path("width").asLong(0);
        long height = stream.path("height").asLong(0);
        if (width < 1 || height < 1) {
            throw unreadable(file, "its frames have no size");
        }
        if (width * height > MOST_PIXELS) {
            throw new DataException(
                    "%s: frames of %d × %d pixels; those of up to %d are taken"
                            .formatted(file, width, height, MOST_PIXELS));
        }
        return Math.clamp(stream.path("nb_read_packets").asLong(0), 0, MOST_FRAMES);
    }

    private static DataException unreadable(Path file, String why) {
        return new DataException(
                "%s: is neither a picture nor a video that can be read (%s)".formatted(file, why));
    }

    private static String url(Path file) {
        return "file:" + file.toAbsolutePath();
    }

    private static CompletableFuture<String> all(InputStream in) {
        CompletableFuture<String> all = new CompletableFuture<>();
        Thread.ofVirtual()
                .start(
                        () -> {
                            try {
                                byte[] some = in.readNBytes(1 << 16);
                                in.transferTo(OutputStream.nullOutputStream());
                                all.complete(Ffmpeg.said(new String(some, StandardCharsets.UTF_8)));
                            } catch (IOException e) {
                                all.complete("");
                            }
                        });
        return all;
    }

    /**
     * Frames, scaled and cut to squares as LWM has them, while they are read.
     *
     * @param fps how many a second; 0: all there are
     */
    static Frames open(Path file, int side, double fps) throws DataException {
        String scale =
                "scale=w='if(lt(iw,ih),%1$d,trunc(%1$d*iw/ih))':h='if(lt(iw,ih),trunc(%1$d*ih/iw),%1$d)':flags=bicubic+accurate_rnd+full_chroma_int,crop=%1$d:%1$d"
                        .formatted(side);
        String filter = fps > 0 ? String.format(Locale.ROOT, "fps=%f,%s", fps, scale) : scale;
        List<String> arguments = new ArrayList<>(List.of("-v", "error", "-nostdin"));
        arguments.addAll(List.of("-max_alloc", "" + MOST_ALLOCATED));
        arguments.addAll(LOCAL);
        arguments.addAll(List.of("-max_pixels", "" + MOST_PIXELS, "-i", url(file)));
        arguments.addAll(List.of("-map", "0:V:0", "-fps_mode", fps > 0 ? "cfr" : "passthrough"));
        arguments.addAll(List.of("-vf", filter, "-pix_fmt", "rgb24", "-f", "rawvideo", "pipe:1"));
        try {
            return new Frames(file, side, Ffmpeg.command("ffmpeg", arguments).start());
        } catch (IOException e) {
            throw e instanceof DataException known ? known : unreadable(file, e.getMessage());
        }
    }

    /** Frames as they come; the last of a damaged video are missing. */
    static final class Frames implements PictureStream {
        private final Path file;
        private final int side;
        private final Process process;
        private final CompletableFuture<String> errors;
        private byte[] next;
        private long read;

        private Frames(Path file, int side, Process process) throws IOException {
            this.file = file;
            this.side = side;
            this.process = process;
            process.getOutputStream().close();
            this.errors = all(process.getErrorStream());
        }

        /** Reads one into memory, if there is one. */
        @Override
        public boolean hasNext() {
            try {
                if (next == null && read < MOST_FRAMES) {
                    byte[] one = process.getInputStream().readNBytes(3 * side * side);
                    next = one.length == 3 * side * side ? one : null;
                }
                return next != null;
            } catch (IOException e) {
                return false;
            }
        }

        @Override
        public Picture next() {
            if (!hasNext()) {
                throw new NoSuchElementException();
            }
            Picture picture = new Picture(side, side, next);
            next = null;
            read++;
            return picture;
        }

        /** Frames read so far. */
        long read() {
            return read;
        }

        /**
         * @throws DataException where not one frame could be read
         */
        void requireAny() throws DataException {
            if (!hasNext() && read == 0) {
                throw unreadable(
                        file, Ffmpeg.reason(errors.join() + "\nno frame of it can be read"));
            }
        }

        @Override
        public void close() {
            process.destroyForcibly();
        }
    }

    /**
     * Writes frames as they come: mp4 (H.264, or MPEG-4 where the host's ffmpeg has none) or gif.
     *
     * @param to a new file, whose name says nothing
     * @param kind mp4 or gif
     */
    static void write(Iterator<Picture> frames, double fps, Path to, String kind)
            throws IOException {
        Picture first = frames.next();
        List<String> arguments = new ArrayList<>(List.of("-v", "error", "-y", "-f", "rawvideo"));
        arguments.addAll(List.of("-pix_fmt", "rgb24", "-s", first.width() + "x" + first.height()));
        arguments.addAll(List.of("-r", String.format(Locale.ROOT, "%f", fps), "-i", "pipe:0"));
        arguments.addAll(
                kind.equals("gif")
                        ? List.of(
                                "-vf", "split[a][b];[a]palettegen[p];[b][p]paletteuse", "-f", "gif")
                        : List.of("-b:v", "2M", "-pix_fmt", "yuv420p", "-f", "mp4"));
        if (kind.equals("mp4")) {
            arguments.addAll(Ffmpeg.h264());
        }
        arguments.add(url(to));
        Process process = Ffmpeg.command("ffmpeg", arguments).start();
        CompletableFuture<String> errors = all(process.getErrorStream());
        try (OutputStream out = process.getOutputStream()) {
            out.write(first.rgb());
            while (frames.hasNext()) {
                out.write(frames.next().rgb());
            }
        } catch (IOException e) {
            process.destroyForcibly(); // it says why
        }
        try {
            if (process.waitFor() != 0) {
                Files.deleteIfExists(to);
                throw new IOException("ffmpeg cannot write it: " + Ffmpeg.reason(errors.join()));
            }
        } catch (InterruptedException e) {
            process.destroyForcibly();
            Thread.currentThread().interrupt();
            throw new IOException("interrupted", e);
        }
    }
}
